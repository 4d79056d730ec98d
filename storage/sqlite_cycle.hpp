// A cycle over the writing connection. Private to storage/.
#pragma once

#include "core/actors.hpp"
#include "core/clock.hpp"
#include "core/ports/store.hpp"
#include "storage/sqlite.hpp"

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

namespace plumbline::storage {

[[nodiscard]] core::Status write_watermark(Connection& connection,
                                           std::string_view source,
                                           core::Time position);

class SqliteCycle final : public core::Cycle {
 public:
  [[nodiscard]] static core::Result<std::unique_ptr<core::Cycle>> begin(
      Connection& connection,
      const core::ActorNames& actors,
      const core::Clock& clock,
      std::string kind,
      std::string scope);

  core::Status stage(std::vector<core::Observation> page) override;
  core::Result<std::vector<std::string>> unseen(std::string_view source,
                                                const std::vector<std::string>& types) override;
  core::Result<std::int64_t> known(std::string_view source,
                                   const std::vector<std::string>& types) override;
  core::Status stage_deletion(std::string_view key) override;
  core::Status stage_retirement(std::string_view key) override;
  core::Status stage_evidence(core::Evidence evidence) override;
  core::Status stage_forgotten(std::string_view evidence_key) override;
  core::Status stage_change(core::ChangeRecord change) override;
  core::Status stage_watermark(std::string_view source, core::Time position) override;
  [[nodiscard]] bool empty() const override;
  core::Result<core::CycleReport> commit(bool complete, const core::Judge& judge) override;

 private:
  SqliteCycle(Connection& connection,
              const core::ActorNames& actors,
              const core::Clock& clock,
              std::string kind,
              std::string scope);

  core::Result<std::int64_t> word(std::string_view text);
  core::Status stage_one(const core::Observation& observation);
  core::Status merge_staged(core::CycleChanges& changes);
  core::Status merge_deletions(core::CycleChanges& changes);
  core::Status forget_evidence(const std::string& key, core::CycleChanges& changes);
  core::Status merge_forgotten(core::CycleChanges& changes);
  core::Status remove_evidence(std::vector<core::EvidenceChange>& known,
                               core::CycleChanges& changes);
  core::Result<bool> is_of_deleted(std::string_view document_key);
  /// Takes what the transitions after a row changed into the counts of verdicts.
  core::Status count_verdicts(std::int64_t after_transition);
  core::Status count_resources(std::int64_t after_transition);
  core::Status merge_evidence(core::CycleChanges& changes);
  core::Status merge_change_records(core::CycleChanges& changes);
  core::Status merge_watermarks(core::CycleChanges& changes);
  core::Status close_version(std::int64_t resource, std::int64_t cycle);

  Connection* connection_;
  const core::ActorNames* actors_;
  const core::Clock* clock_;
  core::CycleRow row_;
  std::map<std::string, std::int64_t, std::less<>> words_;  // numbers that are known already
  // Rows rather than keys: eight bytes a resource.
  std::unordered_set<std::int64_t> seen_;

  struct Deletion {
    std::string key;
    bool retired = false;
  };

  std::vector<Deletion> deletions_;
  std::vector<std::string> forgotten_;
  std::vector<core::Evidence> evidence_;
  std::vector<core::ChangeRecord> change_records_;
  std::vector<std::pair<std::string, core::Time>> watermarks_;
  bool staged_ = false;  // whether any observation differed from the stored one
};

}  // namespace plumbline::storage
