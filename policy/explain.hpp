// Filling in an Explanation.
#pragma once

#include "policy/engine.hpp"
#include "policy/program.hpp"
#include "policy/truth.hpp"

#include <string>

namespace plumbline::policy {

/// Elements of a count, and related resources, that an explanation shows one by one.
inline constexpr std::size_t kMaxExplainedElements = 20;

/// JSON text of a value, bounded; empty where there is nothing to show.
[[nodiscard]] std::string shown(const Value& value);
/// Sets the text.
void describe(const Condition& condition, Explanation& out);
/// Sets truth and reason.
void conclude(const Truth& truth, Explanation& out);
/// Marks what the outcome rests on. `root` is what Evaluator::explain builds: the condition, and
/// for an existence effect what was found.
void mark_decisive(Explanation& root, const Condition& condition, bool existence);

}  // namespace plumbline::policy
