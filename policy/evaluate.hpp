// The evaluator, one object an evaluation.
#pragma once

#include "policy/engine.hpp"
#include "policy/operators.hpp"
#include "policy/program.hpp"
#include "policy/truth.hpp"

#include <array>
#include <forward_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace plumbline::policy {

/// Steps (conditions, selected elements, function calls) before a rule counts as runaway.
inline constexpr std::size_t kMaxSteps = 1'000'000;
inline constexpr std::size_t kMaxArenaBytes = std::size_t{64} << 20U;

/// What the rule says, before modes and applicability turn it into an outcome.
struct RuleResult {
  Truth condition;  // of `if`
  /// The effect takes place: `if` holds, and for *IfNotExists no related resource satisfies.
  Truth fires;
  std::string_view effect;  // lower case; the program's, the caller's or a known one
};

class Evaluator {
 public:
  /// `resource` and `context` are absent when parameters are bound.
  Evaluator(const Program& program,
            const std::vector<Value>& parameters,
            const std::vector<Value>& slots,
            const EvaluationContext* context,
            const std::optional<Json>& resource,
            Arena& arena);

  /// `verbatim`: related resources are taken as they come, whatever their name (conformance
  /// cases hand over the answer of a look-up). `effect`: that in force, or empty to compute it.
  [[nodiscard]] RuleResult run(std::string_view effect, bool verbatim);
  [[nodiscard]] Truth truth(const Condition& condition);
  [[nodiscard]] Value value(const Expr& expr);

  /// Whether the rule concerns the resource: conditions on type, name and kind decide, all others
  /// count as true (false under `not`).
  [[nodiscard]] Truth applies(const Condition& condition, bool positive = true);

  /// The tree of the rule with what its conditions saw. Evaluates everything once more.
  [[nodiscard]] Explanation explain(const RuleResult& result, bool verbatim);

  [[nodiscard]] std::string_view resource_type() const { return primary_.type; }

  [[nodiscard]] Value root() const { return primary_.value; }

 private:
  struct Root {
    Value value;
    std::string_view type;  // lower case; in `buffer` or the arena
    std::array<char, 96> buffer;
  };

  /// A count whose `where` is being evaluated.
  struct Frame {
    Value current;
    Elements elements;  // of a field count: the element at each of its [*]
  };

  /// How many elements a count has found: at least `low`, at most `high`, or without bound.
  struct Tally {
    std::int64_t low = 0;
    std::int64_t high = 0;
    bool unbounded = false;
    std::optional<Truth> undetermined;
    std::optional<Truth> error;

    void add(const Truth& truth);
    void add_unknown(std::string_view reason);
  };

  struct CandidateResult {
    Truth satisfies;
    std::string id;
    std::optional<Explanation> explanation;
  };

  void set_root(Root& root, const Value& value);
  /// False once the rule has used up its steps or its memory.
  [[nodiscard]] bool step(std::size_t cost = 1);
  [[nodiscard]] Truth compared(const Condition& condition,
                               const Value& left,
                               const Value& right,
                               const Comparison& comparison = {});
  [[nodiscard]] const Root& root_of(const FieldRef& field) const;
  [[nodiscard]] const FieldPath* path_of(const FieldRef& field) const;
  template <class Sink>
  void select_field(const FieldRef& field, Elements* elements, Sink&& sink);
  /// The field that a computed name means; null with `failure` set where it means none.
  const FieldRef* resolve(const FieldRef& field, Value& failure);
  [[nodiscard]] Value full_name(const Root& root);
  [[nodiscard]] Value field_value(const FieldRef& field);
  [[nodiscard]] Value current_value(const Expr& expr);
  [[nodiscard]] Value lazy_logic(const Expr& expr, bool dominant);
  [[nodiscard]] Value format_now(const Expr& expr);
  [[nodiscard]] Value context_value(const std::optional<Json>& part, std::string_view name);

  [[nodiscard]] Truth field_truth(const Condition& condition, Explanation* out);
  [[nodiscard]] Truth count_truth(const Condition& condition, Explanation* out);
  [[nodiscard]] Truth compare_tally(const Condition& condition,
                                    const Tally& tally,
                                    const Value& right);
  [[nodiscard]] Truth evaluate(const Condition& condition, Explanation* out);

  [[nodiscard]] Truth related_satisfies(bool verbatim, Explanation* out);
  [[nodiscard]] Truth candidate_satisfies(const Value& candidate,
                                          const Value& wanted_name,
                                          bool verbatim,
                                          Explanation* out);
  [[nodiscard]] Truth name_matches(const Value& candidate, const Value& wanted_name);

  const Program& program_;
  const std::vector<Value>& parameters_;
  const std::vector<Value>& slots_;
  const EvaluationContext* context_;
  Root primary_;
  Root candidate_;
  std::string_view related_type_;  // lower case: the type of candidates
  std::string api_version_;        // lower case
  Arena& arena_;
  FunctionContext functions_;
  std::vector<Frame> frames_;
  std::forward_list<FieldRef> computed_fields_;  // resolved from computed names while evaluating
  std::size_t steps_ = 0;
};

/// `evaluate` without modes, types and applicability, for conformance cases.
[[nodiscard]] RuleResult run_rule(const BoundDefinition& definition,
                                  Json resource,
                                  const EvaluationContext& context,
                                  Arena& arena);

}  // namespace plumbline::policy
