#include "storage/verify.hpp"

#include "config/text_file.hpp"
#include "daemon/cli/options.hpp"
#include "daemon/cli/progress.hpp"
#include "storage/evidence.hpp"

#include <fmt/format.h>

#include <optional>

namespace plumbline::daemon {

namespace {

constexpr std::size_t kMaxKeyBytes = 64UL * 1024;

int verify_pack(const std::string& directory, const std::string& key_file) {
  std::string key;
  if (!key_file.empty()) {
    auto read = config::read_text_file(key_file, kMaxKeyBytes);
    if (!read) {
      fmt::print(stderr, "plumbline: {}\n", read.error().message);
      return kExitError;
    }
    key = *std::move(read);
  }
  auto progress = std::make_optional<Progress>("checking " + directory, false);
  const auto pack = storage::verify_evidence(directory, key);
  progress.reset();
  if (!pack) {
    fmt::print(stderr, "plumbline: {}\n", pack.error().message);
    return kExitError;
  }
  for (const auto& problem : pack->problems) {
    fmt::print("{}\n", problem);
  }
  const bool sound = pack->problems.empty();
  fmt::print(
      "{}: {}: cycles {} to {}; {} versions ({} begun before), {} "
      "transitions, {} verdicts ({} older)\nlast link {}\n",
      directory,
      sound ? "ok" : "NOT SOUND",
      pack->first_cycle,
      pack->last_cycle,
      pack->versions,
      pack->older_versions,
      pack->transitions,
      pack->verdicts,
      pack->older_verdicts,
      pack->last_link);
  fmt::print("{} {}\n",
             key.empty() ? "checked with the key that came with the pack: compare"
                         : "checked with the key",
             pack->key);
  return sound ? kExitOk : kExitNonCompliant;
}

}  // namespace

int run_verify(const CommonOptions& options,
               const std::string& file,
               bool full,
               const std::string& key) {
  if (!file.empty() && storage::is_evidence(file)) {
    return verify_pack(file, key);
  }
  std::string path = file;
  if (path.empty()) {
    const auto settings = load_settings_with(options);
    if (!settings) {
      fmt::print(stderr, "{}\n", settings.error().message);
      return kExitError;
    }
    path = settings->storage_path;
  }
  auto progress = std::make_optional<Progress>("checking " + path, false);
  const auto report = storage::verify_store(path, full, [] { return false; });
  progress.reset();
  if (!report) {
    fmt::print(stderr, "plumbline: {}\n", report.error().message);
    return kExitError;
  }
  for (const auto& problem : report->problems) {
    fmt::print("{}\n", problem);
  }
  fmt::print("{}: {}: {} cycles fit their chain",
             path,
             report->sound() ? "ok" : "NOT SOUND",
             report->cycles_checked);
  if (report->cycles_not_chained > 0) {
    fmt::print(", {} are older than the chain", report->cycles_not_chained);
  }
  if (report->cycles_beyond_horizon > 0) {
    fmt::print(", {} lie before the retention's horizon", report->cycles_beyond_horizon);
  }
  fmt::print(
      "; {} versions, {} verdicts checked\n", report->bodies_checked, report->verdicts_checked);
  return report->sound() ? kExitOk : kExitNonCompliant;
}

}  // namespace plumbline::daemon
