#include "compliance/structure.hpp"

#include "compliance/strict_json.hpp"
#include "policy/json_tree.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <span>
#include <utility>

namespace plumbline::compliance {

using core::Error;
using core::Result;
using core::Status;
using policy::JsonNode;

namespace {

constexpr std::array kFeatureStates = {
    FeatureState::kCustomer, FeatureState::kInherited, FeatureState::kNotAvailable};

using Words = std::span<const std::string_view>;
constexpr std::array<std::string_view, 2> kSupported = {"true", "false"};
constexpr std::array<std::string_view, 3> kEnabled = {"true", "false", "n.a."};
constexpr std::array<std::string_view, 4> kResponsible = {
    "Customer", "Microsoft", "Shared", "n.a."};
constexpr std::array<std::string_view, 3> kStates = {"customer", "inherited", "notAvailable"};
constexpr std::array<std::string_view, 4> kInformation = {
    "inherited", "notAvailable", "manual", "emptySection"};

class StructureParser {
 public:
  StructureParser(std::string_view text, std::string_view path, const KnownNames& known)
      : text_(text), source_(text, path), known_(&known) {}

  Result<Structure> parse() {
    auto root = policy::parse_json_tree(source_, text_);
    if (!root) {
      return root.error();
    }
    using Method = Status (StructureParser::*)(const JsonNode&);
    constexpr std::array<std::pair<std::string_view, Method>, 3> kLists = {{
        {"features", &StructureParser::add_feature},
        {"recommendations", &StructureParser::add_recommendation},
        {"informational", &StructureParser::add_information},
    }};
    if (auto keys = check_keys(
            source_, *root, "the document", {"features", "recommendations", "informational"});
        !keys) {
      return keys.error();
    }
    for (const auto& [name, add] : kLists) {
      const JsonNode* entries = member(*root, name);
      if (entries == nullptr || !entries->is_array()) {
        return fail(entries == nullptr ? *root : *entries,
                    fmt::format("`{}` must be an array", name));
      }
      for (const auto& entry : entries->items) {
        if (auto added = (this->*add)(entry); !added) {
          return added.error();
        }
      }
    }
    return std::move(out_);
  }

 private:
  [[nodiscard]] Error fail(const JsonNode& at, std::string_view message) const {
    return source_.error(at.offset, message);
  }

  /// A text that is there; one of `choices` where there are any.
  Status take(const JsonNode& row, std::string_view name, std::string& out, Words choices = {}) {
    const JsonNode* value = member(row, name);
    if (value == nullptr || !value->is_string() || value->text.empty()) {
      return fail(value == nullptr ? row : *value, fmt::format("`{}` must be a text", name));
    }
    if (!choices.empty() && std::ranges::find(choices, value->text) == choices.end()) {
      return fail(*value, fmt::format("`{}` must be one of {}", name, fmt::join(choices, ", ")));
    }
    out = value->text;
    return Status::ok();
  }

  Status take_id(const JsonNode& row, std::string& out) {
    if (auto taken = take(row, "id", out); !taken) {
      return taken;
    }
    if (!ids_.insert(out).second) {
      return fail(*member(row, "id"), fmt::format("the id `{}` is used twice", out));
    }
    return Status::ok();
  }

  Status take_control(const JsonNode& row, std::string& out) {
    if (auto taken = take(row, "control", out); !taken) {
      return taken;
    }
    if (std::ranges::find(known_->controls, out) == known_->controls.end()) {
      return fail(*member(row, "control"), fmt::format("the initiative has no group `{}`", out));
    }
    return Status::ok();
  }

  /// References of the initiative. A check stands under one row, others may point at it.
  Status take_checks(const JsonNode& row,
                     std::string_view name,
                     bool exclusive,
                     std::vector<std::string>& out) {
    const JsonNode* list = member(row, name);
    if (list == nullptr || !list->is_array()) {
      return fail(list == nullptr ? row : *list, fmt::format("`{}` must be an array", name));
    }
    for (const auto& item : list->items) {
      if (!item.is_string() ||
          std::ranges::find(known_->references, item.text) == known_->references.end()) {
        return fail(item,
                    fmt::format("the initiative has no policyDefinitionReferenceId `{}`",
                                item.is_string() ? std::string_view(item.text) : ""));
      }
      if (exclusive && !placed_.insert(item.text).second) {
        return fail(item, fmt::format("`{}` stands under two rows", item.text));
      }
      out.push_back(item.text);
    }
    return Status::ok();
  }

