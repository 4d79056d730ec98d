#include "policy/compile.hpp"

#include "core/digest.hpp"
#include "core/text.hpp"
#include "policy/evaluate.hpp"
#include "policy/parser.hpp"
#include "policy/reads.hpp"
#include "policy/suggestion.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <exception>
#include <set>

namespace plumbline::policy {

namespace {

using core::iequals;

constexpr std::size_t kMaxNodes = 100'000;
constexpr std::size_t kMaxComputedNames = 256;

/// Every function that a rule may call, those that the compiler itself knows among them.
std::vector<std::string_view> function_names() {
  std::vector<std::string_view> names = {"parameters",
                                         "field",
                                         "current",
                                         "if",
                                         "and",
                                         "or",
                                         "coalesce",
                                         "requestContext",
                                         "policy",
                                         "subscription",
                                         "resourceGroup",
                                         "utcNow"};
  for (const auto& function : all_functions()) {
    if (!function.forbidden) {
      names.push_back(function.name);
    }
  }
  return names;
}

/// A failure inside the compiler, with its place; turned into a Result at the edge.
struct Failure {
  core::Error error;
};

/// A count that encloses what is being compiled.
struct Scope {
  std::string name;  // lower-cased alias with its [*], or the name of a value count
  bool is_field = false;
  FieldRef::Root root = FieldRef::Root::kPrimary;
  const Path* path = nullptr;  // of a field count
};

class Compiler {
 public:
  Compiler(const Definition& definition,
           const SourceText& source,
           const AliasSource& aliases,
           const CompileOptions& options)
      : definition_(definition),
        source_(source),
        aliases_(aliases),
        options_(options),
        program_(std::make_shared<Program>()) {}

  std::shared_ptr<const Program> compile() {
    fill_info();
    declare_parameters();
    program_->raw_paths_ = aliases_.raw();
    if (program_->info_.mode == Mode::kProvider) {
      // Evaluated by the provider; its conditions and effects are no business of ours.
      program_->effect_ = constant(Value::string(""));
      return program_;
    }
    program_->condition_ = condition(definition_.condition, FieldRef::Root::kPrimary);
    compile_effect();
    program_->evaluated_here_ = may_be_evaluated();
    compile_manual_state();
    compile_existence();
    check_operations();
    fill_types();
    fill_aliases();
    program_->info_.reads = paths_read(*program_);
    assign_slots();
    return program_;
  }

 private:
  [[noreturn]] void fail(std::size_t offset,
                         std::string_view message,
                         core::Errc code = core::Errc::kParse) const {
    throw Failure{source_.error(offset, message, code)};
  }

  void count_node(std::size_t offset) {
    if (++nodes_ > kMaxNodes) {
      fail(offset, "the rule is too large", core::Errc::kLimit);
    }
  }

  // -- the definition as a whole ------------------------------------------------------------

  void fill_info() {
    DefinitionInfo& info = program_->info_;
    info.id = definition_.id;
    info.name = definition_.name;
    info.display_name = definition_.display_name;
    info.description = definition_.description;
    info.version = definition_.version;
    info.metadata_json = "{}";
    if (definition_.metadata != nullptr) {
      Arena arena;
      info.metadata_json = to_json(to_value(*definition_.metadata, arena));
      if (const JsonNode* category = definition_.metadata->find("category");
          category != nullptr && category->is_string()) {
        info.category = category->text;
      }
    }
    if (iequals(definition_.mode, "All")) {
      info.mode = Mode::kAll;
    } else if (is_provider_mode(definition_.mode)) {
      info.mode = Mode::kProvider;
      info.provider_mode = definition_.mode;
    } else {
      info.mode = Mode::kIndexed;
    }
  }

  void declare_parameters() {
    for (const auto& declaration : definition_.parameters) {
      Parameter parameter{.name = declaration.name, .type = declaration.type};
      if (declaration.default_value != nullptr) {
        parameter.default_value = to_value(*declaration.default_value, program_->arena_);
      }
      if (declaration.allowed_values != nullptr) {
        parameter.allowed_values = to_value(*declaration.allowed_values, program_->arena_);
      }
      program_->parameters_.push_back(std::move(parameter));
    }
  }

  void compile_effect() {
    const Template& effect = definition_.then.effect;
    program_->effect_ = operand(effect, FieldRef::Root::kPrimary);
    const Expr& compiled = program_->effect_;
    if (compiled.op == Expr::Op::kConstant) {
      const std::string name =
          compiled.constant.is_string() ? core::to_lower(compiled.constant.text()) : std::string();
      if (known_effect(name).empty()) {
        fail(effect.node->offset,
             fmt::format("unknown effect '{}'{}",
                         effect.node->text,
                         suggestion(effect.node->text, known_effects())));
      }
    }
  }

