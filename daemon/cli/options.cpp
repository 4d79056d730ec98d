#include "daemon/cli/options.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <cstdio>
#include <exception>
#include <iostream>
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
  settings->external_url = options.external_url;
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
  app.footer(std::string("Example: plumbline check-config --config.file=plumbline.yaml\n") +
             "Example: plumbline drift --help\n" + kExitCodes);
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
  const std::map<std::string, Format> reports = {{"table", Format::kTable},
                                                 {"json", Format::kJson},
                                                 {"csv", Format::kCsv},
                                                 {"html", Format::kHtml}};
  once->add_option("--format", common.format, "table, json, csv or html")
      ->transform(CLI::CheckedTransformer(reports).description("{table,json,csv,html}"))
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
  bool online = false;
  check->add_flag("--online", online, "Then ask Azure, as `doctor --online` does");
  check->footer(
      "Exit codes: 0 usable, 1 Azure cannot be asked as it must be, 2 not usable.\n"
      "Example: plumbline check-config --config.file=plumbline.yaml --online");
  check->callback([&] { code = run_check_config(common, online); });

  auto* doctor = app.add_subcommand(
      "doctor", "Look for what keeps the daemon from starting or from getting whole answers");
  add_config(*doctor, common);
  add_web_config(*doctor, common);
  doctor->add_flag(
      "--online", online, "Ask Azure too: reachability, TLS, clock, identity, permissions");
  const std::map<std::string, Format> listings = {{"table", Format::kTable},
                                                  {"json", Format::kJson}};
  doctor->add_option("--format", common.format, "table or json")
      ->transform(CLI::CheckedTransformer(listings).description("{table,json}"))
      ->default_str("table");
  doctor->footer(
      "It changes nothing. Ask as root where the data are the daemon's alone.\n"
      "Exit codes: 0 nothing is wrong (WARN is no failure), 1 something is.\n"
      "Example: sudo plumbline doctor --online");
  doctor->callback([&] { code = run_doctor(common, online); });

  auto* plan = app.add_subcommand(
      "plan", "Tell what a first pass will fetch, how long it takes, and what may not be read");
  add_config(*plan, common);
  plan->add_option("--format", common.format, "table or json")
      ->transform(CLI::CheckedTransformer(listings).description("{table,json}"))
      ->default_str("table");
  plan->footer(
      "It asks Azure for counts and for what may be read, and writes nothing.\n"
      "Exit codes: 0 everything may be read, 1 permissions are missing, 2 it cannot be told.\n"
      "Example: plumbline plan --config.file=plumbline.yaml --format=json");
  plan->callback([&] { code = run_plan(common); });

  auto* health =
      app.add_subcommand("healthcheck", "Ask a running daemon whether it is healthy and ready");
  add_config(*health, common);
  health->add_option("--web.listen-address",
                     common.listen_address,
                     "address:port it serves on (default: the file's)");
  add_web_config(*health, common);
  health->footer(
      "Exit codes: 0 healthy and ready, 1 not, 2 it cannot be asked.\n"
      "Example: plumbline healthcheck --web.listen-address=127.0.0.1:9837");
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
  restore->footer(
      "What was there is kept beside it, under another name.\n"
      "Example: plumbline restore --config.file=plumbline.yaml /mnt/copies/today.db");
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
  verify->footer(
      "Exit codes: 0 sound, 1 not what was committed, 2 cannot be read.\n"
      "Example: plumbline verify --full\n"
      "Example: plumbline verify --key auditor.pub november-pack");
  verify->callback([&] { code = run_verify(common, backup_file, full, extract.key); });

  HistoryOptions past;
  auto* history = app.add_subcommand(
      "history", "Show the versions of a resource, what changed, its transitions and drift");
  add_config(*history, common);
  history->add_option("resource", past.resource, "Resource id")->required()->type_name("RESOURCE");
  history->add_option("--at", past.at, "As it was at an instant (RFC 3339)");
  history->add_option("--format", common.format, "table or json")
      ->transform(CLI::CheckedTransformer(listings).description("{table,json}"))
      ->default_str("table");
  history->footer(
      "Example: plumbline history /subscriptions/ID/resourceGroups/rg-web/providers/"
      "Microsoft.Insights/components/web --at 2026-11-22T10:00:00Z");
  history->callback([&] { code = run_history(common, past); });

  auto* drift = app.add_subcommand(
      "drift", "Show what moved away from what was agreed, and accept what should stay");
  drift->require_subcommand(1);
  drift->footer("Example: plumbline drift list --severity high");
  const auto add_choice = [](CLI::App& command, DriftChoice& choice) {
    command.add_option("--kind", choice.kind, "baseline or configuration")
        ->check(CLI::IsMember({"baseline", "configuration"}));
    command.add_option("--scope", choice.scope, "Subscription, group or resource; / for all")
        ->type_name("ID");
    command.add_option("--type", choice.type, "Resource type")->type_name("TYPE");
    command.add_option("--assignment", choice.assignment, "Name of an assignment")
        ->type_name("NAME");
    command.add_option("--reference", choice.reference, "policyDefinitionReferenceId of a check")
        ->type_name("NAME");
  };
  DriftListOptions drifted;
  auto* drift_list = drift->add_subcommand("list", "List drift, the latest first");
  add_config(*drift_list, common);
  add_choice(*drift_list, drifted.choice);
  drift_list->add_option(
      "--state", drifted.state, "open, accepted, snoozed, resolved, or all (default: open)");
  drift_list->add_option("--severity", drifted.severity, "low, medium, high or critical")
      ->check(CLI::IsMember({"low", "medium", "high", "critical"}));
  drift_list->add_option("--subscription", drifted.subscription, "Id of a subscription")
      ->type_name("ID");
  drift_list->add_option("--control", drifted.control, "What concerns checks of a control")
      ->type_name("NAME");
  drift_list->add_option("--actor", drifted.actor, "Who changed it, where that is certain")
      ->type_name("NAME");
  drift_list->add_option("--owner", drifted.owner, "Whose it is, by drift.owner_tags")
      ->type_name("NAME");
  drift_list->add_option("--format", common.format, "table, json or csv")
      ->transform(CLI::CheckedTransformer(formats).description("{table,json,csv}"))
      ->default_str("table");
  drift_list->footer(
      "Example: plumbline drift list --state all --control LT-4 --format csv > drift.csv");
  drift_list->callback([&] { code = run_drift_list(common, drifted); });

  DriftAcceptOptions acceptance;
  auto* accept = drift->add_subcommand(
      "accept", "Agree to drift: as it is now, or, with --standing, whatever comes there");
  add_config(*accept, common);
  add_choice(*accept, acceptance.choice);
  accept->add_option("ids", acceptance.ids, "Drift items, as `drift list` numbers them")
      ->type_name("ID");
  accept->add_option("--path", acceptance.path, "JSON pointer of a property, and what lies below")
      ->type_name("POINTER");
  accept->add_option("--reason", acceptance.reason, "Why it is agreed to")
      ->required()
      ->type_name("TEXT");
  accept->add_option("--author", acceptance.author, "Who agrees (default: the user's name)")
      ->type_name("TEXT");
  accept->add_option("--expires-on", acceptance.expires_on, "When it opens again (RFC 3339)")
      ->type_name("INSTANT");
  accept->add_flag("--snooze", acceptance.snooze, "Only put it off, until --expires-on");
  accept->add_flag("--standing", acceptance.standing, "Also what drifts there later");
  accept->footer(
      "Speaks with the running daemon over its local socket (drift.socket).\n"
      "Example: plumbline drift accept 12 --reason \"CHG-4711\" --expires-on 2027-01-31T00:00:00Z");
  accept->callback([&] { code = run_drift_accept(common, acceptance); });

  std::int64_t withdrawn = 0;
  auto* withdraw =
      drift->add_subcommand("withdraw", "End an acceptance: what it covers opens again");
  add_config(*withdraw, common);
  withdraw->add_option("acceptance", withdrawn, "Its number")->required()->type_name("ID");
  withdraw->footer(
      "Speaks with the running daemon over its local socket (drift.socket).\n"
      "Example: plumbline drift withdraw 3");
  withdraw->callback([&] { code = run_drift_withdraw(common, withdrawn); });

  DriftDiffOptions difference;
  auto* drift_diff =
      drift->add_subcommand("diff", "What differs in the configuration of two instants (RFC 6902)");
  add_config(*drift_diff, common);
  drift_diff->add_option("from", difference.from, "RFC 3339")->required()->type_name("INSTANT");
  drift_diff->add_option("to", difference.to, "RFC 3339")->required()->type_name("INSTANT");
  drift_diff->add_option("--scope", difference.scope, "Subscription, group or resource")
      ->type_name("ID");
  drift_diff->add_option("--format", common.format, "table or json")
      ->transform(CLI::CheckedTransformer(listings).description("{table,json}"))
      ->default_str("table");
  drift_diff->footer("Example: plumbline drift diff 2026-11-21T00:00:00Z 2026-11-22T00:00:00Z");
  drift_diff->callback([&] { code = run_drift_diff(common, difference); });

  auto* drift_export = drift->add_subcommand(
      "export", "Write the standing acceptances as a file for drift.acceptances");
  add_config(*drift_export, common);
  drift_export->footer("Example: plumbline drift export > acceptances.yaml");
  drift_export->callback([&] { code = run_drift_export(common); });
  std::string acceptances_file;
  auto* drift_import =
      drift->add_subcommand("import", "Accept what such a file says, as standing acceptances");
  add_config(*drift_import, common);
  drift_import->add_option("file", acceptances_file, "The file")->required()->type_name("FILE");
  drift_import->footer(
      "Speaks with the running daemon over its local socket (drift.socket).\n"
      "Example: plumbline drift import acceptances.yaml");
  drift_import->callback([&] { code = run_drift_import(common, acceptances_file); });

  PastOptions instant;
  auto* report = app.add_subcommand(
      "report", "Show what the store holds, now or at an instant, or what would be otherwise");
  add_config(*report, common);
  report->add_option("--at", instant.at, "As it was at an instant (RFC 3339)")
      ->type_name("INSTANT");
  report
      ->add_option("--baseline",
                   instant.baseline,
                   "Judge a copy by the initiative in this directory; show what would differ")
      ->type_name("PATH");
  report->add_option("--assignment", instant.assignment, "Whose initiative --baseline replaces")
      ->type_name("NAME");
  report
      ->add_option("--exemptions", instant.exemptions, "The same with the exemptions of this file")
      ->type_name("PATH");
  report
      ->add_option("--format", common.format, "table, json, csv (not of --at alone) or html (now)")
      ->transform(CLI::CheckedTransformer(reports).description("{table,json,csv,html}"))
      ->default_str("table");
  report->footer(
      "It asks nobody and writes nothing into the store, also beside a running daemon.\n"
      "Exit codes: 0 shown, 2 error.\n"
      "Example: plumbline report --format html > report.html\n"
      "Example: plumbline report --baseline /usr/share/plumbline/baselines/azure-monitor");
  report->callback([&] { code = run_report(common, instant); });

  EvaluateOptions evaluation;
  auto* evaluate = app.add_subcommand(
      "evaluate", "Judge resources of a file, without Azure, a daemon or a database");
  add_config(*evaluate, common);
  evaluate
      ->add_option("--baseline",
                   evaluation.baseline,
                   "Directory of an initiative; alone, no configuration is read")
      ->type_name("PATH");
  evaluate->add_option("--assignment", evaluation.assignment, "Only this assignment")
      ->type_name("NAME");
  evaluate->add_option("--exemptions", evaluation.exemptions, "File of exemptions")
      ->type_name("PATH");
  const std::map<std::string, EvaluateFormat> evaluate_formats = {
      {"text", EvaluateFormat::kText},
      {"json", EvaluateFormat::kJson},
      {"csv", EvaluateFormat::kCsv},
      {"sarif", EvaluateFormat::kSarif},
      {"junit", EvaluateFormat::kJunit}};
  evaluate->add_option("--format", evaluation.format, "text, json (lines), csv, sarif or junit")
      ->transform(
          CLI::CheckedTransformer(evaluate_formats).description("{text,json,csv,sarif,junit}"))
      ->default_str("text");
  evaluate
      ->add_option("--fail-on",
                   evaluation.fail_on,
                   "Least severity of a finding that fails: low, medium, high, critical or none")
      ->check(CLI::IsMember({"low", "medium", "high", "critical", "none"}))
      ->capture_default_str();
  evaluate->add_flag(
      "--complete", evaluation.complete, "The input is all there is: what it lacks is not there");
  evaluate->add_flag(
      "--keep-going", evaluation.keep_going, "Leave out what is no resource, and say so");
  evaluate->add_option("file", evaluation.file, "Resources as JSON lines, an array or an ARM list")
      ->type_name("FILE")
      ->default_str("-");
  evaluate->footer(
      "Exit codes: 0 nothing to fail for, 1 a finding of at least --fail-on, 2 error,\n"
      "3 with --complete: nothing to fail for, but evidence is missing.\n"
      "Example: plumbline evaluate --baseline baselines/azure-monitor --format sarif x.jsonl");
  evaluate->callback([&, evaluate] {
    evaluation.has_config = evaluate->count("--config.file") > 0;
    code = run_evaluate(common, evaluation);
  });

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
      "Example: plumbline export --what transitions --from 2026-11-01T00:00:00Z > november.jsonl\n"
      "Example: plumbline export --evidence november-pack --key auditor.pem");
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
  policy->footer("Example: plumbline policy lint baselines/azure-monitor");
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
  version->footer("Example: plumbline version");
  version->callback([] { fmt::print("plumbline {}\n", PLUMBLINE_VERSION); });

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    // The library's codes are its own; ours are documented.
    code = app.exit(error) == 0 ? kExitOk : kExitError;
  } catch (const std::exception& error) {
    // A full disk shows here where much is printed, and below where little is.
    if (std::ferror(stdout) == 0) {
      fmt::print(stderr, "plumbline: internal error: {}\n", error.what());
      return kExitError;
    }
  }
  std::cout.flush();
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0 || !std::cout) {
    fmt::print(stderr, "plumbline: standard output cannot be written\n");
    return kExitError;
  }
  return code;
}

}  // namespace plumbline::daemon
