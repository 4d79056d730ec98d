// The command line: one binary, subcommands, Prometheus-style flags.
#pragma once

#include "compliance/baseline.hpp"
#include "config/settings.hpp"
#include "core/ports/snapshot.hpp"
#include "core/result.hpp"

#include <string>
#include <vector>

namespace plumbline::daemon {

/// Exit codes of every command.
inline constexpr int kExitOk = 0;
inline constexpr int kExitNonCompliant = 1;  // policy commands: something was rejected or failed
inline constexpr int kExitError = 2;
inline constexpr int kExitIncomplete = 3;

enum class Format { kTable, kJson, kCsv, kHtml };

/// Flags that more than one command takes; empty: not given.
struct CommonOptions {
  std::string config_file = "/etc/plumbline/plumbline.yaml";
  std::string listen_address;
  std::string web_config_file;
  std::string external_url;
  std::string log_level;
  std::string log_format;
  bool allow_anonymous = false;
  Format format = Format::kTable;
};

struct PolicyTestOptions {
  std::vector<std::string> files;
  std::vector<std::string> aliases;
  std::vector<std::string> classes;
  std::vector<std::string> exclude_classes;
  std::string filter;
  std::string divergences;
  bool verbose = false;
};

struct PolicyExplainOptions {
  std::string definition;
  std::string resource;
  std::string parameters;  // a file; empty: the definition's defaults
  std::string related;     // a file; empty: nothing is known of other resources
  std::string at;          // RFC 3339; empty: now
  Format format = Format::kTable;
};

struct HistoryOptions {
  std::string resource;
  std::string at;  // RFC 3339; empty: all of it
};

/// What of drift is meant; empty members choose nothing in particular.
struct DriftChoice {
  std::string kind;
  std::string scope;
  std::string type;
  std::string assignment;
  std::string reference;
};

struct DriftListOptions {
  DriftChoice choice;
  std::string state;  // empty: open
  std::string severity;
  std::string subscription;
  std::string control;
  std::string actor;
  std::string owner;
};

struct DriftAcceptOptions {
  DriftChoice choice;
  std::vector<std::int64_t> ids;
  std::string path;
  std::string reason;
  std::string author;  // empty: who runs the command
  std::string expires_on;
  bool snooze = false;
  bool standing = false;
};

struct DriftDiffOptions {
  std::string from;
  std::string to;
  std::string scope;
};

struct ExportOptions {
  core::ExportOf what = core::ExportOf::kResources;
  std::string from;  // RFC 3339; empty: the first
  std::string to;    // empty: the last
  bool csv = false;
  std::string evidence;  // directory of an audit pack instead of `what`; empty: none
  std::string key;       // file with the key that signs it
  std::string scope;     // id of what it is about; empty: everything
};

struct PastOptions {
  std::string at;          // RFC 3339; empty: the last committed state
  std::string baseline;    // directory of an initiative to judge by; empty: as configured
  std::string assignment;  // whose initiative that is; empty: the only one
  std::string exemptions;  // file; empty: as configured
};

enum class EvaluateFormat { kText, kJson, kCsv, kSarif, kJunit };

struct EvaluateOptions {
  std::string file = "-";
  std::string baseline;    // directory of an initiative; empty: as configured
  std::string assignment;  // only this one; empty: all
  std::string exemptions;  // file; empty: as configured
  std::string fail_on = "low";
  EvaluateFormat format = EvaluateFormat::kText;
  bool has_config = false;  // a configuration was named
  bool complete = false;
  bool keep_going = false;
};

/// Parses the command line and runs the command. Returns the process's exit code.
int run_command_line(int argc, char** argv);

/// The settings file with the flags laid over it.
[[nodiscard]] core::Result<config::Settings> load_settings_with(const CommonOptions& options);

// The commands. Each prints errors to standard error and returns an exit code.
int run_serve(const CommonOptions& options);
int run_once(const CommonOptions& options);
int run_check_config(const CommonOptions& options, bool online);
int run_doctor(const CommonOptions& options, bool online);
int run_plan(const CommonOptions& options);
int run_healthcheck(const CommonOptions& options);
int run_backup(const CommonOptions& options, const std::string& file);
int run_restore(const CommonOptions& options, const std::string& file);
int run_verify(const CommonOptions& options,
               const std::string& file,
               bool full,
               const std::string& key);
int run_report(const CommonOptions& common, const PastOptions& options);
int run_evaluate(const CommonOptions& common, const EvaluateOptions& options);
int run_history(const CommonOptions& common, const HistoryOptions& options);
int run_drift_list(const CommonOptions& common, const DriftListOptions& options);
int run_drift_accept(const CommonOptions& common, const DriftAcceptOptions& options);
int run_drift_withdraw(const CommonOptions& common, std::int64_t acceptance);
int run_drift_diff(const CommonOptions& common, const DriftDiffOptions& options);
int run_drift_export(const CommonOptions& common);
int run_drift_import(const CommonOptions& common, const std::string& file);
int run_export(const CommonOptions& common, const ExportOptions& options);
int run_policy_lint(const std::vector<std::string>& files);
int run_policy_test(const PolicyTestOptions& options);
int run_policy_explain(const PolicyExplainOptions& options);

/// Asks Azure and prints what was found, for `check-config --online`.
int check_online(const config::Settings& settings, const compliance::Baseline& baseline);

}  // namespace plumbline::daemon