  /// The effects that the rule can have, as far as the text tells.
  bool may_look_for_related() {
    const auto names = possible_texts(program_->effect_);
    if (!names) {
      return true;
    }
    return std::ranges::any_of(
        *names, [](const std::string& name) { return is_existence_effect(core::to_lower(name)); });
  }

  /// Whether the rule can have an effect that bears on the compliance of existing resources.
  bool may_be_evaluated() {
    const auto names = possible_texts(program_->effect_);
    return !names || std::ranges::any_of(*names, [](const std::string& name) {
      return is_evaluated_effect(core::to_lower(name));
    });
  }

  void compile_manual_state() {
    const auto names = possible_texts(program_->effect_);
    if (names && std::ranges::any_of(
                     *names, [](const std::string& name) { return iequals(name, "manual"); })) {
      program_->info_.reads_time = true;  // attestations expire
    }
    const JsonNode* details = definition_.then.details;
    const JsonNode* state = details == nullptr ? nullptr : details->find("defaultState");
    if (state == nullptr || !state->is_string()) {
      return;
    }
    if (iequals(state->text, "Compliant")) {
      program_->manual_state_ = Outcome::kCompliant;
    } else if (iequals(state->text, "NonCompliant") || iequals(state->text, "Non-compliant")) {
      program_->manual_state_ = Outcome::kNonCompliant;
    } else if (!iequals(state->text, "Unknown")) {
      static constexpr std::string_view kStates[] = {"Unknown", "Compliant", "NonCompliant"};
      fail(state->offset,
           fmt::format(
               "unknown defaultState '{}'{}", state->text, suggestion(state->text, kStates)));
    }
  }

  void compile_existence() {
    const Consequence& then = definition_.then;
    if (!may_look_for_related()) {
      // What else `details` holds (deployments, operations) does not bear on compliance.
      return;
    }
    const auto names = possible_texts(program_->effect_);
    const bool always = names && std::ranges::all_of(*names, [](const std::string& name) {
                          return is_existence_effect(core::to_lower(name));
                        });
    if (!then.type) {
      if (always) {
        fail(then.offset, "auditIfNotExists and deployIfNotExists need details.type");
      }
      if (!then.existence_condition) {
        return;
      }
    }
    Existence existence;
    if (then.type) {
      Expr type = operand(*then.type, FieldRef::Root::kPrimary);
      if (type.op != Expr::Op::kConstant) {
        existence.computed_type = std::move(type);
      } else if (type.constant.is_string() && !type.constant.text().empty()) {
        existence.type = core::to_lower(type.constant.text());
      } else {
        fail(then.type->node->offset, "details.type must be a resource type");
      }
    }
    if (then.name) {
      existence.name = operand(*then.name, FieldRef::Root::kPrimary);
    }
    if (then.existence_scope) {
      existence.scope = operand(*then.existence_scope, FieldRef::Root::kPrimary);
      if (existence.scope->op == Expr::Op::kConstant) {
        const Value& scope = existence.scope->constant;
        if (!scope.is_string() ||
            (!iequals(scope.text(), "Subscription") && !iequals(scope.text(), "ResourceGroup"))) {
          fail(then.existence_scope->node->offset,
               "existenceScope must be ResourceGroup or Subscription");
        }
      }
    }
    if (then.resource_group_name) {
      existence.resource_group = operand(*then.resource_group_name, FieldRef::Root::kPrimary);
    }
    if (then.existence_condition) {
      candidate_type_ = existence.type;
      existence.condition = condition(*then.existence_condition, FieldRef::Root::kCandidate);
    }
    program_->existence_ = std::make_unique<Existence>(std::move(existence));
  }

  /// `modify` may only name tags and what its resource provider lets it modify.
  void check_operations() {
    const auto names = possible_texts(program_->effect_);
    const JsonNode* details = definition_.then.details;
    if (!names || details == nullptr || !details->is_object() ||
        std::ranges::none_of(*names, [](const std::string& n) { return iequals(n, "modify"); })) {
      return;
    }
    const JsonNode* operations = details->find("operations");
    if (operations == nullptr || !operations->is_array()) {
      return;
    }
    for (const auto& operation : operations->items) {
      const JsonNode* field = operation.find("field");
      if (field == nullptr || !field->is_string() || is_expression(field->text)) {
        continue;
      }
      for (const auto& target : find_alias(aliases_, field->text)) {
        if (target.modifiable == false) {
          fail(field->offset, fmt::format("'{}' is not modifiable", field->text));
        }
      }
    }
  }

  // -- resource types -----------------------------------------------------------------------

