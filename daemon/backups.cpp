#include "daemon/backups.hpp"

#include "core/metrics.hpp"
#include "daemon/hook.hpp"
#include "storage/backup.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

namespace plumbline::daemon {

namespace metrics = core::metrics;

using core::Status;

namespace {

// The wall clock decides, and it may be set: look again now and then.
constexpr std::chrono::minutes kLongestWait{1};
constexpr std::chrono::minutes kRetry{10};

double seconds(core::Time time) {
  return static_cast<double>(core::to_micros(time)) / 1e6;
}

}  // namespace

Backups::Backups(config::Backup options,
                 std::string store,
                 const core::Clock& clock,
                 core::Log& log,
                 prometheus::Registry& registry,
                 std::chrono::milliseconds hook_patience)
    : options_(std::move(options)),
      store_(std::move(store)),
      clock_(&clock),
      log_(&log),
      hook_patience_(hook_patience),
      last_success_(&core::register_in(registry,
                                       prometheus::BuildGauge(),
                                       metrics::kBackupLastSuccessTimestampSeconds)
                         .Add({})),
      failures_(
          &core::register_in(registry, prometheus::BuildCounter(), metrics::kBackupFailuresTotal)) {
  core::register_in(registry, prometheus::BuildGauge(), metrics::kBackupIntervalSeconds)
      .Add({})
      .Set(static_cast<double>(options_.interval.count()));
  for (const char* stage : {"copy", "rotation", "after"}) {
    failures_->Add({{"stage", stage}});
  }
  const auto backups = storage::list_backups(options_.directory);
  if (backups && !backups->empty()) {
    last_ = backups->front().taken_at;
    last_success_->Set(seconds(*last_));
  }
}

core::Time Backups::due(std::optional<core::Time> last,
                        core::Time now,
                        std::chrono::seconds interval) {
  return last && *last <= now ? *last + interval : now;
}

void Backups::start() {
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

void Backups::run(const std::stop_token& stop) {
  auto next = due(last_, clock_->now(), options_.interval);
  while (!stop.stop_requested()) {
    const auto now = clock_->now();
    if (now < next) {
      std::unique_lock lock(mutex_);
      wake_.wait_for(
          lock, stop, std::min<core::Microseconds>(next - now, kLongestWait), [] { return false; });
      continue;
    }
    const auto done = take([&] { return stop.stop_requested(); });
    next = done ? due(last_, clock_->now(), options_.interval)
                : clock_->now() + std::min<std::chrono::seconds>(options_.interval, kRetry);
  }
}

Status Backups::take(const std::function<bool()>& stopped) {
  const auto began = clock_->steady_now();
  const auto at = clock_->now();
  const auto path = (std::filesystem::path(options_.directory) / storage::backup_name(at)).string();
  if (auto done = storage::back_up(store_, path, stopped); !done) {
    if (done.error().code != core::Errc::kCancelled) {
      failures_->Add({{"stage", "copy"}}).Increment();
      log_->error("backup_failed",
                  {{core::log_field::kReason, std::string(core::to_string(done.error().code))},
                   {core::log_field::kError, done.error().message}});
    }
    return done;
  }
  last_ = at;
  last_success_->Set(seconds(at));
  std::error_code ignored;
  const auto size = std::filesystem::file_size(path, ignored);
  const auto took =
      std::chrono::duration_cast<std::chrono::milliseconds>(clock_->steady_now() - began);
  log_->info("backup_written",
             {{core::log_field::kPath, path},
              {core::log_field::kBytes, fmt::format("{}", size)},
              {core::log_field::kDurationMs, fmt::format("{}", took.count())}});
  if (auto rotated =
          storage::rotate_backups(options_.directory, static_cast<std::size_t>(options_.keep));
      !rotated) {
    failures_->Add({{"stage", "rotation"}}).Increment();
    log_->error("backup_rotation_failed",
                {{core::log_field::kReason, std::string(core::to_string(rotated.error().code))},
                 {core::log_field::kError, rotated.error().message}});
  }
  if (!options_.after.empty()) {
    if (auto ran = run_hook(options_.after, path, hook_patience_, stopped); !ran) {
      failures_->Add({{"stage", "after"}}).Increment();
      log_->error("backup_hook_failed",
                  {{core::log_field::kReason, std::string(core::to_string(ran.error().code))},
                   {core::log_field::kError, ran.error().message}});
    }
  }
  return Status::ok();
}

}  // namespace plumbline::daemon
