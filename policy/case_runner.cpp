#include "policy/case_runner.hpp"

#include "core/text.hpp"
#include "policy/compile.hpp"
#include "policy/evaluate.hpp"
#include "policy/json_tree.hpp"
#include "policy/parser.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <optional>
#include <utility>

namespace plumbline::policy {

namespace {

using core::iequals;

enum class Verdict : std::uint8_t { kPassed, kFailed, kSkipped };

struct CaseResult {
  Verdict verdict = Verdict::kFailed;
  std::string message;
};

CaseResult passed() {
  return {Verdict::kPassed, {}};
}

CaseResult failed(std::string message) {
  return {Verdict::kFailed, std::move(message)};
}

CaseResult skipped(std::string message) {
  return {Verdict::kSkipped, std::move(message)};
}

std::optional<Json> find(Json object, std::string_view key) {
  Json value;
  if (object.at_key(key).get(value) != simdjson::SUCCESS || value.is_null()) {
    return std::nullopt;
  }
  return value;
}

std::string_view text_of(Json object, std::string_view key) {
  std::string_view text;
  if (object.at_key(key).get(text) != simdjson::SUCCESS) {
    return {};
  }
  return text;
}

bool flag(Json object, std::string_view key) {
  bool value = false;
  return object.at_key(key).get(value) == simdjson::SUCCESS && value;
}

std::string directory_of(std::string_view path) {
  const auto slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string() : std::string(path.substr(0, slash + 1));
}

/// Answers look-ups from a case's `related`.
class CaseRelated final : public RelatedResources {
 public:
  /// `by_type`: entries answer only questions about their type. Otherwise the first entry answers
  /// whatever is asked, which is how the conformance cases record a look-up.
  CaseRelated(std::optional<Json> entries, bool by_type) : by_type_(by_type) {
    if (entries) {
      if (simdjson::dom::array array; entries->get(array) == simdjson::SUCCESS) {
        for (const auto entry : array) {
          entries_.push_back(entry);
        }
      }
    }
  }

  RelatedAnswer find(const ExistenceQuery& query) override {
    RelatedAnswer answer;
    for (const auto& entry : entries_) {
      if (const auto reason = text_of(entry, "noEvidence"); !reason.empty()) {
        if (const auto type = text_of(entry, "type"); type.empty() || iequals(type, query.type)) {
          answer.missing = std::string(reason);
        }
        continue;
      }
      const auto resource = policy::find(entry, "resource");
      if (resource && (!by_type_ || has_type(entry, *resource, query.type))) {
        answer.candidates.push_back(*resource);
      }
      if (!by_type_) {
        break;
      }
    }
    return answer;
  }

 private:
  static bool has_type(Json entry, Json resource, std::string_view wanted) {
    std::string_view type = text_of(entry, "type");
    if (type.empty()) {
      type = text_of(resource, "type");
    }
    return type.empty() || iequals(type, wanted);
  }

  std::vector<Json> entries_;
  bool by_type_;
};

}  // namespace

class CaseRunner::Impl {
 public:
  Impl(CaseOptions options, FileLoader loader)
      : options_(std::move(options)), loader_(std::move(loader)) {
    for (const auto line : core::split(options_.divergences, '\n')) {
      const auto trimmed = core::trim(line);
      if (!trimmed.empty() && !trimmed.starts_with('#')) {
        const auto tab = trimmed.find('\t');
        divergences_.emplace(trimmed.substr(0, tab),
                             tab == std::string_view::npos ? "" : trimmed.substr(tab + 1));
      }
    }
  }

  void run(std::string_view path, std::string_view content) {
    path_ = path;
    std::size_t line_number = 0;
    for (const auto line : core::split(content, '\n')) {
      ++line_number;
      if (!core::trim(line).empty()) {
        run_line(line_number, line);
      }
    }
  }

  [[nodiscard]] const CaseReport& report() const { return report_; }

 private:
  void run_line(std::size_t number, std::string_view line) {
    simdjson::dom::parser parser;
    Json root;
    const simdjson::padded_string text(line);
    if (const auto error = parser.parse(text).get(root)) {
      settle(number, "-", failed(fmt::format("invalid JSON: {}", simdjson::error_message(error))));
      return;
    }
    if (!root.is_object()) {
      settle(number, "-", failed("a case must be an object"));
      return;
    }
    const std::string id(text_of(root, "id"));
    if (!selected(root, id)) {
      settle(number, id, skipped("not selected"));
      return;
    }
    CaseResult result;
    try {
      result = run_case(root);
    } catch (const std::exception& e) {
      result = failed(fmt::format("exception: {}", e.what()));
    }
    auto known = divergences_.find(fmt::format("{}@{}", id, number));
    if (known == divergences_.end()) {
      known = divergences_.find(id);
    }
    if (known != divergences_.end()) {
      if (result.verdict == Verdict::kFailed) {
        ++report_.diverged;
        result = skipped(fmt::format("diverges: {}", known->second));
      } else if (result.verdict == Verdict::kPassed) {
        result = failed("is listed as a divergence, but passes");
      }
    }
    settle(number, id, std::move(result));
  }