  using Types = std::set<std::string>;

  /// Types one of which the resource has wherever the condition is true; nullopt: no bound.
  static std::optional<Types> necessary_types(const Condition& condition) {
    switch (condition.kind) {
      case Constraint::Kind::kField:
        return types_of_condition(condition);
      case Constraint::Kind::kAllOf: {
        std::optional<Types> all;
        for (const auto& child : condition.children) {
          auto types = necessary_types(child);
          if (!types) {
            continue;
          }
          if (!all) {
            all = std::move(types);
            continue;
          }
          std::erase_if(*all, [&](const std::string& type) { return !types->contains(type); });
        }
        return all;
      }
      case Constraint::Kind::kAnyOf: {
        Types any;
        for (const auto& child : condition.children) {
          const auto types = necessary_types(child);
          if (!types) {
            return std::nullopt;
          }
          any.insert(types->begin(), types->end());
        }
        return any;
      }
      default:
        return std::nullopt;
    }
  }

  static std::optional<Types> types_of_condition(const Condition& condition) {
    if (!condition.field.is_type || condition.negated ||
        condition.right.op != Expr::Op::kConstant) {
      return std::nullopt;
    }
    const Value& right = condition.right.constant;
    const bool equality =
        condition.op == Operator::kEquals ||
        (condition.op == Operator::kLike && right.is_string() && !right.text().contains('*'));
    Types types;
    if (equality && right.is_string()) {
      types.insert(core::to_lower(right.text()));
      return types;
    }
    if (condition.op != Operator::kIn) {
      return std::nullopt;
    }
    if (right.is_string()) {
      types.insert(core::to_lower(right.text()));
      return types;
    }
    right.each_element([&](const Value& item) {
      if (item.is_string()) {
        types.insert(core::to_lower(item.text()));
      }
      return true;
    });
    return types;
  }

  void fill_types() {
    DefinitionInfo& info = program_->info_;
    if (auto types = necessary_types(program_->condition_)) {
      info.types.assign(types->begin(), types->end());
    }
    if (!program_->existence_) {
      return;
    }
    const Existence& existence = *program_->existence_;
    if (!existence.computed_type) {
      if (!existence.type.empty()) {
        add_lookup(existence.type);
      }
    } else if (const auto possible = possible_texts(*existence.computed_type)) {
      for (const auto& type : *possible) {
        add_lookup(core::to_lower(type));
      }
    } else if (existence.computed_type->op == Expr::Op::kParameter) {
      const auto& fallback = program_->parameters_[existence.computed_type->index].default_value;
      if (fallback && fallback->is_string()) {
        add_lookup(core::to_lower(fallback->text()));
      }
    }
  }

  void add_lookup(const std::string& wanted) {
    DefinitionInfo& info = program_->info_;
    const Existence& existence = *program_->existence_;
    Lookup lookup{.type = wanted, .scope = ExistenceScope::kResourceGroup};
    const bool child =
        !info.types.empty() && std::ranges::all_of(info.types, [&](const auto& type) {
          return wanted == type || wanted.starts_with(type + "/");
        });
    if (child || is_extension_type(wanted)) {
      lookup.scope = ExistenceScope::kResource;
    } else if (existence.scope) {
      const auto scopes = possible_texts(*existence.scope);
      if (!scopes || std::ranges::any_of(*scopes, [](const std::string& scope) {
            return iequals(scope, "Subscription");
          })) {
        lookup.scope = ExistenceScope::kSubscription;
      }
    }
    info.lookups.push_back(std::move(lookup));
  }

  // -- conditions ---------------------------------------------------------------------------

