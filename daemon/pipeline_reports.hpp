// Findings in the formats that pipelines and code scanning read.
#pragma once

#include "core/model/verdict.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace plumbline::daemon {

/// One check of one assignment.
struct PipelineRule {
  std::string id;  // unique: the reference, behind its assignment where there are several
  std::string assignment;
  std::string reference;
  std::string title;
  std::string description;
  std::string remediation;
  std::string documentation;  // a link if it begins with https://
  core::Severity severity = core::Severity::kMedium;
  std::vector<std::string> controls;
  std::int64_t compliant = 0;  // resources
};

/// A verdict that is not Compliant.
struct PipelineFinding {
  std::size_t rule = 0;
  std::string resource_key;
  std::string resource_id;
  std::string resource_type;
  core::ComplianceState state = core::ComplianceState::kNonCompliant;
  std::string reason;
  std::uint64_t line = 0;  // of the file; 0: unknown
};

struct PipelineReport {
  std::string version;  // of the program
  std::string file;     // as named on the command line; empty: standard input
  std::vector<PipelineRule> rules;
  std::vector<PipelineFinding> findings;
  std::vector<std::string> problems;  // input that was left out
};

/// SARIF 2.1.0 (OASIS): a rule for each check, a result for each NonCompliant finding; what could
/// not be evaluated, and input that was left out, are notifications.
[[nodiscard]] std::string write_sarif(const PipelineReport& report);

/// JUnit's XML: a suite for each check, in it a case for each finding (failure: NonCompliant,
/// error: Error, skipped: the rest) and one for all compliant resources together.
[[nodiscard]] std::string write_junit(const PipelineReport& report);

}  // namespace plumbline::daemon