  Status add_feature(const JsonNode& row) {
    if (auto keys = check_keys(source_,
                               row,
                               "a feature",
                               {"id",
                                "control",
                                "name",
                                "supported",
                                "enabledByDefault",
                                "responsibility",
                                "state",
                                "summary",
                                "checks",
                                "seeAlso"});
        !keys) {
      return keys;
    }
    Feature feature;
    std::string state;
    for (const auto& taken : {take_id(row, feature.id),
                              take_control(row, feature.control),
                              take(row, "name", feature.name),
                              take(row, "supported", feature.supported, kSupported),
                              take(row, "enabledByDefault", feature.enabled_by_default, kEnabled),
                              take(row, "responsibility", feature.responsibility, kResponsible),
                              take(row, "state", state, kStates),
                              take(row, "summary", feature.summary),
                              take_checks(row, "checks", /*exclusive=*/true, feature.checks),
                              take_checks(row, "seeAlso", /*exclusive=*/false, feature.see_also)}) {
      if (!taken) {
        return taken;
      }
    }
    feature.state = *std::ranges::find(
        kFeatureStates, state, [](FeatureState known) { return to_string(known); });
    out_.features.push_back(std::move(feature));
    return Status::ok();
  }

  Status add_recommendation(const JsonNode& row) {
    if (auto keys = check_keys(source_,
                               row,
                               "a recommendation",
                               {"id", "control", "area", "name", "checks", "seeAlso", "note"});
        !keys) {
      return keys;
    }
    Recommendation recommendation;
    for (const auto& taken :
         {take_id(row, recommendation.id),
          take_control(row, recommendation.control),
          take(row, "area", recommendation.area),
          take(row, "name", recommendation.name),
          take_checks(row, "checks", /*exclusive=*/true, recommendation.checks),
          take_checks(row, "seeAlso", /*exclusive=*/false, recommendation.see_also),
          member(row, "note") == nullptr ? Status::ok() : take(row, "note", recommendation.note)}) {
      if (!taken) {
        return taken;
      }
    }
    out_.recommendations.push_back(std::move(recommendation));
    return Status::ok();
  }

  Status add_information(const JsonNode& row) {
    if (auto keys = check_keys(
            source_, row, "a row of information", {"id", "feature", "state", "name", "text"});
        !keys) {
      return keys;
    }
    Information information;
    for (const auto& taken : {take_id(row, information.id),
                              take(row, "feature", information.feature),
                              take(row, "state", information.state, kInformation),
                              take(row, "name", information.name),
                              take(row, "text", information.text)}) {
      if (!taken) {
        return taken;
      }
    }
    if (std::ranges::find(out_.features, information.feature, &Feature::id) ==
        out_.features.end()) {
      return fail(*member(row, "feature"),
                  fmt::format("there is no feature `{}`", information.feature));
    }
    out_.information.push_back(std::move(information));
    return Status::ok();
  }

  std::string_view text_;
  policy::SourceText source_;
  const KnownNames* known_;
  Structure out_;
  std::set<std::string> ids_;
  std::set<std::string> placed_;
};

}  // namespace

std::string_view to_string(FeatureState state) noexcept {
  switch (state) {
    case FeatureState::kCustomer:
      return "customer";
    case FeatureState::kInherited:
      return "inherited";
    case FeatureState::kNotAvailable:
      return "notAvailable";
  }
  return "customer";
}

Result<Structure> parse_structure(std::string_view text,
                                  std::string_view path,
                                  const KnownNames& known) {
  return StructureParser(text, path, known).parse();
}

}  // namespace plumbline::compliance