  /// Recursion is bounded by kMaxConstraintDepth.
  Condition condition(const Constraint& constraint, FieldRef::Root root) {
    count_node(constraint.offset);
    Condition out{.kind = constraint.kind,
                  .op = constraint.op,
                  .negated = constraint.negated,
                  .count_name = constraint.count_name,
                  .op_text = constraint.op_text};
    switch (constraint.kind) {
      case Constraint::Kind::kAllOf:
      case Constraint::Kind::kAnyOf:
      case Constraint::Kind::kNot:
        for (const auto& child : constraint.children) {
          out.children.push_back(condition(child, root));
        }
        return out;
      case Constraint::Kind::kField:
      case Constraint::Kind::kCountField:
        out.field = named_field(constraint.left, root);
        out.left_text = out.field.name;
        if (out.field.location && root == FieldRef::Root::kPrimary) {
          program_->reads_location_ = true;
        }
        break;
      case Constraint::Kind::kValue:
      case Constraint::Kind::kCountValue:
        out.left = operand(constraint.left, root);
        out.left_text = text_of(constraint.left);
        break;
    }
    out.right = operand(constraint.right, root);
    out.right_text = text_of(constraint.right);
    if (constraint.kind == Constraint::Kind::kCountField) {
      if (!out.field.has_star && out.field.kind != FieldRef::Kind::kDynamic) {
        fail(constraint.left.node->offset,
             fmt::format("count: '{}' names no elements; did you mean '{}[*]'?",
                         out.field.name,
                         out.field.name));
      }
      // A computed name cannot be known here, so nothing can refer to its elements.
      const bool named = out.field.kind != FieldRef::Kind::kDynamic;
      scopes_.push_back({.name = named ? core::to_lower(out.field.name) : std::string(),
                         .is_field = true,
                         .root = root,
                         .path = named ? default_path(out.field) : nullptr});
    } else if (constraint.kind == Constraint::Kind::kCountValue) {
      for (const auto& scope : scopes_) {
        if (!scope.is_field && !constraint.count_name.empty() &&
            iequals(scope.name, constraint.count_name)) {
          fail(constraint.offset,
               fmt::format("count: the name '{}' is in use around it", constraint.count_name));
        }
      }
      scopes_.push_back(
          {.name = core::to_lower(constraint.count_name), .is_field = false, .root = root});
    } else {
      return out;
    }
    for (const auto& child : constraint.children) {
      out.children.push_back(condition(child, root));
    }
    scopes_.pop_back();
    return out;
  }

  static std::string text_of(const Template& part) {
    if (part.node->is_string()) {
      return part.node->text;
    }
    Arena arena;
    return to_json(to_value(*part.node, arena), 1000);
  }

  // -- fields -------------------------------------------------------------------------------

  FieldRef named_field(const Template& name, FieldRef::Root root) {
    const std::size_t offset = name.node->offset;
    Expr computed = operand(name, root);
    if (computed.op == Expr::Op::kConstant) {
      if (!computed.constant.is_string()) {
        fail(offset,
             computed.constant.is_error() ? computed.constant.text()
                                          : std::string_view("field: expected a name"));
      }
      return field(computed.constant.text(), root, offset);
    }
    return computed_field(std::move(computed), name.node->text, root, offset);
  }

  /// The name is known at run time only. The catalogue is not, so every name that it may turn out
  /// to be is resolved now; tags and the built-in fields need no catalogue.
  FieldRef computed_field(Expr name,
                          std::string_view text,
                          FieldRef::Root root,
                          std::size_t offset) {
    FieldRef out{.kind = FieldRef::Kind::kDynamic, .root = root, .name = std::string(text)};
    if (const auto names = possible_texts(name); names && !aliases_.raw()) {
      for (const auto& possible : *names) {
        if (!possible.empty()) {
          if (auto known = try_field(possible, root)) {
            out.known.push_back(std::move(*known));
          } else if (!(name.depends == Depends::kParameters)) {
            // A literal of the rule itself, not a parameter's default: a mistake of its author.
            unknown_alias(possible, offset);
          }
        }
      }
    }
    out.computed_name = std::make_unique<Expr>(std::move(name));
    return out;
  }

  [[noreturn]] void unknown_alias(std::string_view name, std::size_t offset) {
    std::string message = fmt::format("unknown field or alias '{}'", name);
    if (const auto near = aliases_.suggest(name)) {
      fmt::format_to(std::back_inserter(message), "; did you mean '{}'?", *near);
    }
    fail(offset, message);
  }

  FieldRef field(std::string_view name, FieldRef::Root root, std::size_t offset) {
    auto found = try_field(name, root);
    if (!found) {
      unknown_alias(name, offset);
    }
    return std::move(*found);
  }

  std::optional<FieldRef> try_field(std::string_view name, FieldRef::Root root) {
    // Raw paths may walk into `tags` as into anything else.
    std::optional<FieldRef> out =
        aliases_.raw() && iequals(name, "tags[*]") ? raw_field(name) : builtin_field(name);
    if (out && !out->relation.empty()) {
      auto& relations = program_->info_.relations;
      if (std::ranges::find(relations, out->relation) == relations.end()) {
        relations.push_back(out->relation);
      }
    }
    if (!out) {
      out = aliases_.raw() ? raw_field(name) : alias_field(name);
    }
    if (!out) {
      return std::nullopt;
    }
    out->root = root;
    bind_scope(*out);
    out->plural = name.contains("[*]");
    return out;
  }

  static std::optional<FieldRef> raw_field(std::string_view name) {
    auto path = parse_path(name);
    if (!path) {
      return std::nullopt;
    }
    FieldRef out{.name = std::string(name)};
    out.add_path(std::move(*path));
    return out;
  }

