#include "policy/explain.hpp"

#include <fmt/format.h>

namespace plumbline::policy {

namespace {

constexpr std::size_t kMaxShownBytes = 1000;

std::string shortened(const std::string& text) {
  constexpr std::size_t kMax = 200;
  return text.size() <= kMax ? text : text.substr(0, kMax) + "...";
}

/// Among the parts of a conjunction or disjunction those that carry its result: all of them when
/// every one was needed, else those that have the result's own truth.
void mark(Explanation& node, const Condition& condition) {
  node.decisive = true;
  switch (condition.kind) {
    case Constraint::Kind::kNot:
      if (!node.children.empty()) {
        mark(node.children.front(), condition.children.front());
      }
      return;
    case Constraint::Kind::kAllOf:
    case Constraint::Kind::kAnyOf:
      for (std::size_t i = 0; i < node.children.size() && i < condition.children.size(); ++i) {
        if (node.children[i].truth == node.truth) {
          mark(node.children[i], condition.children[i]);
        }
      }
      return;
    case Constraint::Kind::kCountField:
    case Constraint::Kind::kCountValue:
      for (auto& child : node.children) {
        if (!condition.children.empty() && child.truth != Explanation::Truth::kFalse) {
          mark(child, condition.children.front());
        }
      }
      return;
    default:
      return;
  }
}

void mark_all(Explanation& node) {
  node.decisive = true;
  for (auto& child : node.children) {
    mark_all(child);
  }
}

}  // namespace

std::string shown(const Value& value) {
  switch (value.kind()) {
    case Value::Kind::kMissing:
    case Value::Kind::kUnknown:
    case Value::Kind::kError:
      return {};
    default:
      return to_json(value, kMaxShownBytes);
  }
}

void describe(const Condition& condition, Explanation& out) {
  switch (condition.kind) {
    case Constraint::Kind::kAllOf:
      out.text = "allOf";
      return;
    case Constraint::Kind::kAnyOf:
      out.text = "anyOf";
      return;
    case Constraint::Kind::kNot:
      out.text = "not";
      return;
    case Constraint::Kind::kField:
      out.text = "field ";
      break;
    case Constraint::Kind::kValue:
      out.text = "value ";
      break;
    case Constraint::Kind::kCountField:
    case Constraint::Kind::kCountValue:
      out.text = "count ";
      break;
  }
  out.text += fmt::format("{} {} {}",
                          shortened(condition.left_text),
                          condition.op_text,
                          shortened(condition.right_text));
}

void conclude(const Truth& truth, Explanation& out) {
  switch (truth.kind) {
    case Truth::Kind::kFalse:
      out.truth = Explanation::Truth::kFalse;
      break;
    case Truth::Kind::kTrue:
      out.truth = Explanation::Truth::kTrue;
      break;
    case Truth::Kind::kUndetermined:
      out.truth = Explanation::Truth::kUndetermined;
      break;
    case Truth::Kind::kError:
      out.truth = Explanation::Truth::kError;
      break;
  }
  out.reason = truth.reason;
}

void mark_decisive(Explanation& root, const Condition& condition, bool existence) {
  root.decisive = true;
  if (root.children.empty()) {
    return;
  }
  // A related resource was looked at only where `if` did not already settle the matter.
  mark(root.children.front(), condition);
  if (existence && root.children.size() > 1) {
    Explanation& related = root.children[1];
    related.decisive = true;
    for (auto& candidate : related.children) {
      if (candidate.truth == related.truth) {
        mark_all(candidate);
      }
    }
  }
}

}  // namespace plumbline::policy
