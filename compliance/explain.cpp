#include "compliance/explain.hpp"

namespace plumbline::compliance {

policy::Evaluation evaluate_check(const Check& check,
                                  Surroundings& surroundings,
                                  core::Time now,
                                  bool explain) {
  const auto body = surroundings.body_with(check.relations);
  if (!body) {
    policy::Evaluation evaluation;
    evaluation.outcome = policy::Outcome::kError;
    evaluation.reason = body.error().message;
    return evaluation;
  }
  policy::EvaluationContext context;
  context.now = now;
  // What is read is a dependency, so nothing is read that the rule does not.
  if (check.definition->info().reads_subscription) {
    context.subscription = surroundings.subscription();
  }
  if (check.definition->info().reads_resource_group) {
    context.resource_group = surroundings.resource_group();
  }
  context.policy = check.policy.root();
  context.related = &surroundings;
  return policy::evaluate(check.definition_for(*body), *body, context, explain);
}

}  // namespace plumbline::compliance
