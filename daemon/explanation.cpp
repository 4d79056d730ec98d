#include "daemon/explanation.hpp"

#include <fmt/format.h>

#include <array>

namespace plumbline::daemon {

namespace {

std::string_view truth_name(policy::Explanation::Truth truth) noexcept {
  constexpr std::array<std::string_view, 5> kNames = {
      "false", "true", "undetermined", "error", "not_evaluated"};
  return kNames.at(static_cast<std::size_t>(truth));
}

/// Lists of a hundred types say no more than their beginning does.
std::string_view shortened(std::string_view text) {
  constexpr std::size_t kEnough = 120;
  return text.substr(0, kEnough);
}

/// Whether a condition as written shows its right side already: it is a literal.
bool shows(std::string_view text, std::string_view expected) {
  const bool quoted = expected.size() >= 2 && expected.front() == '"';
  return text.ends_with(quoted ? expected.substr(1, expected.size() - 2) : expected);
}

void append_text(const policy::Explanation& node, std::size_t depth, std::string& out) {
  out.append(depth * 2, ' ');
  fmt::format_to(std::back_inserter(out), "[{}] {}", truth_name(node.truth), shortened(node.text));
  if (!node.path.empty()) {
    fmt::format_to(std::back_inserter(out), "  at {}", node.path);
  }
  // A condition on something that is not there has an expectation, but saw nothing.
  if (!node.actual.empty() || !node.expected.empty()) {
    fmt::format_to(std::back_inserter(out),
                   "  was {}",
                   node.actual.empty() ? "absent" : shortened(node.actual));
  }
  if (!node.expected.empty() && !shows(node.text, node.expected)) {
    fmt::format_to(std::back_inserter(out), "  against {}", shortened(node.expected));
  }
  if (!node.reason.empty()) {
    fmt::format_to(std::back_inserter(out), "  ({})", node.reason);
  }
  out += node.decisive ? "  <--\n" : "\n";
  for (const auto& child : node.children) {
    append_text(child, depth + 1, out);
  }
}

}  // namespace

nlohmann::json explanation_json(const policy::Explanation& node) {
  nlohmann::json out = {{"text", node.text},
                        {"path", node.path},
                        {"expected", node.expected},
                        {"actual", node.actual},
                        {"truth", truth_name(node.truth)},
                        {"reason", node.reason},
                        {"decisive", node.decisive},
                        {"children", nlohmann::json::array()}};
  for (const auto& child : node.children) {
    out["children"].push_back(explanation_json(child));
  }
  return out;
}

std::string explanation_text(const policy::Explanation& node) {
  std::string out;
  append_text(node, 0, out);
  return out;
}

}  // namespace plumbline::daemon