  std::optional<FieldRef> alias_field(std::string_view name) {
    const auto targets = find_alias(aliases_, name);
    if (targets.empty()) {
      return std::nullopt;
    }
    note_alias(name, targets);
    FieldRef out{.name = std::string(name)};
    const auto add = [&](const std::string& type,
                         const std::string& text,
                         const std::vector<std::string>& versions) {
      if (auto path = parse_path(text)) {
        out.add_path(std::move(*path), program_->intern_type(type), versions);
      }
    };
    for (const auto& target : targets) {
      for (const auto& [path, versions] : target.paths) {
        if (!versions.empty()) {
          add(target.type, path, versions);
        }
      }
      add(target.type, target.default_path, {});
    }
    return out;
  }

  void note_alias(std::string_view name, const std::vector<AliasTarget>& targets) {
    std::string text = core::to_lower(name);
    for (const auto& target : targets) {
      text += fmt::format("\n{} {}", target.type, target.default_path);
      for (const auto& [path, versions] : target.paths) {
        text += fmt::format("\n{} {} {}", target.type, path, fmt::join(versions, ","));
      }
    }
    resolved_aliases_.insert(std::move(text));
  }

  void fill_aliases() {
    auto& info = program_->info_;
    std::string all;
    std::set<std::string> providers;
    for (const auto& text : resolved_aliases_) {
      providers.insert(text.substr(0, text.find_first_of("/\n")));
      all += text + "\n\n";
    }
    info.alias_providers.assign(providers.begin(), providers.end());
    info.alias_digest = all.empty() ? all : core::to_hex(core::sha256(all));
  }

  /// A field on the elements of an enclosing count means the element at hand.
  void bind_scope(FieldRef& ref) const {
    const auto found = find_scope(ref.name, ref.root);
    if (found) {
      ref.scope = found->first;
      ref.bound_stars = found->second;
      return;
    }
    // An alias without [*] whose path has one (`logs.enabled` is `properties.logs[*].enabled`)
    // means the element at hand too, recognised by its path.
    const Path* path = ref.name.contains("[*]") ? nullptr : default_path(ref);
    if (path == nullptr || count_stars(*path) == 0) {
      return;
    }
    for (std::size_t i = scopes_.size(); i-- > 0;) {
      const Path* counted = scopes_[i].path;
      if (counted == nullptr || scopes_[i].root != ref.root || counted->size() > path->size() ||
          counted->back().kind != PathStep::Kind::kStar) {
        continue;
      }
      if (std::equal(counted->begin(), counted->end(), path->begin(), same_step)) {
        ref.scope = i;
        ref.bound_stars = count_stars(*counted);
        return;
      }
    }
  }

  static bool same_step(const PathStep& a, const PathStep& b) {
    return a.kind == b.kind && a.index == b.index && iequals(a.key, b.key);
  }

  static const Path* default_path(const FieldRef& ref) {
    for (const auto& candidate : ref.paths) {
      if (candidate.api_versions.empty()) {
        return &candidate.path;
      }
    }
    return nullptr;
  }

  [[nodiscard]] std::optional<std::pair<std::size_t, std::size_t>> find_scope(
      std::string_view name, FieldRef::Root root) const {
    const std::string lower = core::to_lower(name);
    for (std::size_t i = scopes_.size(); i-- > 0;) {
      const Scope& scope = scopes_[i];
      if (!scope.is_field || scope.root != root) {
        continue;
      }
      // The longest part of the scope's name up to one of its [*] with which the name begins.
      std::size_t stars = 0;
      std::size_t matched = 0;
      for (std::size_t at = scope.name.find("[*]"); at != std::string::npos;
           at = scope.name.find("[*]", at + 3)) {
        ++stars;
        const std::size_t end = at + 3;
        if (lower.starts_with(std::string_view(scope.name).substr(0, end)) &&
            (lower.size() == end || lower[end] == '.' || lower[end] == '[')) {
          matched = stars;
        }
      }
      if (matched > 0) {
        return std::pair(i, matched);
      }
    }
    return std::nullopt;
  }

  // -- expressions --------------------------------------------------------------------------

  static Expr constant(Value value) {
    Expr out;
    out.constant = value;
    return out;
  }

  /// Recursion is bounded by the depth of the document.
  Expr operand(const Template& part, FieldRef::Root root) {
    if (part.expression) {
      offset_ = part.node->offset;
      return expression(*part.expression, root);
    }
    count_node(part.node->offset);
    if (!part.dynamic) {
      return constant(literal(*part.node));
    }
    Expr out;
    out.op = part.node->is_array() ? Expr::Op::kArray : Expr::Op::kObject;
    out.keys = part.names;
    for (const auto& item : part.items) {
      out.args.push_back(operand(item, root));
    }
    return fold(std::move(out));
  }