  [[nodiscard]] bool selected(Json root, const std::string& id) const {
    const auto class_name = text_of(root, "class");
    const auto holds = [&](const std::vector<std::string>& list) {
      return std::ranges::any_of(list, [&](const std::string& c) { return c == class_name; });
    };
    return (options_.classes.empty() || holds(options_.classes)) &&
           !holds(options_.exclude_classes) && id.contains(options_.filter) &&
           !flag(root, "skip") && !flag(root, "not_in_policy_language");
  }

  void settle(std::size_t number, const std::string& id, CaseResult result) {
    const auto line = [&](std::string_view message) {
      return fmt::format("{}:{}: {}: {}", path_, number, id, message);
    };
    std::string_view word = "passed";
    switch (result.verdict) {
      case Verdict::kPassed:
        ++report_.passed;
        break;
      case Verdict::kSkipped:
        ++report_.skipped;
        word = "skipped";
        break;
      case Verdict::kFailed:
        ++report_.failed;
        word = "FAILED";
        report_.failures.push_back(line(result.message));
        break;
    }
    if (options_.verbose) {
      report_.log.push_back(
          line(result.message.empty() ? word : fmt::format("{}: {}", word, result.message)));
    }
  }

  CaseResult run_case(Json root) {
    if (find(root, "args")) {
      return function_case(root);
    }
    if (!text_of(root, "level").empty()) {
      return parse_case(root);
    }
    return policy_case(root);
  }

  // -- catalogues -----------------------------------------------------------------------------

  core::Result<std::shared_ptr<const AliasCatalogue>> catalogue(const std::string& name) {
    if (const auto known = catalogues_.find(name); known != catalogues_.end()) {
      return known->second;
    }
    auto loaded = load_catalogue(name);
    if (loaded) {
      catalogues_.emplace(name, *loaded);
    }
    return loaded;
  }

  core::Result<std::shared_ptr<const AliasCatalogue>> load_catalogue(const std::string& name) {
    if (name == "none") {
      return AliasCatalogue::raw_paths();
    }
    if (name.empty() || name == "all_aliases") {
      return AliasCatalogue::shipped();
    }
    std::vector<std::string> places;
    const std::string file = name + ".json";
    for (const auto& path : options_.alias_paths) {
      if (path == file || path.ends_with(fmt::format("/{}", file))) {
        places.insert(places.begin(), path);
      } else if (!path.ends_with(".json")) {
        places.push_back(fmt::format("{}/{}", path, file));
      }
    }
    places.push_back(directory_of(path_) + "aliases/" + file);
    for (const auto& path : options_.alias_paths) {
      if (path.ends_with(".json")) {
        places.push_back(path);
      }
    }
    for (const auto& place : places) {
      if (auto content = loader_(place)) {
        return AliasCatalogue::from_providers(*content, place);
      }
    }
    return core::Error{core::Errc::kNotFound, fmt::format("no alias catalogue '{}'", name)};
  }

  // -- policy cases ---------------------------------------------------------------------------

  /// Neighbouring cases often share their definition.
  core::Result<std::shared_ptr<const Program>> compile(const std::string& text,
                                                       const std::string& source,
                                                       const std::string& aliases,
                                                       bool strict) {
    const std::string key = fmt::format("{}\n{}\n{}", aliases, strict, text);
    if (last_program_ && key == last_key_) {
      return *last_program_;
    }
    const auto found = catalogue(aliases);
    if (!found) {
      return found.error();
    }
    auto program = compile_text(text, source, **found, {.allow_undeclared_parameters = !strict});
    last_key_ = key;
    last_program_ = program;
    return program;
  }

