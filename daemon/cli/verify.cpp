#include "storage/verify.hpp"

#include "daemon/cli/options.hpp"
#include "daemon/cli/progress.hpp"

#include <fmt/format.h>

#include <optional>

namespace plumbline::daemon {

int run_verify(const CommonOptions& options, const std::string& file, bool full) {
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
