#include "config/drift.hpp"

#include "config/drift_reader.hpp"
#include "core/resource_id.hpp"
#include "core/text.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <utility>

namespace plumbline::config {

using core::ExpectedRule;

namespace {

constexpr std::array<std::string_view, 7> kDays = {
    "sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"};

/// Minutes since midnight of `22:30`; `24:00` is the end of the day.
std::optional<unsigned> parse_clock(std::string_view text) {
  const auto number = [](std::string_view digits) -> std::optional<unsigned> {
    unsigned value = 0;
    const auto* end = digits.data() + digits.size();
    const auto [stop, error] = std::from_chars(digits.data(), end, value);
    return digits.size() == 2 && error == std::errc() && stop == end ? std::optional(value)
                                                                     : std::nullopt;
  };
  if (text.size() != 5 || text[2] != ':') {
    return std::nullopt;
  }
  const auto hours = number(text.substr(0, 2));
  const auto minutes = number(text.substr(3));
  if (!hours || !minutes || *minutes > 59 || *hours * 60 + *minutes > 24 * 60) {
    return std::nullopt;
  }
  return *hours * 60 + *minutes;
}

void read_clock(YamlReader& reader, std::string_view key, unsigned& out) {
  std::string text;
  reader.text(key, text);
  if (text.empty()) {
    return;
  }
  const auto minutes = parse_clock(text);
  if (!minutes) {
    reader.fail(key, fmt::format("`{}` is no time of day such as \"22:30\"", text));
    return;
  }
  out = *minutes;
}

void read_window(YamlReader& window, ExpectedRule::Window& out) {
  window.allow({"days", "from", "to", "time_zone"});
  window.items("days", [&](std::string_view day) -> std::string {
    const auto* const found = std::ranges::find_if(
        kDays, [&](std::string_view name) { return core::iequals(name, day); });
    if (found == kDays.end()) {
      return fmt::format("`{}` must be one of {}", day, fmt::join(kDays, ", "));
    }
    out.days.push_back(static_cast<unsigned>(found - kDays.begin()));
    return {};
  });
  read_clock(window, "from", out.from);
  read_clock(window, "to", out.to);
  std::string zone = "UTC";
  window.choice("time_zone", {"UTC"}, zone);
}

void read_expected(YamlReader& expected, ExpectedRule& out) {
  expected.allow(
      {"name", "effect", "actors", "clients", "operations", "scopes", "types", "windows"});
  expected.text("name", out.name);
  if (out.name.empty()) {
    expected.fail("", "a rule needs a `name`");
  }
  std::string effect;
  expected.choice("effect", {"accept", "downgrade", "escalate"}, effect);
  out.effect = effect == "accept"      ? ExpectedRule::Effect::kAccept
               : effect == "downgrade" ? ExpectedRule::Effect::kDowngrade
                                       : ExpectedRule::Effect::kEscalate;
  expected.texts("actors", out.actors);
  expected.texts("clients", out.clients);
  expected.texts("operations", out.operations);
  expected.items("scopes", [&](std::string_view scope) -> std::string {
    const auto id = core::parse_resource_id(scope);
    if (!id) {
      return fmt::format("`{}` is not the id of a subscription, resource group or resource", scope);
    }
    out.scopes.push_back(id->key);
    return {};
  });
  read_types(expected, "types", out.types);
  expected.sequence("windows",
                    [&](YamlReader& item) { read_window(item, out.windows.emplace_back()); });
  if (!out.asks_who() && out.scopes.empty() && out.types.empty() && out.windows.empty()) {
    expected.fail("", "a rule that asks nothing would hold for every change");
  }
}

}  // namespace

void read_drift_rules(YamlReader& drift, core::DriftSettings& out) {
  drift.mapping("flapping", [&](YamlReader& flapping) {
    flapping.allow({"openings", "window"});
    flapping.integer("openings", 0, 1000, out.flapping.openings);
    flapping.duration("window", std::chrono::minutes(1), out.flapping.window);
  });
  drift.sequence("include", [&](YamlReader& include) {
    include.allow({"types", "paths"});
    auto& entry = out.include.emplace_back();
    read_types(include, "types", entry.types);
    read_paths(include, "paths", entry.paths);
    if (entry.types.empty()) {
      include.fail("", "an entry of `include` needs `types`, a list of at least one");
    }
  });
  drift.texts("owner_tags", out.owner_tags);
  drift.sequence("expected",
                 [&](YamlReader& item) { read_expected(item, out.expected.emplace_back()); });
}

}  // namespace plumbline::config
