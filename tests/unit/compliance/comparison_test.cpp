#include "compliance/comparison.hpp"

#include "tests/unit/compliance/fixture.hpp"

#include <doctest/doctest.h>

using namespace plumbline;
using compliance::Comparison;
using compliance::Difference;
using core::ComplianceState;

namespace {

std::shared_ptr<const compliance::Baseline> baseline() {
  const auto aliases = policy::AliasCatalogue::shipped();
  REQUIRE(aliases);
  auto compiled = compliance::compile_baseline({tests::make_assignment()}, {}, **aliases);
  REQUIRE(compiled);
  return *compiled;
}

/// The checks of a baseline as a store that has adopted it has them.
std::vector<core::CheckRow> rows_of(const compliance::Baseline& baseline) {
  std::vector<core::CheckRow> rows;
  for (const auto& check : baseline.checks) {
    rows.push_back({static_cast<std::int64_t>(rows.size()) + 1,
                    check.assignment,
                    check.reference,
                    check.definition_hash,
                    check.parameters_hash,
                    check.exemptions_hash});
  }
  return rows;
}

core::VerdictRow verdict(const std::string& reference,
                         const std::string& name,
                         ComplianceState state) {
  core::VerdictRow row;
  row.assignment = "prod";
  row.reference = reference;
  row.resource_key = row.resource_id = "/subscriptions/s1/" + name;
  row.verdict.state = state;
  return row;
}

core::CheckRow& row_of(std::vector<core::CheckRow>& rows, const std::string& reference) {
  return *std::ranges::find(rows, reference, &core::CheckRow::reference);
}

}  // namespace

TEST_CASE("comparison: equal checks and verdicts differ in nothing") {
  const auto other = baseline();
  Comparison comparison(rows_of(*other), *other);
  comparison.add_before(verdict("query", "a", ComplianceState::kCompliant));
  comparison.add_after(verdict("query", "a", ComplianceState::kCompliant));
  CHECK(comparison.checks().empty());
  CHECK(comparison.verdicts().empty());
  REQUIRE(comparison.counts_before().size() == 1);
  CHECK(comparison.counts_before()[0].subscription == "s1");
}

TEST_CASE("comparison: a difference has the cause that lies in its check") {
  const auto other = baseline();
  auto rows = rows_of(*other);
  row_of(rows, "query").definition_hash = "another";
  row_of(rows, "target").parameters_hash = "another";
  row_of(rows, "target").exemptions_hash = "another";
  std::erase_if(rows, [](const auto& row) { return row.reference == "diagnostics"; });
  rows.push_back({9, "prod", "gone", "", "", ""});
  Comparison comparison(rows, *other);
  comparison.add_before(verdict("gone", "a", ComplianceState::kCompliant));
  comparison.add_before(verdict("query", "a", ComplianceState::kCompliant));
  comparison.add_before(verdict("target", "a", ComplianceState::kCompliant));
  comparison.add_before(verdict("target", "b", ComplianceState::kCompliant));
  comparison.add_after(verdict("query", "a", ComplianceState::kNonCompliant));
  comparison.add_after(verdict("target", "a", ComplianceState::kExempt));
  comparison.add_after(verdict("target", "b", ComplianceState::kNonCompliant));
  comparison.add_after(verdict("diagnostics", "a", ComplianceState::kCompliant));
  const auto found = comparison.verdicts();
  REQUIRE(found.size() == 5);
  CHECK(found[0].cause == Difference::kNewCheck);
  CHECK(!found[0].from);
  CHECK(found[1].cause == Difference::kCheckGone);
  CHECK(!found[1].to);
  CHECK(found[2].cause == Difference::kDefinition);
  CHECK(found[3].cause == Difference::kExemption);
  CHECK(found[4].cause == Difference::kParameters);
  REQUIRE(comparison.checks().size() == 4);
}

TEST_CASE("comparison: what the check does not explain is evidence or history") {
  const auto other = baseline();
  Comparison comparison(rows_of(*other), *other);
  comparison.add_before(verdict("query", "a", ComplianceState::kNoEvidence));
  comparison.add_before(verdict("query", "b", ComplianceState::kCompliant));
  comparison.add_before(verdict("query", "c", ComplianceState::kCompliant));
  comparison.add_after(verdict("query", "a", ComplianceState::kCompliant));
  comparison.add_after(verdict("query", "b", ComplianceState::kNonCompliant));
  const auto found = comparison.verdicts();
  REQUIRE(found.size() == 3);
  CHECK(found[0].cause == Difference::kEvidence);
  CHECK(found[1].cause == Difference::kHistory);
  CHECK(found[2].resource_id == "/subscriptions/s1/c");
  CHECK(!found[2].to);
}