  Value literal(const JsonNode& node) {
    if (node.is_string()) {
      return program_->arena_.string(std::string(unescape_literal(node.text)));
    }
    if (node.is_array()) {
      Elements elements;
      for (const auto& item : node.items) {
        elements.push_back(literal(item));
      }
      return program_->arena_.array(std::move(elements));
    }
    if (node.is_object()) {
      Members members;
      for (const auto& [name, offset, value] : node.members) {
        members.push_back({program_->arena_.keep(name), literal(value)});
      }
      return program_->arena_.object(std::move(members));
    }
    return to_value(node, program_->arena_);
  }

  Expr expression(const Expression& e, FieldRef::Root root) {
    count_node(offset_);
    switch (e.kind) {
      case Expression::Kind::kString:
        return constant(program_->arena_.string(e.text));
      case Expression::Kind::kInteger:
        return constant(Value::integer(e.integer));
      case Expression::Kind::kNumber:
        return constant(Value::number(e.number));
      case Expression::Kind::kProperty: {
        Expr out;
        out.op = Expr::Op::kMember;
        out.constant = program_->arena_.string(e.text);
        out.args.push_back(expression(e.children[0], root));
        return fold(std::move(out));
      }
      case Expression::Kind::kIndex: {
        Expr out;
        out.op = Expr::Op::kIndex;
        out.args.push_back(expression(e.children[0], root));
        out.args.push_back(expression(e.children[1], root));
        return fold(std::move(out));
      }
      case Expression::Kind::kCall:
        return call(e, root);
    }
    return {};
  }

  void expect_arguments(const Expression& e, std::size_t low, std::size_t high) const {
    if (e.children.size() < low || e.children.size() > high) {
      fail(offset_,
           fmt::format("{}() takes {} argument{}, not {}",
                       e.text,
                       low == high ? fmt::format("{}", low) : fmt::format("{} to {}", low, high),
                       high == 1 ? "" : "s",
                       e.children.size()));
    }
  }

  Expr call(const Expression& e, FieldRef::Root root) {
    const std::string name = core::to_lower(e.text);
    if (name == "parameters") {
      return parameter(e);
    }
    if (name == "field") {
      return field_function(e);
    }
    if (name == "current") {
      return current(e, root);
    }
    Expr out;

    struct Special {
      std::string_view name;
      Expr::Op op;
      std::size_t low;
      std::size_t high;
    };

    static constexpr Special kSpecials[] = {
        {"if", Expr::Op::kIf, 3, 3},
        {"and", Expr::Op::kAnd, 0, 1000},
        {"or", Expr::Op::kOr, 0, 1000},
        {"coalesce", Expr::Op::kCoalesce, 1, 1000},
        {"requestcontext", Expr::Op::kRequestContext, 0, 0},
        {"policy", Expr::Op::kPolicy, 0, 0},
        {"subscription", Expr::Op::kSubscription, 0, 0},
        {"resourcegroup", Expr::Op::kResourceGroup, 0, 0},
        {"utcnow", Expr::Op::kUtcNow, 0, 1},
    };
    for (const auto& special : kSpecials) {
      if (special.name == name) {
        expect_arguments(e, special.low, special.high);
        out.op = special.op;
        for (const auto& child : e.children) {
          out.args.push_back(expression(child, root));
        }
        auto& info = program_->info_;
        info.reads_time = info.reads_time || out.op == Expr::Op::kUtcNow;
        info.reads_subscription = info.reads_subscription || out.op == Expr::Op::kSubscription;
        info.reads_resource_group = info.reads_resource_group || out.op == Expr::Op::kResourceGroup;
        return fold(std::move(out));
      }
    }
    const Function* function = find_function(name);
    if (function != nullptr && function->forbidden && !aliases_.raw()) {
      function = nullptr;
    }
    if (function == nullptr) {
      fail(offset_,
           is_forbidden_function(name)
               ? fmt::format("the function {}() cannot be used in a policy rule", e.text)
               : fmt::format(
                     "unknown function {}(){}", e.text, suggestion(e.text, function_names())));
    }
    expect_arguments(e,
                     function->min_arguments,
                     function->max_arguments == kManyArguments ? 1000 : function->max_arguments);
    out.op = Expr::Op::kCall;
    out.function = function;
    for (const auto& child : e.children) {
      out.args.push_back(expression(child, root));
    }
    return fold(std::move(out));
  }

