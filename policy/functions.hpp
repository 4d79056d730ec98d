// The template functions that depend on their arguments alone, in one table.
#pragma once

#include "policy/value.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace plumbline::policy {

/// Where a function puts what it makes. Bounds apply to each result.
class FunctionContext {
 public:
  explicit FunctionContext(Arena& arena) : arena_(arena) {}

  [[nodiscard]] Arena& arena() noexcept { return arena_; }

  [[nodiscard]] Value fail(std::string message) { return arena_.error(std::move(message)); }

  /// A string result, or an error when it is too long.
  [[nodiscard]] Value text(std::string text);
  [[nodiscard]] Value list(Elements elements);

 private:
  Arena& arena_;
};

inline constexpr std::size_t kMaxTextBytes = std::size_t{1} << 20U;
inline constexpr std::size_t kMaxListSize = 100'000;

using Arguments = std::span<const Value>;

/// What a function makes of unknown arguments.
enum class Unknowns : std::uint8_t {
  kSpoil,   // its result is unknown
  kInside,  // it takes arrays and objects in which something is unknown
  kAny,     // it takes them as they are
};

struct Function {
  std::string_view name;
  std::uint8_t min_arguments;
  std::uint8_t max_arguments;  // kManyArguments: no limit
  Value (*call)(FunctionContext&, Arguments);
  Unknowns unknowns = Unknowns::kSpoil;
  /// Not for policy rules; conformance cases call it all the same.
  bool forbidden = false;
};

inline constexpr std::uint8_t kManyArguments = 255;

/// Null where there is no such function; names are compared without regard to case.
[[nodiscard]] const Function* find_function(std::string_view name);
[[nodiscard]] std::span<const Function> all_functions();
/// Functions of Azure Resource Manager that policy rules may not use.
[[nodiscard]] bool is_forbidden_function(std::string_view name);

/// Calls with evaluated arguments: a failed one makes the result so too, and an unknown one where
/// the function says nothing else.
[[nodiscard]] Value call_function(const Function& function,
                                  FunctionContext& context,
                                  Arguments arguments);

}  // namespace plumbline::policy
