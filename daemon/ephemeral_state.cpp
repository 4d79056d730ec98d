#include "daemon/ephemeral_state.hpp"

#include "compliance/judge.hpp"
#include "core/clock.hpp"
#include "core/digest.hpp"
#include "core/resource_id.hpp"
#include "storage/sqlite_store.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <map>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace plumbline::daemon {

using core::Errc;
using core::Error;
using core::Result;
using core::Status;

namespace {

constexpr std::size_t kPage = 1000;

/// Time stands still while the past is judged.
class FixedClock final : public core::Clock {
 public:
  explicit FixedClock(core::Time now) : now_(now) {}

  [[nodiscard]] core::Time now() const override { return now_; }

  [[nodiscard]] std::chrono::steady_clock::time_point steady_now() const override {
    return std::chrono::steady_clock::time_point(now_.time_since_epoch());
  }

 private:
  core::Time now_;
};

/// A directory that nobody else may enter.
class TemporaryDirectory {
 public:
  [[nodiscard]] static Result<TemporaryDirectory> make() {
    std::error_code error;
    const auto parent = std::filesystem::temp_directory_path(error);
    if (error) {
      return Error{Errc::kIo, fmt::format("no directory for temporary files: {}", error.message())};
    }
    std::string path = (parent / "plumbline.XXXXXX").string();
    if (::mkdtemp(path.data()) == nullptr) {
      return Error{
          Errc::kIo,
          fmt::format("{}: {}", path, std::error_code(errno, std::generic_category()).message())};
    }
    return TemporaryDirectory(std::move(path));
  }

  ~TemporaryDirectory() {
    if (!path_.empty()) {
      std::error_code ignored;
      std::filesystem::remove_all(path_, ignored);
    }
  }

  TemporaryDirectory(TemporaryDirectory&& other) noexcept : path_(std::exchange(other.path_, {})) {}

  TemporaryDirectory& operator=(TemporaryDirectory&& other) noexcept {
    std::swap(path_, other.path_);
    return *this;
  }

  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  [[nodiscard]] std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  explicit TemporaryDirectory(std::string path) : path_(std::move(path)) {}

  std::string path_;
};

class SqliteEphemeralState final : public EphemeralState {
 public:
  SqliteEphemeralState(TemporaryDirectory directory, core::Time at)
      : directory_(std::move(directory)), clock_(at) {}

  Status fill(core::Snapshot& from, std::int64_t cycle, const compliance::Baseline& baseline) {
    auto opened = storage::open_store(
        {.path = directory_.file("state.db"), .key_file = {}, .scratch = true}, clock_);
    if (!opened) {
      return opened.error();
    }
    store_ = std::move(opened->store);
    if (auto copied = copy_deleted(from); !copied) {
      return copied;
    }
    auto copy = store_->begin_cycle("baseline", "");
    if (!copy) {
      return copy.error();
    }
    if (auto copied = copy_resources(from, cycle, **copy); !copied) {
      return copied;
    }
    auto evidence = from.all_evidence();
    if (!evidence) {
      return evidence.error();
    }
    // What waits for Resource Manager in the one state does so in the other, and nobody asks it.
    const auto waiting = from.confirming();
    if (!waiting) {
      return waiting.error();
    }
    for (const auto& row : *waiting) {
      core::Evidence unasked;
      unasked.key = core::detail_evidence_key(core::confirmation_key(row.resource_key));
      unasked.observed_at = clock_.now();
      if (auto staged = (*copy)->stage_evidence(std::move(unasked)); !staged) {
        return staged;
      }
    }
    for (auto& item : *evidence) {
      sources_.erase(item.key);
      if (auto staged = (*copy)->stage_evidence(std::move(item)); !staged) {
        return staged;
      }
    }
    for (const auto& [source, observed_at] : sources_) {
      if (auto staged = (*copy)->stage_evidence({source, true, "", "", observed_at}); !staged) {
        return staged;
      }
    }
    auto report =
        (*copy)->commit(true, [&](core::JudgeView& view, const core::CycleChanges& changes) {
          return compliance::adopt_baseline(
              baseline, view, changes, compliance::Confirming::kAsItStood);
        });
    return report ? Status::ok() : Status(report.error());
  }

  Result<std::unique_ptr<core::Snapshot>> snapshot() override { return store_->snapshot(); }

 private:
  static Status nothing(core::JudgeView&, const core::CycleChanges&) { return Status::ok(); }

  /// What is known to be gone: it comes, and goes.
  Status copy_deleted(core::Snapshot& from) {
    const auto keys = from.deleted_since(core::Time());
    if (!keys) {
      return keys.error();
    }
    std::vector<core::Observation> gone;
    for (const auto& key : *keys) {
      const auto deleted = from.was_deleted(key);
      if (!deleted) {
        return deleted.error();
      }
      if (const auto id = core::parse_resource_id(key); id && *deleted) {
        core::Observation observation;
        observation.key = key;
        observation.id = key;
        observation.type = id->type;
        observation.body = "{}";
        observation.fingerprint = core::sha256(observation.body);
        gone.push_back(std::move(observation));
      }
    }
    for (const bool comes : {true, false}) {
      auto cycle = store_->begin_cycle("sweep", "");
      if (!cycle) {
        return cycle.error();
      }
      Status staged = comes ? (*cycle)->stage(gone) : Status::ok();
      for (const auto& observation : gone) {
        staged = comes || !staged ? staged : (*cycle)->stage_deletion(observation.key);
      }
      if (!staged) {
        return staged;
      }
      if (auto report = (*cycle)->commit(true, nothing); !report) {
        return report.error();
      }
    }
    return Status::ok();
  }

  Status copy_resources(core::Snapshot& from, std::int64_t cycle, core::Cycle& copy) {
    std::vector<core::Observation> page;
    Status staged = Status::ok();
    auto read = from.for_each_at(cycle, [&](core::Observation observation) {
      if (!staged) {
        return;
      }
      auto& seen = sources_[observation.source];
      seen = std::max(seen, observation.observed_at);
      page.push_back(std::move(observation));
      if (page.size() == kPage) {
        staged = copy.stage(std::exchange(page, {}));
      }
    });
    if (!read || !staged) {
      return !read ? read : staged;
    }
    return copy.stage(std::move(page));
  }

  TemporaryDirectory directory_;
  FixedClock clock_;
  std::map<std::string, core::Time> sources_;  // of what was copied
  std::unique_ptr<core::Store> store_;
};

}  // namespace

Result<std::unique_ptr<EphemeralState>> judge_copy(core::Snapshot& from,
                                                   std::int64_t cycle,
                                                   core::Time at,
                                                   const compliance::Baseline& baseline) {
  auto directory = TemporaryDirectory::make();
  if (!directory) {
    return directory.error();
  }
  auto state = std::make_unique<SqliteEphemeralState>(*std::move(directory), at);
  if (auto filled = state->fill(from, cycle, baseline); !filled) {
    return filled.error();
  }
  return std::unique_ptr<EphemeralState>(std::move(state));
}

}  // namespace plumbline::daemon