  Expr parameter(const Expression& e) {
    expect_arguments(e, 1, 1);
    if (e.children[0].kind != Expression::Kind::kString) {
      fail(offset_, "parameters(): expected the name of a parameter");
    }
    const std::string& name = e.children[0].text;
    auto& parameters = program_->parameters_;
    auto found =
        std::ranges::find_if(parameters, [&](const Parameter& p) { return iequals(p.name, name); });
    if (found == parameters.end()) {
      if (!definition_.bare_rule && !options_.allow_undeclared_parameters) {
        std::vector<std::string_view> declared;
        for (const auto& parameter : parameters) {
          declared.emplace_back(parameter.name);
        }
        fail(offset_,
             fmt::format("the parameter '{}' is not declared{}", name, suggestion(name, declared)));
      }
      parameters.push_back({.name = name, .declared = false});
      found = std::prev(parameters.end());
    }
    Expr out;
    out.op = Expr::Op::kParameter;
    out.depends = Depends::kParameters;
    out.index = static_cast<std::size_t>(found - parameters.begin());
    return out;
  }

  Expr field_function(const Expression& e) {
    expect_arguments(e, 1, 1);
    // The function reads the evaluated resource, in an existenceCondition too.
    constexpr auto kRoot = FieldRef::Root::kPrimary;
    Expr name = expression(e.children[0], kRoot);
    Expr out;
    out.op = Expr::Op::kField;
    out.depends = Depends::kResource;
    if (name.op == Expr::Op::kConstant) {
      if (!name.constant.is_string()) {
        fail(offset_, "field(): expected a name");
      }
      out.field = std::make_unique<FieldRef>(field(name.constant.text(), kRoot, offset_));
    } else {
      out.field =
          std::make_unique<FieldRef>(computed_field(std::move(name), "[field()]", kRoot, offset_));
    }
    return out;
  }

  Expr current(const Expression& e, FieldRef::Root root) {
    expect_arguments(e, 0, 1);
    Expr out;
    out.op = Expr::Op::kCurrent;
    out.depends = Depends::kResource;
    if (scopes_.empty()) {
      fail(offset_, "current() has a meaning only inside the 'where' of a count");
    }
    if (e.children.empty()) {
      out.index = scopes_.size() - 1;
      return out;
    }
    const Expr name = expression(e.children[0], root);
    if (name.op != Expr::Op::kConstant || !name.constant.is_string()) {
      fail(offset_, "current(): expected a name");
    }
    const std::string_view text = name.constant.text();
    for (std::size_t i = scopes_.size(); i-- > 0;) {
      if (!scopes_[i].is_field && iequals(scopes_[i].name, text)) {
        out.index = i;
        return out;
      }
    }
    for (const auto candidate_root : {root, FieldRef::Root::kPrimary, FieldRef::Root::kCandidate}) {
      if (const auto found = find_scope(text, candidate_root)) {
        out.index = found->first;
        out.field = std::make_unique<FieldRef>(field(text, candidate_root, offset_));
        return out;
      }
    }
    fail(offset_, fmt::format("current('{}') names no count around it", text));
  }

  /// Sets what the expression depends on, and replaces it by its value where that is nothing: what
  /// depends on nothing is a constant, everywhere.
  Expr fold(Expr e) {
    Depends depends = Depends::kNothing;
    for (const auto& arg : e.args) {
      depends = std::max(depends, arg.depends);
    }
    switch (e.op) {
      case Expr::Op::kRequestContext:
      case Expr::Op::kPolicy:
      case Expr::Op::kSubscription:
      case Expr::Op::kResourceGroup:
      case Expr::Op::kUtcNow:
        depends = Depends::kResource;
        break;
      default:
        break;
    }
    e.depends = depends;
    if (depends != Depends::kNothing) {
      return e;
    }
    if (program_->arena_.bytes() > kMaxConstantBytes) {
      fail(offset_, "the constants of the rule are too large", core::Errc::kLimit);
    }
    if (e.op == Expr::Op::kObject) {
      // The evaluator would borrow the keys from the expression, which ends here.
      Members members;
      for (std::size_t i = 0; i < e.args.size(); ++i) {
        const Value& value = e.args[i].constant;
        if (value.is_error()) {
          return constant(value);
        }
        members.push_back({program_->arena_.keep(std::move(e.keys[i])), value});
      }
      return constant(program_->arena_.object(std::move(members)));
    }
    // The evaluator itself computes it, so that a constant cannot mean anything else than what the
    // same expression over parameters or fields means.
    const std::vector<Value> none;
    Evaluator evaluator(*program_, none, none, nullptr, std::nullopt, program_->arena_);
    return constant(evaluator.value(e));
  }

