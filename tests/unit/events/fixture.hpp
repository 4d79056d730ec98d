// A store with drift and transitions, and what is known around them.
#pragma once

#include "events/event.hpp"
#include "tests/unit/storage/filled_store.hpp"

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace plumbline::tests {

inline const std::string kAssignment = "baseline";
inline const std::string kCheck = "NS-1-test";

class FakeFacts final : public events::Facts {
 public:
  core::Result<nlohmann::json> drift(const core::DriftRow& row) override {
    if (row.resource_key == damaged) {
      return core::Error{core::Errc::kCorrupt, "damaged"};
    }
    return nlohmann::json{
        {"identity", "identity-of-" + row.resource_key + row.reference + row.item.path},
        {"state", core::to_string(row.state)},
        {"owner", "team-a"},
        {"path", row.item.path},
        {"acceptance",
         row.item.acceptance == 0 ? nlohmann::json(nullptr) : nlohmann::json(row.item.acceptance)},
        {"change", {{"changed_by", "someone@example.com"}, {"client_type", "Portal"}}}};
  }

  std::optional<events::CheckFacts> check(std::string_view /*assignment*/,
                                          std::string_view reference) override {
    events::CheckFacts out;
    out.title = "Title of the check";
    out.controls = {"NS-1", "NS-2"};
    out.severity = reference == kCheck ? core::Severity::kHigh : core::Severity::kLow;
    out.score = 0.75;
    out.share = 0.05;
    return out;
  }

  std::string damaged;  // key of a resource whose drift cannot be read
};

inline events::MakeFacts fake_facts(const std::string& damaged = {}) {
  return [damaged](core::Snapshot&) -> core::Result<std::unique_ptr<events::Facts>> {
    auto facts = std::make_unique<FakeFacts>();
    facts->damaged = damaged;
    return std::unique_ptr<events::Facts>(std::move(facts));
  };
}

struct EventStore : FilledStore {
  static std::string key(int number) { return fmt::format("{}{}", kVault, number); }

  /// One cycle: each of these resources is seen with another body, then `judge` decides about the
  /// rows.
  void cycle(const std::vector<int>& resources,
             const std::function<void(core::JudgeView&, const std::vector<std::int64_t>&)>& judge) {
    ++bodies;
    std::vector<core::Observation> page;
    page.reserve(resources.size());
    for (const int number : resources) {
      page.push_back(observe(key(number), fmt::format("{{\"n\":{}}}", bodies)));
    }
    sweep(std::move(page), [&](core::JudgeView& view, const core::CycleChanges&) {
      std::vector<std::int64_t> rows;
      rows.reserve(resources.size());
      for (const int number : resources) {
        const auto found = view.find(key(number));
        REQUIRE(found);
        rows.push_back((*found)->row);
      }
      judge(view, rows);
      return core::Status::ok();
    });
  }

  static std::int64_t check(core::JudgeView& view, const std::string& reference = kCheck) {
    core::CheckRow row;
    row.assignment = kAssignment;
    row.reference = reference;
    const auto made = view.put_check(row);
    REQUIRE(made);
    return *made;
  }

  static std::int64_t open_item(core::JudgeView& view,
                                std::int64_t resource,
                                core::Severity severity = core::Severity::kHigh,
                                const std::string& path = {}) {
    core::DriftItem item;
    item.kind = path.empty() ? core::DriftKind::kBaseline : core::DriftKind::kConfiguration;
    item.check = path.empty() ? check(view) : 0;
    item.resource = resource;
    item.path = path;
    item.old_value = path.empty() ? "" : "\"Disabled\"";
    item.new_value = path.empty() ? "" : "\"Enabled\"";
    item.severity = severity;
    const auto opened = view.open_drift_item(item);
    REQUIRE(opened);
    return *opened;
  }

  static void transit(core::JudgeView& view,
                      std::int64_t resource,
                      const std::string& reference = kCheck) {
    core::Transition out;
    out.check = check(view, reference);
    out.resource = resource;
    out.from = core::ComplianceState::kCompliant;
    out.to = core::ComplianceState::kNonCompliant;
    REQUIRE(view.add_transition(out));
  }

  /// Resources fail the check, and drift opens.
  void fails(const std::vector<int>& resources) {
    cycle(resources, [&](core::JudgeView& view, const std::vector<std::int64_t>& rows) {
      for (const auto row : rows) {
        transit(view, row);
        last_item = open_item(view, row);
      }
    });
  }

  void resolve(std::int64_t item) {
    cycle({0}, [&](core::JudgeView& view, const std::vector<std::int64_t>&) {
      REQUIRE(view.resolve_drift(item));
    });
  }

  int bodies = 0;
  std::int64_t last_item = 0;
};

/// An id without the instant in it: `drift-7`.
inline std::string row_of(const std::string& id) {
  return id.substr(0, id.rfind('-'));
}

inline std::vector<std::string> ids_of(const std::vector<events::Event>& events) {
  std::vector<std::string> out;
  out.reserve(events.size());
  for (const auto& event : events) {
    out.push_back(row_of(event.id));
  }
  return out;
}

}  // namespace plumbline::tests
