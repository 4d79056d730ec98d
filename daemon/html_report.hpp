// The report as one HTML file: no script, nothing fetched, light and dark, fit for print.
#pragma once

#include "compliance/summary.hpp"
#include "core/ports/snapshot.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace plumbline::daemon {

/// What is on the page, as plain text; the writer escapes it.
struct HtmlReport {
  struct Figures {
    std::optional<double> score;
    std::optional<double> coverage;
    std::int64_t compliant = 0;
    std::int64_t noncompliant = 0;
    std::int64_t no_evidence = 0;
  };

  /// What Azure Policy would show of an assignment.
  struct Azure {
    std::string assignment;
    double ratio = 0;
  };

  /// A control, feature or recommendation.
  struct Row {
    std::string id;
    std::string name;
    std::string note;  // what its document says of it; empty: nothing
    Figures figures;
    bool has_score = true;
  };

  struct Section {
    std::string title;
    std::vector<Row> rows;
  };

  struct Affected {
    std::string resource_id;
    std::string reason;
    core::Time observed_at;
  };

  /// One check with the resources that are in one state.
  struct Finding {
    std::string reference;
    std::string title;
    std::string severity;
    std::string description;
    std::string remediation;
    std::string documentation;  // a link if it is one
    std::vector<Affected> resources;
  };

  struct Drift {
    std::string severity;
    std::string what;
    std::string resource_id;
    std::string from;
    std::string to;
    core::Time opened_at;
  };

  core::Time now;
  std::optional<core::Time> committed_at;
  std::int64_t cycle = 0;
  std::int64_t resources = 0;
  std::int64_t subscriptions = 0;
  Figures overall;
  std::vector<Azure> azure;
  std::vector<std::pair<std::string, std::int64_t>> by_severity;  // non-compliant, worst first
  std::vector<Section> sections;
  std::vector<Finding> noncompliant;  // worst first
  std::vector<Finding> errors;
  std::vector<Finding> no_evidence;
  std::vector<std::pair<std::string, std::string>> missing_evidence;  // source, reason
  std::vector<Drift> drift;                                           // the latest first
  std::vector<std::string> exemptions;
};

[[nodiscard]] std::string write_html(const HtmlReport& report);

/// `3 min`, `5 h`, `2 d`; of what is yet to come `0 min`.
[[nodiscard]] std::string age_text(core::Time from, core::Time now);

/// The committed state that `summary` is of.
[[nodiscard]] core::Result<std::string> html_report(const compliance::Summary& summary,
                                                    core::Snapshot& snapshot,
                                                    core::Time now);

}  // namespace plumbline::daemon