  CaseResult policy_case(Json root) {
    const bool verdict_case = !text_of(root, "want_state").empty();
    std::string source = "definition";
    std::string text;
    if (const auto file = text_of(root, "definition_file"); !file.empty()) {
      source = directory_of(path_) + std::string(file);
      auto content = loader_(source);
      if (!content) {
        return failed(content.error().message);
      }
      text = *std::move(content);
    } else if (const auto definition = find(root, "definition")) {
      text = simdjson::to_string(*definition);
    } else if (const auto rule = find(root, "policy_rule")) {
      text = simdjson::to_string(*rule);
    } else if (const auto raw = text_of(root, "raw"); !raw.empty()) {
      text = raw;
    } else {
      return failed("the case names no definition");
    }
    const auto program = compile(text, source, std::string(text_of(root, "aliases")), verdict_case);
    if (flag(root, "want_parse_error") || flag(root, "want_compile_error")) {
      return program ? failed("the definition should be rejected") : passed();
    }
    if (!program) {
      return failed(program.error().message);
    }
    const auto parameters = find(root, "parameters");
    const auto bound = bind_parameters(*program,
                                       parameters ? simdjson::to_string(*parameters) : "{}",
                                       {.effect_override = {}, .lenient = !verdict_case});
    if (!bound) {
      return failed(bound.error().message);
    }
    return verdict_case ? check_state(root, **bound) : check_effect(root, **bound);
  }

  struct Context {
    EvaluationContext context;
    std::string problem;
  };

  static Context context_of(Json root) {
    Context out;
    EvaluationContext& context = out.context;
    std::string_view now = text_of(root, "now");
    if (const auto given = find(root, "context")) {
      context.subscription = find(*given, "subscription");
      context.resource_group = find(*given, "resourceGroup");
      context.policy = find(*given, "policy");
      context.request_context = find(*given, "requestContext");
      if (now.empty()) {
        now = text_of(*given, "utcNow");
      }
    }
    if (auto subscription = find(root, "subscription")) {
      context.subscription = subscription;
    }
    if (auto group = find(root, "resource_group")) {
      context.resource_group = group;
    }
    context.api_version = text_of(root, "api_version");
    if (!now.empty()) {
      const auto time = core::parse_rfc3339(now);
      if (time) {
        context.now = *time;
      } else {
        out.problem = fmt::format("now: '{}' is no time", now);
      }
    }
    return out;
  }

  static CaseResult check_effect(Json root, const BoundDefinition& bound) {
    auto [context, problem] = context_of(root);
    if (!problem.empty()) {
      return failed(problem);
    }
    CaseRelated related(find(root, "related"), false);
    context.related = &related;
    const auto resource = find(root, "resource");
    if (!resource) {
      return failed("the case has no resource");
    }
    Arena arena;
    const RuleResult result = run_rule(bound, *resource, context, arena);
    const auto want = text_of(root, "want_effect");
    std::string got;
    switch (result.fires.kind) {
      case Truth::Kind::kTrue:
        got = result.effect == "disabled" ? "undefined" : result.effect;
        break;
      case Truth::Kind::kFalse:
        got = "undefined";
        break;
      case Truth::Kind::kUndetermined:
        got = fmt::format("no evidence ({})", result.fires.reason);
        break;
      case Truth::Kind::kError:
        got = fmt::format("error ({})", result.fires.reason);
        break;
    }
    if (!want.empty()) {
      return iequals(want, got) ? passed()
                                : failed(fmt::format("want effect {}, got {}", want, got));
    }
    if (!flag(root, "want_undefined")) {
      return failed("the case says nothing about what it wants");
    }
    return got == "undefined" ? passed() : failed(fmt::format("want no effect, got {}", got));
  }

  static CaseResult check_state(Json root, const BoundDefinition& bound) {
    auto [context, problem] = context_of(root);
    if (!problem.empty()) {
      return failed(problem);
    }
    CaseRelated related(find(root, "related"), true);
    if (find(root, "related")) {
      context.related = &related;
    }
    const auto given = find(root, "resource");
    if (!given || !given->is_object()) {
      return failed("the case has no resource");
    }
    std::string text = simdjson::to_string(*given);
    if (const auto relations = find(root, "relations")) {
      const bool empty = text == "{}";
      text.pop_back();
      fmt::format_to(std::back_inserter(text),
                     "{}\"{}\":{}}}",
                     empty ? "" : ",",
                     kRelationsProperty,
                     simdjson::to_string(*relations));
    }
    simdjson::dom::parser parser;
    Json resource;
    const simdjson::padded_string padded(text);
    if (const auto error = parser.parse(padded).get(resource)) {
      return failed(simdjson::error_message(error));
    }
    const Evaluation evaluation = evaluate(bound, resource, context);
    const auto want = text_of(root, "want_state");
    const auto got = to_string(evaluation.outcome);
    const auto why = evaluation.reason.empty() ? "" : fmt::format(" ({})", evaluation.reason);
    if (want != got) {
      return failed(fmt::format("want {}, got {}{}", want, got, why));
    }
    if (const auto reason = text_of(root, "want_reason");
        !reason.empty() && !evaluation.reason.contains(reason)) {
      return failed(fmt::format("want the reason {}, got '{}'", reason, evaluation.reason));
    }
    // The explanation must come to the same conclusion.
    const Evaluation explained = evaluate(bound, resource, context, true);
    if (explained.outcome != evaluation.outcome) {
      return failed("explaining changes the outcome");
    }
    return passed();
  }

