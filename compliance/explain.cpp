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
  context.subscription = surroundings.subscription();
  context.resource_group = surroundings.resource_group();
  context.related = &surroundings;
  return policy::evaluate(check.definition_for(*body), *body, context, explain);
}

}  // namespace plumbline::compliance
