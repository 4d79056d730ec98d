#include "daemon/cli/options.hpp"
#include "daemon/cli/progress.hpp"
#include "daemon/cli/report.hpp"
#include "daemon/logging.hpp"

#include <fmt/format.h>

#include <memory>
#include <optional>

namespace plumbline::daemon {

namespace {

net::Task<void> run_pass(App* app, std::shared_ptr<collectors::PassReport> out) {
  *out = co_await app->pass();
}

}  // namespace

int run_once(const CommonOptions& options) {
  auto settings = load_settings_with(options);
  if (!settings) {
    fmt::print(stderr, "{}\n", settings.error().message);
    return kExitError;
  }
  auto app =
      App::build(*settings,
                 make_log(parse_log_level(settings->log_level),
                          settings->log_format == "json" ? LogFormat::kJson : LogFormat::kLogfmt));
  if (!app) {
    fmt::print(stderr, "plumbline: {}\n", app.error().message);
    return kExitError;
  }
  auto pass = std::make_shared<collectors::PassReport>();
  const auto how_far = [daemon = app->get()] {
    const auto summary = daemon->published()->summary;
    return summary->last_cycle
               ? fmt::format(
                     "{} resources, {} cycles", summary->resources(), summary->last_cycle->number)
               : std::string();
  };
  auto progress = std::make_optional<Progress>("asking Azure", false, how_far);
  net::run_blocking((*app)->io(), run_pass(app->get(), pass));
  progress.reset();
  auto snapshot = (*app)->store().snapshot();
  if (!snapshot) {
    fmt::print(stderr, "plumbline: {}\n", snapshot.error().message);
    return kExitError;
  }
  const auto summary = (*app)->published()->summary;
  auto report = render_report(*summary, **snapshot, (*app)->clock().now(), options.format);
  if (!report) {
    fmt::print(stderr, "plumbline: {}\n", report.error().message);
    return kExitError;
  }
  fmt::print("{}", *report);
  if (options.format == Format::kTable) {
    fmt::print(
        "\nThis pass observed {} resources and wrote {} versions, {} deletions and {} transitions "
        "in {} cycles.\n",
        pass->observed,
        pass->versions,
        pass->deleted,
        pass->transitions,
        pass->cycles);
  }
  if (!pass->first_error.empty()) {
    fmt::print(stderr, "plumbline: {}\n", pass->first_error);
  }
  return exit_code_of(*summary, *pass);
}

}  // namespace plumbline::daemon
