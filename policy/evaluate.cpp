#include "policy/evaluate.hpp"

#include "core/resource_id.hpp"
#include "core/text.hpp"
#include "policy/date_format.hpp"
#include "policy/explain.hpp"
#include "policy/fold.hpp"
#include "policy/operators.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <span>

namespace plumbline::policy {

namespace {

using core::iequals;

constexpr std::string_view kTooManySteps = "the rule takes too many steps on this resource";
constexpr std::string_view kNotCollected = "not_collected";

std::string type_of(const Value& resource) {
  const Value id = resource.member("id");
  const auto parsed = id.is_string() ? core::parse_resource_id(id.text()) : std::nullopt;
  return parsed ? parsed->type : std::string();
}

/// The names of an id behind its last `/providers/`, as written: `vm1/ext1`.
std::optional<std::string> names_of_id(std::string_view id) {
  const auto parsed = core::parse_resource_id(id);
  if (!parsed || parsed->full_name.empty()) {
    return std::nullopt;
  }
  // The parsed parts are lower-cased; match() cares for case, so the spelling is taken from the id.
  const auto segments = core::split(id, '/');
  const auto wanted = core::split(parsed->full_name, '/').size();
  std::vector<std::string_view> names;
  for (std::size_t i = segments.size(); i > 0 && names.size() < wanted;
       i -= std::min<std::size_t>(i, 2)) {
    if (segments[i - 1].empty()) {
      break;
    }
    names.push_back(segments[i - 1]);
  }
  if (names.size() != wanted) {
    return parsed->full_name;
  }
  std::string out;
  for (std::size_t i = names.size(); i-- > 0;) {
    if (!out.empty()) {
      out += '/';
    }
    out += names[i];
  }
  return out;
}

/// A selected value in a list of those that are there: of an unknown one not even that is known,
/// unless it has an id.
Value listed(const Value& value) {
  const bool maybe = value.is_unknown() && value.member("id").is_unknown();
  return maybe ? Value::open_end(value.text()) : value;
}

}  // namespace

Evaluator::Evaluator(const Program& program,
                     const std::vector<Value>& parameters,
                     const std::vector<Value>& slots,
                     const EvaluationContext* context,
                     const std::optional<Json>& resource,
                     Arena& arena)
    : program_(program),
      parameters_(parameters),
      slots_(slots),
      context_(context),
      arena_(arena),
      functions_(arena) {
  if (resource) {
    set_root(primary_, Value::element(*resource));
  }
  if (context != nullptr && !context->api_version.empty()) {
    api_version_ = core::to_lower(context->api_version);
  }
}

void Evaluator::set_root(Root& root, const Value& value) {
  root.value = value;
  const Value type = value.member("type");
  const std::string_view text = type.is_string() ? type.text() : arena_.keep(type_of(value));
  if (text.size() > root.buffer.size()) {
    root.type = arena_.keep(core::to_lower(text));
    return;
  }
  std::ranges::transform(text, root.buffer.begin(), core::ascii_lower);
  root.type = std::string_view(root.buffer.data(), text.size());
}

void Evaluator::Tally::add(const Truth& truth) {
  if (truth.is_true()) {
    ++low;
    ++high;
  } else if (truth.is_undetermined()) {
    ++high;
    undetermined = undetermined.value_or(truth);
  } else if (truth.is_error()) {
    ++high;
    error = error.value_or(truth);
  }
}

void Evaluator::Tally::add_unknown(std::string_view reason) {
  unbounded = true;
  undetermined = undetermined.value_or(Truth::undetermined(reason));
}

bool Evaluator::step(std::size_t cost) {
  steps_ += cost;
  return steps_ <= kMaxSteps && arena_.bytes() <= kMaxArenaBytes;
}

Truth Evaluator::compared(const Condition& condition,
                          const Value& left,
                          const Value& right,
                          const Comparison& comparison) {
  if (!step(left.cost() + right.cost())) {
    return Truth::error(kTooManySteps);
  }
  return compare(condition.op, condition.negated, left, right, comparison);
}

// -- fields ---------------------------------------------------------------------------------

const Evaluator::Root& Evaluator::root_of(const FieldRef& field) const {
  return field.root == FieldRef::Root::kCandidate ? candidate_ : primary_;
}

/// The path of the field on this resource's type and API version; null where it has none.
const FieldPath* Evaluator::path_of(const FieldRef& field) const {
  if (field.paths.size() == 1 && field.paths.front().type.empty()) {
    return &field.paths.front();
  }
  const std::string_view type = root_of(field).type;
  const auto pick = [&](std::string_view wanted) -> const FieldPath* {
    const FieldPath* fallback = nullptr;
    for (const auto& candidate : field.paths) {
      if (candidate.type != wanted) {
        continue;
      }
      if (candidate.api_versions.empty()) {
        fallback = fallback == nullptr ? &candidate : fallback;
      } else if (!api_version_.empty() && std::ranges::find(candidate.api_versions, api_version_) !=
                                              candidate.api_versions.end()) {
        return &candidate;
      }
    }
    return fallback;
  };
  if (const FieldPath* path = pick(type)) {
    return path;
  }
  // Also an alias of this type by its name, though listed under another (a parent, say).
  const std::string_view name = field.name;
  if (!type.empty() && name.size() > type.size() + 1 && name[type.size()] == '/' &&
      core::istarts_with(name, type) && !name.substr(type.size() + 1).contains('/') &&
      !field.paths.empty()) {
    return pick(field.paths.front().type);
  }
  return nullptr;
}

template <class Sink>
void Evaluator::select_field(const FieldRef& field, Elements* elements, Sink&& sink) {
  const auto counted = [&](const Selected& selected) {
    if (!step()) {
      sink(Selected{Value::error(kTooManySteps), false});
      return false;
    }
    return static_cast<bool>(sink(selected));
  };
  const Root& root = root_of(field);
  switch (field.kind) {
    case FieldRef::Kind::kFullName:
      counted(Selected{full_name(root), false});
      return;
    case FieldRef::Kind::kApiVersion: {
      Value version = root.value.member("apiVersion");
      if (version.is_missing() && context_ != nullptr && !context_->api_version.empty()) {
        version = Value::string(context_->api_version);
      }
      counted(Selected{version, false});
      return;
    }
    case FieldRef::Kind::kDynamic: {
      Value failure;
      if (const FieldRef* resolved = resolve(field, failure)) {
        select_field(*resolved, elements, sink);
      } else {
        counted(Selected{failure, false});
      }
      return;
    }
    case FieldRef::Kind::kPath:
      break;
  }
  const FieldPath* const chosen = path_of(field);
  if (chosen == nullptr) {
    if (!field.has_star) {
      // Of another type: missing, unless the type itself is not known.
      counted(Selected{root.value.is_unknown() && root.type.empty()
                           ? Value::unknown(root.value.text())
                           : Value(),
                       false});
    }
    return;
  }
  const Path* const path = &chosen->path;
  if (!field.plural && chosen->stars > field.bound_stars) {
    counted(Selected{Value(), false});
    return;
  }
  if (!field.relation.empty() &&
      root.value.member(kRelationsProperty).member(field.relation).is_missing()) {
    // Nobody joined this relation: that is not the same as nothing being related.
    counted(Selected{Value::unknown(kNotCollected), true});
    return;
  }
  if (!field.scope) {
    select(root.value, *path, 0, elements, counted);
    return;
  }
  const Frame& frame = frames_[*field.scope];
  if (frame.elements.size() < field.bound_stars) {
    return;
  }
  std::size_t from = 0;
  for (std::size_t stars = 0; from < path->size() && stars < field.bound_stars; ++from) {
    stars += (*path)[from].kind == PathStep::Kind::kStar ? 1 : 0;
  }
  if (elements != nullptr) {
    elements->assign(frame.elements.begin(),
                     frame.elements.begin() + static_cast<std::ptrdiff_t>(field.bound_stars));
  }
  const Value start = frame.elements[field.bound_stars - 1];
  select(start, *path, from, elements, counted);
}

const FieldRef* Evaluator::resolve(const FieldRef& field, Value& failure) {
  const Value name = value(*field.computed_name);
  if (name.is_unknown() || name.is_error()) {
    failure = name;
    return nullptr;
  }
  if (!name.is_string()) {
    failure = arena_.error(fmt::format("the name of a field cannot be {}", kind_name(name)));
    return nullptr;
  }
  for (const auto& known : field.known) {
    if (iequals(known.name, name.text())) {
      return &known;
    }
  }
  std::optional<FieldRef> built_in = builtin_field(name.text());
  if (!built_in && program_.raw_paths_) {
    if (auto path = parse_path(name.text())) {
      built_in = FieldRef{.name = std::string(name.text())};
      built_in->add_path(std::move(*path));
    }
  }
  if (!built_in || !built_in->relation.empty()) {
    failure = arena_.error(
        fmt::format("the computed field '{}' cannot be resolved while evaluating", name.text()));
    return nullptr;
  }
  built_in->root = field.root;
  return &computed_fields_.emplace_front(std::move(*built_in));
}

Value Evaluator::full_name(const Root& root) {
  if (const Value given = root.value.member("fullName"); given.is_string()) {
    return given;
  }
  const Value name = root.value.member("name");
  const Value id = root.value.member("id");
  if (id.is_string() && (!name.is_string() || !name.text().contains('/'))) {
    if (auto names = names_of_id(id.text())) {
      return arena_.string(std::move(*names));
    }
  }
  return name;
}

/// The field() function: the value itself, or an array where the name has a [*].
Value Evaluator::field_value(const FieldRef& field) {
  const FieldRef* ref = &field;
  if (field.kind == FieldRef::Kind::kDynamic) {
    Value failure;
    ref = resolve(field, failure);
    if (ref == nullptr) {
      return failure;
    }
  }
  if (!ref->has_star) {
    Value only;
    select_field(*ref, nullptr, [&](const Selected& selected) {
      only = selected.value;
      return false;
    });
    return only;
  }
  const bool many = ref->plural;
  Elements found;
  std::optional<Value> spoiled;
  select_field(*ref, nullptr, [&](const Selected& selected) {
    if (selected.open || selected.value.is_error()) {
      spoiled = selected.value;
      return false;
    }
    if (!many || !selected.value.is_missing()) {
      found.push_back(many ? listed(selected.value) : selected.value);
    }
    return true;
  });
  if (spoiled) {
    return *spoiled;
  }
  if (many) {
    return functions_.list(std::move(found));
  }
  return found.empty() ? Value() : found.front();
}

Value Evaluator::current_value(const Expr& expr) {
  if (expr.index >= frames_.size()) {
    return arena_.error("current() outside of a count");
  }
  if (expr.field == nullptr) {
    return frames_[expr.index].current;
  }
  std::vector<Value> found;
  bool many = false;
  if (const FieldPath* path = path_of(*expr.field)) {
    many = path->stars > expr.field->bound_stars;
  }
  std::optional<Value> spoiled;
  select_field(*expr.field, nullptr, [&](const Selected& selected) {
    if (selected.open || selected.value.is_error()) {
      spoiled = selected.value;
      return false;
    }
    found.push_back(selected.value);
    return true;
  });
  if (spoiled) {
    return *spoiled;
  }
  if (many) {
    std::erase_if(found, [](const Value& v) { return v.is_missing(); });
    std::ranges::transform(found, found.begin(), listed);
    return functions_.list(std::move(found));
  }
  return found.empty() ? Value() : found.front();
}

// -- expressions ------------------------------------------------------------------------------

Value Evaluator::context_value(const std::optional<Json>& part, std::string_view name) {
  return part ? Value::element(*part) : Value::unknown(arena_.keep(fmt::format("no_{}", name)));
}

Value Evaluator::lazy_logic(const Expr& expr, bool dominant) {
  Combination combination(dominant);
  for (const auto& arg : expr.args) {
    const Value operand = value(arg);
    Truth truth = Truth::of(!dominant);
    if (operand.is_unknown()) {
      truth = Truth::undetermined(operand.text());
    } else if (operand.is_error()) {
      truth = Truth::error(operand.text());
    } else if (operand.is_bool()) {
      truth = Truth::of(operand.as_bool());
    } else {
      truth = Truth::error(
          arena_.keep(fmt::format("and() and or() take booleans, not {}", kind_name(operand))));
    }
    if (!combination.add(truth)) {
      break;
    }
  }
  const Truth& result = combination.result();
  switch (result.kind) {
    case Truth::Kind::kUndetermined:
      return Value::unknown(result.reason);
    case Truth::Kind::kError:
      return Value::error(result.reason);
    default:
      return Value::boolean(result.is_true());
  }
}

Value Evaluator::format_now(const Expr& expr) {
  if (context_ == nullptr) {
    return Value::unknown("no_context");
  }
  std::string_view format = "o";
  if (!expr.args.empty()) {
    const Value given = value(expr.args[0]);
    if (given.is_unknown() || given.is_error()) {
      return given;
    }
    if (!given.is_string()) {
      return arena_.error("utcNow() takes a format");
    }
    format = given.text();
  }
  auto text = format_date(context_->now, format);
  return text ? functions_.text(*std::move(text))
              : arena_.error(fmt::format("utcNow(): unsupported format '{}'", format));
}

/// Recursion is bounded by kMaxExpressionDepth and the depth of templates.
Value Evaluator::value(const Expr& expr) {
  if (expr.op == Expr::Op::kConstant) {
    return expr.constant;
  }
  if (expr.slot && *expr.slot < slots_.size()) {
    return slots_[*expr.slot];
  }
  if (!step()) {
    return Value::error(kTooManySteps);
  }
  switch (expr.op) {
    case Expr::Op::kConstant:
      return expr.constant;
    case Expr::Op::kParameter:
      return expr.index < parameters_.size() ? parameters_[expr.index] : Value();
    case Expr::Op::kField:
      return field_value(*expr.field);
    case Expr::Op::kCurrent:
      return current_value(expr);
    case Expr::Op::kIf: {
      const Value condition = value(expr.args[0]);
      if (condition.is_bool()) {
        return value(expr.args[condition.as_bool() ? 1 : 2]);
      }
      if (condition.is_unknown()) {
        // Certain all the same when both branches agree.
        const Value yes = value(expr.args[1]);
        const Value no = value(expr.args[2]);
        return !yes.is_unknown() && !yes.is_error() && deep_equal(yes, no) ? yes : condition;
      }
      return condition.is_error()
                 ? condition
                 : arena_.error(fmt::format("if() takes a boolean, not {}", kind_name(condition)));
    }
    case Expr::Op::kAnd:
      return lazy_logic(expr, false);
    case Expr::Op::kOr:
      return lazy_logic(expr, true);
    case Expr::Op::kCoalesce:
      for (const auto& arg : expr.args) {
        const Value candidate = value(arg);
        if (!candidate.is_nothing()) {
          return candidate;
        }
      }
      return Value::null();
    case Expr::Op::kCall: {
      std::array<Value, 4> few;
      Elements many(expr.args.size() > few.size() ? expr.args.size() : 0);
      const std::span<Value> args =
          many.empty() ? std::span(few).first(expr.args.size()) : std::span(many);
      std::size_t cost = 0;
      for (std::size_t i = 0; i < args.size(); ++i) {
        args[i] = value(expr.args[i]);
        cost += args[i].cost();
      }
      if (!step(cost)) {
        return Value::error(kTooManySteps);
      }
      return call_function(*expr.function, functions_, args);
    }
    case Expr::Op::kMember: {
      const Value object = value(expr.args[0]);
      return object.is_error() ? object : object.member(expr.constant.text());
    }
    case Expr::Op::kIndex: {
      const Value container = value(expr.args[0]);
      const Value index = value(expr.args[1]);
      if (container.is_error()) {
        return container;
      }
      if (index.is_error() || index.is_unknown()) {
        return index;
      }
      if (index.is_string()) {
        return container.member(index.text());
      }
      if (container.is_unknown()) {
        return Value::unknown(container.text());
      }
      if (index.is(Value::Kind::kInt) && container.is_array()) {
        const Value item =
            index.as_int() < 0 ? Value() : container.at(static_cast<std::size_t>(index.as_int()));
        return item.is_missing()
                   ? arena_.error(fmt::format("there is no element [{}] in an array of {}",
                                              index.as_int(),
                                              container.size()))
                   : item;
      }
      return container.is_nothing()
                 ? Value()
                 : arena_.error(fmt::format(
                       "{} cannot be indexed by {}", kind_name(container), kind_name(index)));
    }
    case Expr::Op::kArray: {
      Elements elements;
      for (const auto& arg : expr.args) {
        elements.push_back(value(arg).as_one());
        if (elements.back().is_error()) {
          return elements.back();
        }
      }
      return functions_.list(std::move(elements));
    }
    case Expr::Op::kObject: {
      Members members;
      for (std::size_t i = 0; i < expr.args.size(); ++i) {
        members.push_back({expr.keys[i], value(expr.args[i])});
        if (members.back().value.is_error()) {
          return members.back().value;
        }
      }
      return arena_.object(std::move(members));
    }
    case Expr::Op::kRequestContext:
      if (context_ != nullptr && !context_->request_context) {
        // A scan has no request; what a rule asks of it is not there.
        return {};
      }
      return context_ != nullptr ? Value::element(*context_->request_context) : Value();
    case Expr::Op::kPolicy:
      return context_value(context_ != nullptr ? context_->policy : std::nullopt, "policy");
    case Expr::Op::kSubscription:
      return context_value(context_ != nullptr ? context_->subscription : std::nullopt,
                           "subscription");
    case Expr::Op::kResourceGroup:
      return context_value(context_ != nullptr ? context_->resource_group : std::nullopt,
                           "resourceGroup");
    case Expr::Op::kUtcNow:
      return format_now(expr);
  }
  return {};
}

// -- conditions -------------------------------------------------------------------------------

Truth Evaluator::truth(const Condition& condition) {
  return evaluate(condition, nullptr);
}

/// Recursion is bounded by kMaxConstraintDepth.
Truth Evaluator::evaluate(const Condition& condition, Explanation* out) {
  if (!step()) {
    return Truth::error(kTooManySteps);
  }
  if (out != nullptr) {
    describe(condition, *out);
  }
  Truth result;
  switch (condition.kind) {
    case Constraint::Kind::kAllOf:
    case Constraint::Kind::kAnyOf: {
      Combination combination(condition.kind == Constraint::Kind::kAnyOf);
      bool open = true;
      for (const auto& child : condition.children) {
        Explanation* part = out != nullptr ? &out->children.emplace_back() : nullptr;
        const Truth truth = evaluate(child, part);
        open = open && combination.add(truth);
        if (!open && out == nullptr) {
          break;
        }
      }
      result = combination.result();
      break;
    }
    case Constraint::Kind::kNot:
      result = !evaluate(condition.children.front(),
                         out != nullptr ? &out->children.emplace_back() : nullptr);
      break;
    case Constraint::Kind::kField:
      result = field_truth(condition, out);
      break;
    case Constraint::Kind::kValue: {
      const Value left = value(condition.left);
      const Value right = value(condition.right);
      result = compared(condition, left, right);
      if (out != nullptr) {
        out->actual = shown(left);
        out->expected = shown(right);
      }
      break;
    }
    case Constraint::Kind::kCountField:
    case Constraint::Kind::kCountValue:
      result = count_truth(condition, out);
      break;
  }
  if (out != nullptr) {
    conclude(result, *out);
  }
  return result;
}

Truth Evaluator::field_truth(const Condition& condition, Explanation* out) {
  const FieldRef* field = &condition.field;
  const Value right = value(condition.right);
  if (field->kind == FieldRef::Kind::kDynamic) {
    Value failure;
    field = resolve(condition.field, failure);
    if (field == nullptr) {
      return failure.is_unknown() ? Truth::undetermined(failure.text())
                                  : Truth::error(failure.text());
    }
  }
  Comparison comparison{.location = field->location};
  bool many = false;
  if (const FieldPath* path =
          field->kind == FieldRef::Kind::kPath && field->has_star ? path_of(*field) : nullptr) {
    many = path->stars > field->bound_stars;
    comparison.inside_element = true;
  }
  // Every selected value must satisfy the operator; an unknown collection may hold more.
  Combination combination(false);
  Elements seen;
  select_field(*field, nullptr, [&](const Selected& selected) {
    const Truth truth = selected.open ? Truth::undetermined(selected.value.text())
                                      : compared(condition, selected.value, right, comparison);
    if (out != nullptr && seen.size() < 20) {
      seen.push_back(selected.value);
    }
    return combination.add(truth) || out != nullptr;
  });
  if (out != nullptr) {
    if (const FieldPath* path = field->kind == FieldRef::Kind::kPath ? path_of(*field) : nullptr) {
      out->path = path_text(path->path);
    }
    out->actual = many ? shown(Value::array(&seen)) : seen.empty() ? "" : shown(seen.front());
    out->expected = shown(right);
  }
  return combination.result();
}

Truth Evaluator::count_truth(const Condition& condition, Explanation* out) {
  Tally tally;
  const Condition* where = condition.children.empty() ? nullptr : &condition.children.front();
  std::optional<Truth> fatal;
  const auto visit = [&](const Value& element, const Elements* elements) {
    if (!step()) {
      fatal = Truth::error(kTooManySteps);
      return false;
    }
    if (where == nullptr) {
      tally.add(Truth::of(true));
      return true;
    }
    frames_.push_back({element, elements != nullptr ? *elements : Elements{}});
    const bool explained = out != nullptr && out->children.size() < kMaxExplainedElements;
    Explanation* part = explained ? &out->children.emplace_back() : nullptr;
    const Truth truth = evaluate(*where, part);
    frames_.pop_back();
    tally.add(truth);
    return true;
  };
  if (condition.kind == Constraint::Kind::kCountField) {
    Elements elements;
    select_field(condition.field, &elements, [&](const Selected& selected) {
      if (selected.value.is_error()) {
        fatal = Truth::error(selected.value.text());
        return false;
      }
      if (selected.open) {
        tally.add_unknown(selected.value.text());
        return true;
      }
      return selected.value.is_missing() || visit(selected.value, &elements);
    });
  } else {
    const Value counted = value(condition.left);
    if (counted.is_error()) {
      fatal = Truth::error(counted.text());
    } else if (counted.is_unknown()) {
      tally.add_unknown(counted.text());
    } else {
      counted.each_element([&](const Value& element) {
        if (element.is_open_end()) {
          tally.add_unknown(element.text());
          return true;
        }
        return visit(element, nullptr);
      });
    }
  }
  if (fatal) {
    return *fatal;
  }
  const Value right = value(condition.right);
  if (out != nullptr) {
    out->actual = tally.unbounded           ? fmt::format("at least {}", tally.low)
                  : tally.low == tally.high ? fmt::format("{}", tally.low)
                                            : fmt::format("{} to {}", tally.low, tally.high);
    out->expected = shown(right);
  }
  return compare_tally(condition, tally, right);
}

Truth Evaluator::compare_tally(const Condition& condition, const Tally& tally, const Value& right) {
  const auto at = [&](std::int64_t count) {
    return compare(condition.op, condition.negated, Value::integer(count), right);
  };
  const Truth lowest = at(tally.low);
  if (!tally.unbounded && tally.low == tally.high) {
    return lowest;
  }
  // The comparison can change its mind only around the numbers on its right side.
  constexpr std::int64_t kFar = std::int64_t{1} << 40U;
  const std::int64_t high = tally.unbounded ? tally.low + kFar : tally.high;
  std::vector<std::int64_t> probes{high};
  const auto probe_around = [&](const Value& value) {
    std::optional<Value> number = value;
    if (value.is_string()) {
      number = parse_number(value.text());
    }
    if (number && number->is_number() && number->as_double() > -1e15 &&
        number->as_double() < 1e15) {
      const auto whole = static_cast<std::int64_t>(number->as_double());
      for (const std::int64_t probe : {whole - 1, whole, whole + 1}) {
        if (probe > tally.low && probe < high) {
          probes.push_back(probe);
        }
      }
    }
    return true;
  };
  probe_around(right);
  right.each_element(probe_around);
  bool settled = true;
  for (const auto probe : probes) {
    settled = settled && at(probe).kind == lowest.kind;
  }
  switch (condition.op) {
    case Operator::kEquals:
    case Operator::kIn:
    case Operator::kLess:
    case Operator::kLessOrEquals:
    case Operator::kGreater:
    case Operator::kGreaterOrEquals:
    case Operator::kExists:
    case Operator::kContainsKey:
      break;
    default:
      settled = false;  // compared as text, number by number
  }
  if (settled) {
    return lowest;
  }
  return tally.undetermined ? *tally.undetermined
                            : tally.error.value_or(Truth::undetermined("count"));
}

Truth Evaluator::applies(const Condition& condition, bool positive) {
  switch (condition.kind) {
    case Constraint::Kind::kAllOf:
    case Constraint::Kind::kAnyOf: {
      Combination combination(condition.kind == Constraint::Kind::kAnyOf);
      for (const auto& child : condition.children) {
        if (!combination.add(applies(child, positive))) {
          break;
        }
      }
      return combination.result();
    }
    case Constraint::Kind::kNot:
      return !applies(condition.children.front(), !positive);
    case Constraint::Kind::kField:
      if (condition.field.identifying) {
        return evaluate(condition, nullptr);
      }
      return Truth::of(positive);
    default:
      return Truth::of(positive);
  }
}

// -- related resources ------------------------------------------------------------------------

Truth Evaluator::name_matches(const Value& candidate, const Value& wanted_name) {
  const auto wanted = scalar_text(wanted_name);
  if (!wanted) {
    return wanted_name.is_unknown() ? Truth::undetermined(wanted_name.text())
           : wanted_name.is_error() ? Truth::error(wanted_name.text())
                                    : Truth::error("details.name is not a string");
  }
  std::vector<std::string> names;
  if (const Value id = candidate.member("id"); id.is_string()) {
    if (auto full = names_of_id(id.text())) {
      names.push_back(std::move(*full));
    }
  }
  if (const Value name = candidate.member("name"); name.is_string()) {
    names.emplace_back(name.text());
  } else if (names.empty() && name.is_unknown()) {
    return Truth::undetermined(name.text());
  }
  const auto wanted_parts = core::split(*wanted, '/');
  return Truth::of(std::ranges::any_of(names, [&](const std::string& name) {
    // `c`, `b/c` and `a/b/c` all name a/b/c; a last `?` stands for any name.
    const auto parts = core::split(name, '/');
    if (wanted_parts.size() > parts.size()) {
      return false;
    }
    const std::size_t skip = parts.size() - wanted_parts.size();
    for (std::size_t i = 0; i < wanted_parts.size(); ++i) {
      const bool any = i + 1 == wanted_parts.size() && wanted_parts[i] == "?";
      if (!any && !equal_ignoring_case(wanted_parts[i], parts[skip + i])) {
        return false;
      }
    }
    return true;
  }));
}

Truth Evaluator::candidate_satisfies(const Value& candidate,
                                     const Value& wanted_name,
                                     bool verbatim,
                                     Explanation* out) {
  const Existence& existence = *program_.existence_;
  Truth named = Truth::of(true);
  if (existence.name && !verbatim) {
    named = name_matches(candidate, wanted_name);
    if (named.is_false() || named.is_error()) {
      return named;
    }
  }
  Truth satisfies = Truth::of(true);
  if (existence.condition) {
    if (related_type_.empty()) {
      set_root(candidate_, candidate);
    } else {
      candidate_.value = candidate;
      candidate_.type = related_type_;
    }
    satisfies = evaluate(*existence.condition, out);
  } else if (out != nullptr) {
    out->text = "exists";
    conclude(satisfies, *out);
  }
  Combination both(false);
  both.add(named);
  both.add(satisfies);
  return both.result();
}

/// Whether any related resource satisfies the rule.
Truth Evaluator::related_satisfies(bool verbatim, Explanation* out) {
  if (!program_.existence_) {
    return Truth::error("the effect looks for a related resource, but the rule names no type");
  }
  const Existence& existence = *program_.existence_;
  related_type_ = existence.type;
  if (existence.computed_type) {
    const Value type = value(*existence.computed_type);
    if (!type.is_string()) {
      return type.is_unknown()
                 ? Truth::undetermined(type.text())
                 : Truth::error(type.is_error() ? type.text() : "details.type is not a string");
    }
    related_type_ = arena_.keep(core::to_lower(type.text()));
  }
  if (out != nullptr) {
    out->text = fmt::format("related {}", related_type_);
  }
  const Value wanted_name = existence.name ? value(*existence.name) : Value();
  Combination any(true);
  const auto consider = [&](const Value& candidate) {
    Explanation* part = nullptr;
    if (out != nullptr && out->children.size() < kMaxExplainedElements) {
      part = &out->children.emplace_back();
    }
    const Truth truth = candidate_satisfies(candidate, wanted_name, verbatim, part);
    if (part != nullptr) {
      if (part->text.empty()) {
        // Passed over because of its name.
        out->children.pop_back();
      } else {
        const Value id = candidate.member("id");
        part->path = id.is_string() ? std::string(id.text()) : std::string();
      }
    }
    return any.add(truth) || out != nullptr;
  };
  if (related_type_ == primary_.type && !related_type_.empty() && !verbatim) {
    // A rule on its own type means the evaluated resource itself.
    consider(primary_.value);
    return any.result();
  }
  RelatedAnswer answer;
  if (context_ == nullptr || context_->related == nullptr) {
    answer.missing = kNotCollected;
  } else {
    ExistenceQuery query{related_type_, ExistenceScope::kResourceGroup, {}};
    Value group;
    if (is_extension_type(related_type_) ||
        (!primary_.type.empty() && related_type_.size() > primary_.type.size() &&
         related_type_[primary_.type.size()] == '/' && related_type_.starts_with(primary_.type))) {
      query.scope = ExistenceScope::kResource;
    } else {
      const Value scope = existence.scope ? value(*existence.scope) : Value();
      if (scope.is_unknown()) {
        return Truth::undetermined(scope.text());
      }
      if (scope.is_error()) {
        return Truth::error(scope.text());
      }
      if (scope.is_string() && iequals(scope.text(), "Subscription")) {
        query.scope = ExistenceScope::kSubscription;
      } else if (existence.resource_group) {
        group = value(*existence.resource_group);
        if (group.is_unknown()) {
          return Truth::undetermined(group.text());
        }
        if (!group.is_string()) {
          return Truth::error(group.is_error() ? group.text()
                                               : "details.resourceGroupName is not a string");
        }
        query.resource_group = group.text();
      }
    }
    answer = context_->related->find(query);
  }
  for (const auto& candidate : answer.candidates) {
    if (!step()) {
      return Truth::error(kTooManySteps);
    }
    if (!consider(Value::element(candidate))) {
      break;
    }
  }
  if (answer.missing) {
    any.add(Truth::undetermined(arena_.keep(*answer.missing)));
  }
  return any.result();
}

// -- the rule ---------------------------------------------------------------------------------

RuleResult Evaluator::run(std::string_view effect, bool verbatim) {
  RuleResult result;
  result.effect = effect;
  if (result.effect.empty()) {
    const Value computed = value(program_.effect_);
    if (!computed.is_string()) {
      result.condition = computed.is_unknown() ? Truth::undetermined(computed.text())
                         : computed.is_error() ? Truth::error(computed.text())
                                               : Truth::error("the effect is not a string");
      result.fires = result.condition;
      return result;
    }
    result.effect = known_effect(computed.text());
    if (result.effect.empty()) {
      result.condition = Truth::error(
          arena_.keep(fmt::format("'{}' is no effect that Azure Policy has", computed.text())));
      result.fires = result.condition;
      return result;
    }
  }
  result.condition = truth(program_.condition_);
  result.fires = result.condition;
  if (is_existence_effect(result.effect) && !result.condition.is_false()) {
    Combination both(false);
    if (both.add(result.condition)) {
      both.add(!related_satisfies(verbatim, nullptr));
    }
    result.fires = both.result();
  }
  return result;
}

Explanation Evaluator::explain(const RuleResult& result, bool verbatim) {
  // A budget of its own: showing the reasons must not fail where deciding did not.
  steps_ = 0;
  Explanation root;
  root.text = fmt::format("effect {}", result.effect);
  Explanation& condition = root.children.emplace_back();
  const Truth truth = evaluate(program_.condition_, &condition);
  condition.text = fmt::format("if: {}", condition.text);
  if (is_existence_effect(result.effect) && !truth.is_false()) {
    Explanation& related = root.children.emplace_back();
    conclude(related_satisfies(verbatim, &related), related);
  }
  conclude(result.fires, root);
  mark_decisive(root, program_.condition_, is_existence_effect(result.effect));
  return root;
}

namespace {

constexpr std::string_view kAttestationType = "microsoft.policyinsights/attestations";

/// What comes of a rule with effect manual that holds.
struct Attested {
  Outcome outcome = Outcome::kUnknown;
  std::string reason;
  std::string id;  // of the attestation; empty: the default state
};

/// The state that an attestation gives; nullopt for one of another policy, or that has expired.
std::optional<Outcome> state_of_attestation(Json attestation, Json policy, core::Time now) {
  const auto text = [](Json object, const char* name) {
    std::string_view value;
    return object[name].get(value) == simdjson::SUCCESS ? value : std::string_view();
  };
  Json properties;
  if (attestation["properties"].get(properties) != simdjson::SUCCESS ||
      !iequals(text(properties, "policyAssignmentId"), text(policy, "assignmentId"))) {
    return std::nullopt;
  }
  const auto reference = text(properties, "policyDefinitionReferenceId");
  if (!reference.empty() && !iequals(reference, text(policy, "definitionReferenceId"))) {
    return std::nullopt;
  }
  if (const auto until = text(properties, "expiresOn"); !until.empty()) {
    const auto expires = core::parse_rfc3339(until);
    if (!expires || *expires <= now) {
      return std::nullopt;
    }
  }
  const auto state = text(properties, "complianceState");
  return iequals(state, "Compliant")      ? Outcome::kCompliant
         : iequals(state, "NonCompliant") ? Outcome::kNonCompliant
                                          : Outcome::kUnknown;
}

/// Azure keeps one attestation for a resource and a policy; of several the worst counts.
Attested attested(const Program& program, const EvaluationContext& context) {
  Attested out;
  out.outcome = program.manual_state_;
  if (context.related == nullptr || !context.policy) {
    return out;
  }
  const auto answer =
      context.related->find({kAttestationType, ExistenceScope::kResource, std::string_view()});
  for (const auto& candidate : answer.candidates) {
    const auto state = state_of_attestation(candidate, *context.policy, context.now);
    if (state && (out.id.empty() || *state == Outcome::kNonCompliant)) {
      out.outcome = *state;
      std::string_view id;
      out.id = candidate["id"].get(id) == simdjson::SUCCESS ? id : "without id";
    }
  }
  if (out.id.empty() && answer.missing) {
    out.outcome = Outcome::kNoEvidence;
    out.reason = *answer.missing;
  }
  return out;
}

Evaluation evaluate_checked(const BoundProgram& bound,
                            Json resource,
                            const EvaluationContext& context,
                            bool explain) {
  Evaluation out;
  const Program& program = *bound.program_;
  out.effect = bound.effect_;
  if (program.info_.mode == Mode::kProvider || out.effect == "disabled") {
    out.outcome = Outcome::kNotEvaluated;
    return out;
  }
  Arena arena;
  Evaluator evaluator(program, bound.parameters_, bound.slots_, &context, resource, arena);
  const std::string_view type = evaluator.resource_type();
  const bool is_subscription = type == "microsoft.resources/subscriptions";
  const bool is_group = type == "microsoft.resources/subscriptions/resourcegroups" ||
                        type == "microsoft.resources/resourcegroups";
  const auto decide = [&](Outcome outcome, std::string_view reason = {}) {
    out.outcome = outcome;
    out.reason = reason;
    return out;
  };
  if (type.starts_with("microsoft.resources/") && !is_subscription && !is_group) {
    return decide(Outcome::kNotApplicable);
  }
  if (is_subscription && program.reads_location_) {
    return decide(Outcome::kNotApplicable);
  }
  if (program.info_.mode == Mode::kIndexed) {
    bool indexed = !is_subscription && !is_group;
    if (indexed && context.indexed_types != nullptr) {
      indexed = std::ranges::any_of(*context.indexed_types,
                                    [&](const std::string& t) { return iequals(t, type); });
    } else if (indexed) {
      indexed = !evaluator.root().member("location").is_nothing();
    }
    if (!indexed) {
      return decide(Outcome::kNotApplicable);
    }
  }
  const RuleResult result = evaluator.run(bound.effect_, false);
  out.effect = result.effect;
  if (!result.effect.empty() && !is_evaluated_effect(result.effect)) {
    return decide(Outcome::kNotEvaluated);
  }
  std::string attestation;
  switch (result.fires.kind) {
    case Truth::Kind::kTrue:
      if (result.effect == "manual") {
        auto state = attested(program, context);
        decide(state.outcome, state.reason);
        attestation = std::move(state.id);
      } else {
        decide(result.effect == "denyaction" ? Outcome::kProtected : Outcome::kNonCompliant);
      }
      break;
    case Truth::Kind::kUndetermined:
      decide(Outcome::kNoEvidence, result.fires.reason);
      break;
    case Truth::Kind::kError:
      decide(Outcome::kError, result.fires.reason);
      break;
    case Truth::Kind::kFalse:
      if (!result.condition.is_false()) {
        decide(Outcome::kCompliant);
        if (!result.condition.is_true()) {
          // Satisfied if the rule applies at all, which is not known or failed.
          decide(result.condition.is_error() ? Outcome::kError : Outcome::kNoEvidence,
                 result.condition.reason);
        }
      } else if (is_existence_effect(result.effect)) {
        decide(Outcome::kNotApplicable);
      } else {
        const Truth applies = evaluator.applies(program.condition_);
        decide(applies.is_false() ? Outcome::kNotApplicable : Outcome::kCompliant);
      }
      break;
  }
  if (explain && out.outcome != Outcome::kNotApplicable) {
    out.explanation = evaluator.explain(result, false);
    if (!attestation.empty()) {
      Explanation& child = out.explanation->children.emplace_back();
      child.text = fmt::format("attestation {}", attestation);
      child.actual = fmt::format("\"{}\"", to_string(out.outcome));
      child.truth = Explanation::Truth::kTrue;
      child.decisive = true;
    }
  }
  return out;
}

/// bind_parameters makes every BoundDefinition there is.
const BoundProgram& program_of(const BoundDefinition& definition) {
  return static_cast<const BoundProgram&>(definition);
}

}  // namespace

std::string_view to_string(Outcome outcome) noexcept {
  switch (outcome) {
    case Outcome::kNotApplicable:
      return "NotApplicable";
    case Outcome::kCompliant:
      return "Compliant";
    case Outcome::kNonCompliant:
      return "NonCompliant";
    case Outcome::kNoEvidence:
      return "NoEvidence";
    case Outcome::kError:
      return "Error";
    case Outcome::kNotEvaluated:
      return "NotEvaluated";
    case Outcome::kUnknown:
      return "Unknown";
    case Outcome::kProtected:
      return "Protected";
  }
  return "Error";
}

Evaluation evaluate(const BoundDefinition& definition,
                    Json resource,
                    const EvaluationContext& context,
                    bool explain) {
  try {
    return evaluate_checked(program_of(definition), resource, context, explain);
  } catch (const std::exception& e) {
    Evaluation failed;
    failed.outcome = Outcome::kError;
    failed.reason = e.what();
    return failed;
  }
}

RuleResult run_rule(const BoundDefinition& definition,
                    Json resource,
                    const EvaluationContext& context,
                    Arena& arena) {
  const BoundProgram& bound = program_of(definition);
  Evaluator evaluator(*bound.program_, bound.parameters_, bound.slots_, &context, resource, arena);
  return evaluator.run(bound.effect_, true);
}

}  // namespace plumbline::policy
