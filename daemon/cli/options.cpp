#include "daemon/cli/options.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <exception>
#include <map>

namespace plumbline::daemon {

namespace {

constexpr const char* kDescription =
    "Watches how Azure Monitor is configured and tells whether it still is what your baseline "
    "says.\n";

constexpr const char* kExitCodes =
    "Exit codes: 0 compliant or done, 1 non-compliant (policy commands: rejected or failed),\n"
    "2 error, 3 incomplete evidence.";

void add_config(CLI::App& command, CommonOptions& options) {
  command.add_option("--config.file", options.config_file, "Configuration file")
      ->capture_default_str()
      ->type_name("PATH");
}

void add_web_config(CLI::App& command, CommonOptions& options) {
  command
      .add_option("--web.config.file",
                  options.web_config_file,
                  "TLS, users and headers of the web side (default: the file's)")
      ->type_name("PATH");
}

void add_logging(CLI::App& command, CommonOptions& options) {
  command
      .add_option(
          "--log.level", options.log_level, "debug, info, warn or error (default: the file's)")
      ->check(CLI::IsMember({"debug", "info", "warn", "error"}));
  command.add_option("--log.format", options.log_format, "logfmt or json (default: the file's)")
      ->check(CLI::IsMember({"logfmt", "json"}));
}

}  // namespace

core::Result<config::Settings> load_settings_with(const CommonOptions& options) {
  auto settings = config::load_settings(options.config_file);
  if (!settings) {
    return settings;
  }
  if (!options.listen_address.empty()) {
    auto address = config::parse_listen_address(options.listen_address);
    if (!address) {
      return address.error().with_context("--web.listen-address");
    }
    settings->listen_address = address->address;
    settings->listen_port = address->port;
  }
  if (!options.web_config_file.empty()) {
    settings->web_config_file = options.web_config_file;
  }
  if (!options.log_level.empty()) {
    settings->log_level = options.log_level;
  }
  if (!options.log_format.empty()) {
    settings->log_format = options.log_format;
  }
  return settings;
}

int run_command_line(int argc, char** argv) {
  CLI::App app(kDescription, "plumbline");
  app.footer(kExitCodes);
  app.require_subcommand(1);
  app.set_help_all_flag("--help-all", "Help of every command");
  CommonOptions common;
  PolicyTestOptions test;
  PolicyExplainOptions explanation;
  std::vector<std::string> lint_files;
  int code = kExitOk;

  auto* serve = app.add_subcommand(
      "serve", "Run the daemon: poll Azure, keep history, serve metrics, API and page");
  add_config(*serve, common);
  add_logging(*serve, common);
  serve->add_option("--web.listen-address",
                    common.listen_address,
                    "address:port to serve on (default: the file's)");
  add_web_config(*serve, common);
  serve
      ->add_option("--web.external-url",
                   common.external_url,
                   "URL under which a proxy on this machine shows the page")
      ->type_name("URL");
  serve->add_flag("--web.allow-anonymous",
                  common.allow_anonymous,
                  "Serve API and page without authentication on a non-loopback address too");
  serve->footer(
      "Example: plumbline serve --config.file=/etc/plumbline/plumbline.yaml --log.format=json");
  serve->callback([&] { code = run_serve(common); });

  auto* once = app.add_subcommand(
      "once", "One full pass, a report, and an exit code that tells the outcome");
  add_config(*once, common);
  add_logging(*once, common);
  const std::map<std::string, Format> formats = {
      {"table", Format::kTable}, {"json", Format::kJson}, {"csv", Format::kCsv}};
  once->add_option("--format", common.format, "table, json or csv")
      ->transform(CLI::CheckedTransformer(formats).description("{table,json,csv}"))
      ->default_str("table");
  once->footer(
      std::string(
          "Example: plumbline once --config.file=plumbline.yaml --format csv > findings.csv\n") +
      kExitCodes);
  once->callback([&] { code = run_once(common); });

  auto* check = app.add_subcommand("check-config",
                                   "Check the configuration and everything it names; ask nobody");
  add_config(*check, common);
  add_web_config(*check, common);
  check->callback([&] { code = run_check_config(common); });

  auto* health =
      app.add_subcommand("healthcheck", "Ask a running daemon whether it is healthy and ready");
  add_config(*health, common);
  health->add_option("--web.listen-address",
                     common.listen_address,
                     "address:port it serves on (default: the file's)");
  add_web_config(*health, common);
  health->callback([&] { code = run_healthcheck(common); });

  std::string backup_file;
  auto* backup = app.add_subcommand(
      "backup", "Write a checked copy of the database, also beside a running daemon");
  add_config(*backup, common);
  backup->add_option("file", backup_file, "Where to (default: into storage.backup.directory)")
      ->type_name("FILE");
  backup->footer(
      "The key of the fingerprints is not in it: keep a copy of that somewhere else.\n"
      "Example: plumbline backup --config.file=plumbline.yaml /mnt/copies/today.db");
  backup->callback([&] { code = run_backup(common, backup_file); });

  auto* restore = app.add_subcommand(
      "restore", "Put a copy in the place of the database; refuses while a daemon runs");
  add_config(*restore, common);
  restore->add_option("file", backup_file, "The copy")->required()->type_name("FILE");
  restore->callback([&] { code = run_restore(common, backup_file); });

  bool full = false;
  ExportOptions extract;
  auto* verify = app.add_subcommand(
      "verify", "Check that the database is what was committed: chain, checksums, verdicts");
  add_config(*verify, common);
  verify->add_flag("--full", full, "Also check every index and reference");
  verify
      ->add_option("file",
                   backup_file,
                   "A copy, or an audit pack, to check (default: the configured database)")
      ->type_name("FILE");
  verify->add_option("--key", extract.key, "Public key that must have signed an audit pack (PEM)")
      ->type_name("PATH");
  verify->footer("Exit codes: 0 sound, 1 not what was committed, 2 cannot be read.");
  verify->callback([&] { code = run_verify(common, backup_file, full, extract.key); });

  HistoryOptions past;
  auto* history = app.add_subcommand(
      "history", "Show the versions of a resource, what changed, its transitions and drift");
  add_config(*history, common);
  history->add_option("resource", past.resource, "Resource id")->required()->type_name("RESOURCE");
  history->add_option("--at", past.at, "As it was at an instant (RFC 3339)");
  const std::map<std::string, Format> listings = {{"table", Format::kTable},
                                                  {"json", Format::kJson}};
  history->add_option("--format", common.format, "table or json")
      ->transform(CLI::CheckedTransformer(listings).description("{table,json}"))
      ->default_str("table");
  history->callback([&] { code = run_history(common, past); });

  PastOptions instant;
  auto* report = app.add_subcommand("report", "Show score and states as they were at an instant");
  add_config(*report, common);
  report->add_option("--at", instant.at, "The instant (RFC 3339)")->required();
  report->add_option("--format", common.format, "table or json")
      ->transform(CLI::CheckedTransformer(listings).description("{table,json}"))
      ->default_str("table");
  report->callback([&] { code = run_report(common, instant); });

  auto* exported = app.add_subcommand("export", "Write rows of the database as JSON lines or CSV");
  add_config(*exported, common);
  const std::map<std::string, core::ExportOf> kinds = {
      {"resources", core::ExportOf::kResources},
      {"versions", core::ExportOf::kVersions},
      {"verdicts", core::ExportOf::kVerdicts},
      {"transitions", core::ExportOf::kTransitions},
      {"drift", core::ExportOf::kDrift}};
  auto* what =
      exported
          ->add_option(
              "--what", extract.what, "resources, versions, verdicts, transitions or drift")
          ->transform(CLI::CheckedTransformer(kinds).description(
              "{resources,versions,verdicts,transitions,drift}"));
  exported->add_option("--from", extract.from, "First instant (RFC 3339; default: all)");
  exported->add_option("--to", extract.to, "First instant that is left out");
  const std::map<std::string, bool> shapes = {{"jsonl", false}, {"csv", true}};
  exported->add_option("--format", extract.csv, "jsonl or csv")
      ->transform(CLI::CheckedTransformer(shapes).description("{jsonl,csv}"))
      ->default_str("jsonl");
  exported->footer(
      "Example: plumbline export --what transitions --from 2026-11-01 > november.jsonl");
  auto* evidence =
      exported
          ->add_option(
              "--evidence", extract.evidence, "Write a signed audit pack into a new directory")
          ->type_name("PATH")
          ->excludes(what);
  exported->add_option("--key", extract.key, "Ed25519 key that signs it (PEM)")->type_name("PATH");
  exported->add_option("--scope", extract.scope, "Only what lies under this id (audit pack)")
      ->type_name("ID");
  exported->callback([&, what, evidence] {
    if (what->count() + evidence->count() == 0) {
      throw CLI::RequiredError("--what or --evidence");
    }
    code = run_export(common, extract);
  });

  auto* policy = app.add_subcommand("policy", "Work with Azure Policy definitions offline");
  policy->require_subcommand(1);
  auto* lint = policy->add_subcommand(
      "lint", "Parse and compile definitions and initiatives, and say what is wrong");
  lint->add_option("files", lint_files, "Definitions: .json, .jsonl, or directories")
      ->required()
      ->type_name("PATH");
  lint->footer("Example: plumbline policy lint baselines/azure-monitor/definitions");
  lint->callback([&] { code = run_policy_lint(lint_files); });
  auto* replay = policy->add_subcommand(
      "test", "Replay cases: a definition, a resource and the verdict it must get");
  replay->add_option("files", test.files, "Case files (.jsonl) or directories of them")
      ->required()
      ->type_name("PATH");
  replay->add_option(
      "--aliases", test.aliases, "Alias catalogue file or directory for cases that name one");
  replay->add_option("--class", test.classes, "Only cases of this class");
  replay->add_option("--exclude-class", test.exclude_classes, "No cases of this class");
  replay->add_option("--filter", test.filter, "Only cases whose id contains this text");
  replay->add_option(
      "--divergences", test.divergences, "File of cases known to differ, with the reason");
  replay->add_flag("--verbose", test.verbose, "Print every case");
  replay->footer("Example: plumbline policy test baselines/azure-monitor/cases");
  replay->callback([&] { code = run_policy_test(test); });

  auto* explain = policy->add_subcommand(
      "explain", "Evaluate one definition on one resource and show what decided");
  explain->add_option("--definition", explanation.definition, "Definition (.json)")
      ->required()
      ->type_name("PATH");
  explain->add_option("--resource", explanation.resource, "Resource as ARM returns it (.json)")
      ->required()
      ->type_name("PATH");
  explain
      ->add_option(
          "--parameters", explanation.parameters, "Parameter values (.json; default: none)")
      ->type_name("PATH");
  explain
      ->add_option("--related",
                   explanation.related,
                   "Array of every other resource that an existence rule may find (.json)")
      ->type_name("PATH");
  explain->add_option("--at", explanation.at, "The instant of utcNow() (RFC 3339; default: now)");
  const std::map<std::string, Format> trees = {{"text", Format::kTable}, {"json", Format::kJson}};
  explain->add_option("--format", explanation.format, "text or json")
      ->transform(CLI::CheckedTransformer(trees).description("{text,json}"))
      ->default_str("text");
  explain->footer(
      "Each line is one condition: its truth, what it is, where it looked, what it saw;\n"
      "`<--` marks what decided. Exit codes: 0 compliant or not applicable, 1 non-compliant,\n"
      "2 error, 3 no evidence.\n"
      "Example: plumbline policy explain --definition check.json --resource workspace.json");
  explain->callback([&] { code = run_policy_explain(explanation); });

  auto* version = app.add_subcommand("version", "Print the version");
  version->callback([] { fmt::print("plumbline {}\n", PLUMBLINE_VERSION); });

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    // The library's codes are its own; ours are documented.
    return app.exit(error) == 0 ? kExitOk : kExitError;
  } catch (const std::exception& error) {
    fmt::print(stderr, "plumbline: internal error: {}\n", error.what());
    return kExitError;
  }
  return code;
}

}  // namespace plumbline::daemon