  // -- function and parse cases ---------------------------------------------------------------

  /// The arguments become parameters of a rule, so that a function is called as rules call it.
  CaseResult function_case(Json root) {
    const auto function = text_of(root, "function");
    if (function.empty()) {
      return skipped("not a function of the language");
    }
    simdjson::dom::array args;
    if (root.at_key("args").get(args) != simdjson::SUCCESS) {
      return failed("args must be an array");
    }
    std::string call;
    std::string parameters;
    std::size_t count = 0;
    for (const auto arg : args) {
      fmt::format_to(
          std::back_inserter(call), "{}parameters('a{}')", count == 0 ? "" : ", ", count);
      fmt::format_to(std::back_inserter(parameters),
                     "{}\"a{}\": {}",
                     count == 0 ? "" : ", ",
                     count,
                     simdjson::to_string(arg));
      ++count;
    }
    const std::string rule = fmt::format(
        R"({{"if": {{"value": "[{}({})]", "exists": true}}, "then": {{"effect": "audit"}}}})",
        function,
        call);
    const bool want_failure =
        flag(root, "want_undefined") || root.at_key("want_error").error() == simdjson::SUCCESS;
    const auto program = compile(rule, "call", "none", false);
    if (!program) {
      return want_failure ? passed() : failed(program.error().message);
    }
    const auto bound = bind_parameters(
        *program, fmt::format("{{{}}}", parameters), {.effect_override = {}, .lenient = true});
    if (!bound) {
      return failed(bound.error().message);
    }
    const auto* const bound_program = dynamic_cast<const BoundProgram*>(bound->get());
    if (bound_program == nullptr) {
      return failed("the definition is of a foreign kind");
    }
    Arena arena;
    EvaluationContext context;
    Evaluator evaluator(**program,
                        bound_program->parameters_,
                        bound_program->slots_,
                        &context,
                        std::nullopt,
                        arena);
    const Value value = evaluator.value((*program)->condition_.left);
    if (want_failure) {
      return value.is_error() || value.is_missing()
                 ? passed()
                 : failed(fmt::format("should fail, gives {}", to_json(value, 200)));
    }
    if (value.is_error()) {
      return failed(std::string(value.text()));
    }
    Json want;
    if (root.at_key("want").get(want) != simdjson::SUCCESS) {
      return failed("the case says nothing about what it wants");
    }
    const Value wanted = Value::element(want);
    return deep_equal(value, wanted)
               ? passed()
               : failed(fmt::format("want {}, got {}", to_json(wanted, 200), to_json(value, 200)));
  }

  static CaseResult parse_case(Json root) {
    const auto level = text_of(root, "level");
    std::string text;
    if (const auto json = find(root, "json")) {
      text = simdjson::to_string(*json);
    } else {
      text = text_of(root, "raw");
    }
    const auto problem = parse_at(level, text);
    if (flag(root, "want_ok")) {
      return problem ? failed(*problem) : passed();
    }
    return problem ? passed() : failed("should be rejected");
  }

  static std::optional<std::string> parse_at(std::string_view level, std::string_view text) {
    const SourceText source(text, "text");
    const auto tree = parse_json_tree(source, text);
    if (!tree) {
      return tree.error().message;
    }
    if (level == "constraint") {
      const JsonNode* condition = tree->find("if");
      const auto parsed = parse_constraint(condition != nullptr ? *condition : *tree, source);
      return parsed ? std::nullopt : std::optional(parsed.error().message);
    }
    const auto parsed = parse_definition(*tree, source);
    return parsed ? std::nullopt : std::optional(parsed.error().message);
  }

  CaseOptions options_;
  FileLoader loader_;
  CaseReport report_;
  std::string path_;
  std::unordered_map<std::string, std::string> divergences_;
  std::unordered_map<std::string, std::shared_ptr<const AliasCatalogue>> catalogues_;
  std::string last_key_;
  std::optional<core::Result<std::shared_ptr<const Program>>> last_program_;
};

std::string CaseReport::summary() const {
  return fmt::format("{} passed, {} failed, {} skipped", passed, failed, skipped);
}

CaseRunner::CaseRunner(CaseOptions options, FileLoader loader)
    : impl_(std::make_unique<Impl>(std::move(options), std::move(loader))) {}

CaseRunner::~CaseRunner() = default;

void CaseRunner::run(std::string_view path, std::string_view content) {
  impl_->run(path, content);
}

const CaseReport& CaseRunner::report() const {
  return impl_->report();
}

}  // namespace plumbline::policy
