#include "compliance/noise.hpp"

#include <algorithm>
#include <array>

namespace plumbline::compliance {

using core::NoiseRule;
using simdjson::dom::element;

namespace {

// As core::Normaliser has it.
constexpr std::array<std::string_view, 5> kNotFingerprinted = {"/etag",
                                                               "/systemData",
                                                               "/properties/modifiedDate",
                                                               "/properties/lastModifiedDate",
                                                               "/properties/lastUpdatedTime"};

/// The rules about one type.
class TypeRules final : public DiffRules {
 public:
  TypeRules(const std::vector<Noise::Rule>& rules,
            std::string_view type,
            bool is_detail,
            const ReadPaths& reads)
      : type_(type), is_detail_(is_detail), reads_(&reads) {
    for (const auto& rule : rules) {
      if (std::ranges::any_of(rule.types, [&](const std::string& pattern) {
            return core::matches_wildcard(type, pattern);
          })) {
        auto& kind = by_kind_.at(static_cast<std::size_t>(rule.kind));
        kind.push_back(&rule);
      }
    }
  }

  [[nodiscard]] bool is_ignored(DiffPath path) const override {
    const auto place = resource_path(is_detail_, path);
    const bool named = std::ranges::any_of(of(NoiseRule::Kind::kIgnore), [&](const auto* rule) {
      return std::ranges::any_of(rule->paths,
                                 [&](const auto& pattern) { return pattern.covers(place); });
    });
    return named && !reads_->severity_of(type_, place);
  }

  [[nodiscard]] bool ignores_case(DiffPath path) const override {
    return find(NoiseRule::Kind::kCase, path) != nullptr;
  }

  [[nodiscard]] const Unordered* unordered(DiffPath path) const override {
    const auto* rule = find(NoiseRule::Kind::kUnordered, path);
    return rule == nullptr ? nullptr : &rule->unordered;
  }

  [[nodiscard]] bool is_default(DiffPath path, element value) const override {
    const auto place = resource_path(is_detail_, path);
    const auto& rules = of(NoiseRule::Kind::kDefault);
    return !rules.empty() &&
           std::ranges::any_of(rules, [&, text = std::string()](const auto* rule) mutable {
             if (std::ranges::none_of(
                     rule->paths, [&](const auto& pattern) { return pattern.matches(place); })) {
               return false;
             }
             if (text.empty()) {
               text = simdjson::minify(value);
             }
             return text == rule->value;
           });
  }

 private:
  [[nodiscard]] const std::vector<const Noise::Rule*>& of(NoiseRule::Kind kind) const {
    return by_kind_.at(static_cast<std::size_t>(kind));
  }

  [[nodiscard]] const Noise::Rule* find(NoiseRule::Kind kind, DiffPath path) const {
    const auto place = resource_path(is_detail_, path);
    const auto& rules = of(kind);
    const auto found = std::ranges::find_if(rules, [&](const auto* rule) {
      return std::ranges::any_of(rule->paths,
                                 [&](const auto& pattern) { return pattern.matches(place); });
    });
    return found == rules.end() ? nullptr : *found;
  }

  std::string_view type_;
  bool is_detail_;
  const ReadPaths* reads_;
  std::array<std::vector<const Noise::Rule*>, 4> by_kind_;
};

}  // namespace

Noise::Noise() : Noise(std::vector<NoiseRule>()) {}

Noise::Noise(const std::vector<NoiseRule>& rules) {
  Rule& built_in = rules_.emplace_back();
  built_in.types = {"*"};
  for (const auto path : kNotFingerprinted) {
    built_in.paths.push_back(*core::PathPattern::parse(path));
  }
  for (const auto& rule : rules) {
    simdjson::dom::parser parser;
    element value;
    // Written as bodies are, so that texts can be compared.
    const bool parses = parser.parse(rule.value_json).get(value) == simdjson::SUCCESS;
    rules_.push_back({rule.kind,
                      rule.types,
                      rule.paths,
                      {rule.by},
                      parses ? std::string(simdjson::minify(value)) : rule.value_json});
  }
}

std::vector<JsonChange> Noise::diff(std::string_view lower_type,
                                    bool is_detail,
                                    element before,
                                    element after,
                                    const ReadPaths& reads) const {
  const TypeRules rules(rules_, lower_type, is_detail, reads);
  return diff_json(before, after, &rules);
}

DiffPath resource_path(bool is_detail, DiffPath path) {
  if (!is_detail) {
    return path;
  }
  // `{"value": [element, ...]}`
  return path.subspan(std::min<std::size_t>(path.size(), 2));
}

}  // namespace plumbline::compliance
