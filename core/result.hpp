// Errors are values: every function that can fail for a reason its caller should know returns a
// Result. Exceptions are left to bugs and to third-party code, and are caught at a module's edge.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace plumbline::core {

/// What went wrong, in the words that decide what happens next. `to_string` gives the spelling used
/// in logs, metrics and stored evidence; it is part of the interface and never changes.
enum class Errc {
  kInvalidArgument,
  kParse,
  kNotFound,
  kLimit,
  kIo,
  kNetwork,
  kTimeout,
  kTls,
  kHttp,
  kUnauthorized,
  kForbidden,
  kThrottled,
  kUnavailable,
  kTruncated,
  kCancelled,
  kBusy,
  kNewerSchema,
  kCorrupt,
  kInternal,
};

[[nodiscard]] std::string_view to_string(Errc code) noexcept;

/// An error with a message for a human. The message names the file, line, path, URL or id concerned
/// and never holds a secret.
struct Error {
  Errc code = Errc::kInternal;
  std::string message;

  [[nodiscard]] Error with_context(std::string_view context) const&;
};

/// A value or an Error. A class rather than an alias so that the compiler reports a dropped result
/// of a coroutine too. Default-constructed it is an error, never a success.
template <class T>
class [[nodiscard]] Result {
 public:
  using value_type = T;

  Result() : state_(std::unexpected(Error{Errc::kInternal, "result was never set"})) {}

  Result(T value) : state_(std::move(value)) {}  // NOLINT: implicit on purpose

  Result(Error error) : state_(std::unexpected(std::move(error))) {}  // NOLINT

  [[nodiscard]] explicit operator bool() const noexcept { return state_.has_value(); }

  [[nodiscard]] bool has_value() const noexcept { return state_.has_value(); }

  // Precondition of all of these: has_value().
  [[nodiscard]] T& value() & { return *state_; }

  [[nodiscard]] const T& value() const& { return *state_; }

  [[nodiscard]] T&& value() && { return *std::move(state_); }

  [[nodiscard]] T& operator*() & { return *state_; }

  [[nodiscard]] const T& operator*() const& { return *state_; }

  [[nodiscard]] T&& operator*() && { return *std::move(state_); }

  [[nodiscard]] T* operator->() { return &*state_; }

  [[nodiscard]] const T* operator->() const { return &*state_; }

  /// Precondition: !has_value().
  [[nodiscard]] const Error& error() const& { return state_.error(); }

  [[nodiscard]] T value_or(T other) && { return state_ ? *std::move(state_) : std::move(other); }

  template <class F>
  auto map(F f) && -> Result<std::invoke_result_t<F, T>> {
    if (!state_) {
      return std::move(state_).error();
    }
    return std::move(f)(*std::move(state_));
  }

  template <class F>
  auto and_then(F f) && -> std::invoke_result_t<F, T> {
    if (!state_) {
      return std::move(state_).error();
    }
    return std::move(f)(*std::move(state_));
  }

 private:
  std::expected<T, Error> state_;
};

/// Success or an Error. Default-constructed it is an error; `Result<void>::ok()` is a success.
template <>
class [[nodiscard]] Result<void> {
 public:
  using value_type = void;

  Result() : state_(std::unexpected(Error{Errc::kInternal, "result was never set"})) {}

  Result(Error error) : state_(std::unexpected(std::move(error))) {}  // NOLINT

  static Result ok() {
    Result result;
    result.state_ = {};
    return result;
  }

  [[nodiscard]] explicit operator bool() const noexcept { return state_.has_value(); }

  [[nodiscard]] bool has_value() const noexcept { return state_.has_value(); }

  [[nodiscard]] const Error& error() const& { return state_.error(); }

 private:
  std::expected<void, Error> state_;
};

using Status = Result<void>;

}  // namespace plumbline::core