  /// Every text that the expression can have, as far as literals, the branches of if(), concat()
  /// and the declared values of parameters tell; nullopt when they do not.
  [[nodiscard]] std::optional<std::vector<std::string>> possible_texts(const Expr& e) const {
    using Texts = std::vector<std::string>;
    switch (e.op) {
      case Expr::Op::kConstant:
        return e.constant.is_string() ? std::optional(Texts{std::string(e.constant.text())})
                                      : std::nullopt;
      case Expr::Op::kParameter: {
        const Parameter& parameter = program_->parameters_[e.index];
        Texts out;
        if (parameter.allowed_values) {
          parameter.allowed_values->each_element([&](const Value& value) {
            if (value.is_string()) {
              out.emplace_back(value.text());
            }
            return true;
          });
          return out;
        }
        return std::nullopt;
      }
      case Expr::Op::kIf: {
        auto first = possible_texts(e.args[1]);
        const auto second = possible_texts(e.args[2]);
        if (!first || !second) {
          return std::nullopt;
        }
        first->insert(first->end(), second->begin(), second->end());
        return first;
      }
      case Expr::Op::kCall: {
        if (e.function->name != "concat") {
          return std::nullopt;
        }
        Texts out{""};
        for (const auto& arg : e.args) {
          const auto texts = possible_texts(arg);
          if (!texts || out.size() * texts->size() > kMaxComputedNames) {
            return std::nullopt;
          }
          Texts longer;
          for (const auto& head : out) {
            for (const auto& tail : *texts) {
              longer.push_back(head + tail);
            }
          }
          out = std::move(longer);
        }
        return out;
      }
      default:
        return std::nullopt;
    }
  }

  // -- slots --------------------------------------------------------------------------------

  void assign_slots() {
    visit(program_->condition_);
    visit(program_->effect_);
    if (program_->existence_) {
      Existence& existence = *program_->existence_;
      for (auto* part : {&existence.computed_type,
                         &existence.name,
                         &existence.scope,
                         &existence.resource_group}) {
        if (*part) {
          visit(**part);
        }
      }
      if (existence.condition) {
        visit(*existence.condition);
      }
    }
  }

  void visit(Condition& condition) {
    for (auto& child : condition.children) {
      visit(child);
    }
    visit(condition.field);
    visit(condition.left);
    visit(condition.right);
  }

  void visit(FieldRef& field) {
    if (field.computed_name) {
      visit(*field.computed_name);
    }
  }

  void visit(Expr& e) {
    if (e.depends == Depends::kParameters) {
      e.slot = program_->slots_.size();
      program_->slots_.push_back(&e);
      return;
    }
    if (e.field) {
      visit(*e.field);
    }
    for (auto& arg : e.args) {
      visit(arg);
    }
  }

  static constexpr std::size_t kMaxConstantBytes = std::size_t{16} << 20U;

  const Definition& definition_;
  const SourceText& source_;
  const AliasSource& aliases_;
  const CompileOptions& options_;
  std::shared_ptr<Program> program_;
  std::vector<Scope> scopes_;
  std::string candidate_type_;
  std::size_t offset_ = 0;  // of the string whose expression is being compiled
  std::size_t nodes_ = 0;
  std::set<std::string> resolved_aliases_;  // name and paths of each
};

}  // namespace

core::Result<std::shared_ptr<const Program>> compile_program(const Definition& definition,
                                                             const SourceText& source,
                                                             const AliasSource& aliases,
                                                             const CompileOptions& options) {
  try {
    return Compiler(definition, source, aliases, options).compile();
  } catch (Failure& failure) {
    return std::move(failure.error);
  }
}

core::Result<std::shared_ptr<const Program>> compile_text(std::string_view json,
                                                          std::string_view source_name,
                                                          const AliasCatalogue& aliases,
                                                          const CompileOptions& options) {
  const SourceText source(json, source_name, options.first_line);
  const auto* const catalogue = dynamic_cast<const AliasSource*>(&aliases);
  if (catalogue == nullptr) {
    return core::Error{core::Errc::kInvalidArgument, "the alias catalogue is of a foreign kind"};
  }
  try {
    const auto tree = parse_json_tree(source, json);
    if (!tree) {
      return tree.error();
    }
    const auto definition = parse_definition(*tree, source);
    if (!definition) {
      return definition.error();
    }
    return compile_program(*definition, source, *catalogue, options);
  } catch (const std::exception& e) {
    return source.error(0, e.what(), core::Errc::kInternal);
  }
}

core::Result<std::shared_ptr<const CompiledDefinition>> compile_definition(
    std::string_view json, std::string_view source, const AliasCatalogue& aliases) {
  auto program = compile_text(json, source, aliases, {});
  if (!program) {
    return program.error();
  }
  return std::shared_ptr<const CompiledDefinition>(*std::move(program));
}

}  // namespace plumbline::policy
