// The book of drift: what opens, changes, is accepted and is resolved while a cycle is committed.
#pragma once

#include "compliance/drift_rules.hpp"
#include "compliance/expected.hpp"
#include "core/model/drift.hpp"
#include "core/ports/store.hpp"

#include <chrono>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace plumbline::compliance {

/// A resource by the facts that drift needs.
struct DriftSubject {
  std::int64_t row = 0;
  std::string_view key;
  std::string_view type;
  bool is_detail = false;
  bool has_waited = false;  // for evidence, since it changed
};

/// How long drift waits for the records that a rule about expected changes needs.
inline constexpr std::chrono::hours kWaitForRecords{1};

/// What a rule about expected changes has decided since drift opened.
struct RuleStep {
  core::DriftRow row;
  std::string rule;                                // empty: none holds
  bool covers = false;                             // puts it off, or accepts it where that is final
  bool uncovers = false;                           // what the rule put off is open
  core::Severity severity = core::Severity::kLow;  // from now on
  bool is_final = false;                           // it waits no longer
  std::optional<core::Acceptance> put_off_by;      // by a rule
};

/// The decisions that are due: where what is known of a change is another than when its drift
/// opened, where no more can come to be known, and where it was waited for in vain.
[[nodiscard]] core::Result<std::vector<RuleStep>> rule_steps(
    core::Snapshot& snapshot, std::span<const core::ExpectedRule> rules, core::Time now);

/// For one commit, on its thread. Every call may fail as the view does.
class DriftBook {
 public:
  /// `expected` must outlive it.
  DriftBook(core::JudgeView& view,
            const core::CycleChanges& changes,
            std::span<const core::ExpectedRule> expected = {},
            const core::FlappingRule& flapping = {})
      : view_(&view), changes_(&changes), expected_(expected), flapping_(flapping) {}

  /// A verdict is non-compliant by a cause that may open drift.
  core::Status open_baseline(const DriftSubject& resource,
                             std::int64_t check,
                             std::string_view assignment,
                             std::string_view reference,
                             core::Severity severity);
  /// A verdict rests on evidence and is not non-compliant.
  core::Status resolve_baseline(std::int64_t resource, std::int64_t check);
  /// A resource or detail document has another body. What is open about it is measured, by the
  /// rules of today, against the version from before it opened, or against the one that was
  /// accepted, so that putting that back resolves it; what differs from the version before and is
  /// not told yet opens.
  core::Status configuration_changed(const DriftSubject& resource,
                                     std::int64_t old_version,
                                     std::int64_t new_version,
                                     const DriftRules& rules);
  /// Whether drift was that the resource is gone: that is resolved, since it is seen again.
  core::Result<bool> resource_is_back(std::int64_t resource);
  /// `body` is the first, or the last, that was seen. Whatever else is open about it is resolved.
  core::Status resource_added(const DriftSubject& resource, std::string_view body);
  core::Status resource_removed(const DriftSubject& resource, std::string_view body);
  /// Ends whatever is open about a resource.
  core::Status resolve_all(std::int64_t resource);

  /// Acceptances whose time has come to an end cover no longer.
  core::Status end_expired();
  /// Flapping drift that has stayed away for long enough, as far as can be seen, is resolved.
  core::Status end_flapping();
  /// Rules about expected changes decide about what waits for them (`rule_steps`).
  core::Status decide_expected();

  struct Accepted {
    std::int64_t acceptance = 0;
    std::int64_t covered = 0;  // items; 0 is no error here
  };

  core::Result<Accepted> accept(core::Acceptance acceptance);
  /// Of what it chooses, only what is open by now.
  core::Result<Accepted> accept_open(core::Acceptance acceptance);
  /// One open item and nothing else: reason, author, end and `snooze` are those given. kNotFound
  /// when it is not open.
  core::Result<std::int64_t> accept_item(std::int64_t id, core::Acceptance acceptance);
  /// kNotFound unless it is in force and was made by command.
  core::Status withdraw(std::int64_t acceptance);
  /// Makes the acceptances that have a name those of the file.
  core::Status adopt_file(const std::vector<core::Acceptance>& wanted);

 private:
  struct Comparison;

  /// Those in force that are not of one item.
  core::Result<const std::vector<core::Acceptance>*> general();
  core::Result<std::optional<core::DriftItem>> open_item(std::int64_t resource,
                                                         core::DriftKind kind,
                                                         std::int64_t check,
                                                         std::string_view path);
  /// Whether what the item says has been accepted, and not only put off.
  core::Result<bool> is_agreed(const core::DriftItem& item);
  core::Result<const std::vector<DriftChange>*> differences(Comparison& comparison,
                                                            std::int64_t from);
  core::Status reconcile(const DriftSubject& resource,
                         const core::DriftItem& item,
                         bool agreed,
                         Comparison& comparison);
  core::Status open_difference(const DriftSubject& resource,
                               const DriftChange& difference,
                               std::int64_t from,
                               std::int64_t to,
                               std::int64_t replaces);
  /// Accepts an item for a rule, or puts it off until the rule can decide for good.
  core::Status cover_by_rule(const core::DriftRow& row, const std::string& rule, bool is_final);
  core::Status carry_out(const RuleStep& step);
  /// Whether what a flapping item is about can be seen, so that it is away for certain.
  core::Result<bool> is_seen_away(std::int64_t id);
  /// Stores an acceptance of the item.
  core::Result<core::Acceptance> put_for_item(const core::DriftRow& row,
                                              core::Acceptance acceptance);
  /// Somebody has decided about an item that is undecided.
  core::Status cover_in_place(const core::DriftRow& row, const core::Acceptance& acceptance);
  /// Whether an item is open, or only put off by a rule.
  core::Result<bool> is_undecided(const core::DriftRow& row);
  /// No rule decides about it any more, and none puts it off.
  core::Status end_waiting(const core::DriftItem& item);
  /// The row's item, in place of the item `replaces`; 0: of none.
  core::Status open(core::DriftRow row, std::int64_t replaces = 0);
  core::Status whole_resource(const DriftSubject& resource,
                              std::string_view old_body,
                              std::string_view new_body);
  core::Status cover_if_accepted(const core::DriftRow& row);
  core::Result<bool> does_cover(const core::Acceptance& acceptance, const core::DriftRow& row);
  /// The keys of those above a resource, as far as its subscription tells.
  core::Result<std::vector<std::string>> management_groups(std::string_view resource_key);
  core::Status end(const core::Acceptance& acceptance);
  /// What the item says is no longer so: it is resolved, unless it keeps coming and going.
  core::Status settle(const core::DriftItem& item);
  /// What the item says is so.
  core::Status stand(const core::DriftItem& item);

  core::JudgeView* view_;
  const core::CycleChanges* changes_;
  std::span<const core::ExpectedRule> expected_;
  core::FlappingRule flapping_;
  std::optional<std::vector<core::Acceptance>> general_;
  std::map<std::string, std::vector<std::string>> management_groups_;  // by subscription
};

/// The same for drift about the same check and resource, or property, whenever it opens again:
/// 16 hexadecimal digits.
[[nodiscard]] std::string identity_of(const core::DriftRow& row);

/// Views into `row`.
[[nodiscard]] core::DriftFacts facts_of(const core::DriftRow& row);

/// Whether the acceptances with a name are those of the file, but for what has expired.
[[nodiscard]] core::Result<bool> has_file_adopted(core::Snapshot& snapshot,
                                                  const std::vector<core::Acceptance>& wanted,
                                                  core::Time now);

}  // namespace plumbline::compliance
