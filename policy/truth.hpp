// Conditions are true, false, undetermined (evidence is missing) or in error, and combine by
// Kleene's rules: what is certain decides, then what is missing, then what failed.
#pragma once

#include "policy/value.hpp"

#include <cstdint>
#include <string_view>

namespace plumbline::policy {

struct Truth {
  enum class Kind : std::uint8_t { kFalse, kTrue, kUndetermined, kError };

  Kind kind = Kind::kFalse;
  std::string_view reason;  // why undetermined, or the error

  [[nodiscard]] static Truth of(bool b) { return {b ? Kind::kTrue : Kind::kFalse, {}}; }

  [[nodiscard]] static Truth undetermined(std::string_view reason) {
    return {Kind::kUndetermined, reason};
  }

  [[nodiscard]] static Truth error(std::string_view message) { return {Kind::kError, message}; }

  [[nodiscard]] bool is_true() const noexcept { return kind == Kind::kTrue; }

  [[nodiscard]] bool is_false() const noexcept { return kind == Kind::kFalse; }

  [[nodiscard]] bool is_undetermined() const noexcept { return kind == Kind::kUndetermined; }

  [[nodiscard]] bool is_error() const noexcept { return kind == Kind::kError; }

  [[nodiscard]] Truth operator!() const {
    if (is_true() || is_false()) {
      return of(is_false());
    }
    return *this;
  }
};

/// Combines truths as all-of (`dominant` false) or any-of (`dominant` true).
class Combination {
 public:
  explicit Combination(bool dominant) : dominant_(dominant), result_(Truth::of(!dominant)) {}

  /// False once nothing further can change the result.
  bool add(const Truth& truth) {
    if (result_.kind == Truth::of(dominant_).kind) {
      return false;
    }
    if (truth.kind == Truth::of(dominant_).kind) {
      result_ = truth;
      return false;
    }
    if (truth.is_undetermined()
            ? !result_.is_undetermined()
            : truth.is_error() && !result_.is_undetermined() && !result_.is_error()) {
      result_ = truth;
    }
    return true;
  }

  [[nodiscard]] const Truth& result() const noexcept { return result_; }

 private:
  bool dominant_;
  Truth result_;
};

}  // namespace plumbline::policy
