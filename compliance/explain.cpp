#include "compliance/explain.hpp"

#include "core/text.hpp"

namespace plumbline::compliance {

namespace {

policy::Evaluation parse_failure(simdjson::error_code error) {
  policy::Evaluation evaluation;
  evaluation.outcome = policy::Outcome::kError;
  evaluation.reason = simdjson::error_message(error);
  return evaluation;
}

}  // namespace

policy::Evaluation evaluate_check(const Check& check,
                                  const core::StoredResource& resource,
                                  Surroundings& surroundings,
                                  core::Time now,
                                  bool explain) {
  simdjson::dom::parser parser;
  policy::Json body;
  if (const auto error = parser.parse(resource.body).get(body); error != simdjson::SUCCESS) {
    return parse_failure(error);
  }
  simdjson::dom::parser with_relations;
  std::string text;
  if (!check.relations.empty() && resource.body.size() > 2) {
    text = resource.body.substr(0, resource.body.size() - 1);
    text += ',';
    core::append_json_quoted(text, policy::kRelationsProperty);
    text += ':';
    text += surroundings.relations_json(check.relations, body);
    text += '}';
    if (const auto error = with_relations.parse(text).get(body); error != simdjson::SUCCESS) {
      return parse_failure(error);
    }
  }
  policy::EvaluationContext context;
  context.now = now;
  context.subscription = surroundings.subscription();
  context.resource_group = surroundings.resource_group();
  context.related = &surroundings;
  return policy::evaluate(*check.definition, body, context, explain);
}

}  // namespace plumbline::compliance
