// Replays the conformance cases that lie beside the source tree, where they are at hand.
#include "policy/case_runner.hpp"
#include "tests/unit/policy/files.hpp"

#include <doctest/doctest.h>

#include <fstream>

using namespace plumbline;
using namespace plumbline::policy;

namespace {

CaseReport replay(const std::string& path) {
  CaseOptions options;
  options.exclude_classes = {"internals"};
  for (const std::string name : {"divergences", "misrecorded"}) {
    const auto list =
        read_file(std::string(PLUMBLINE_SOURCE_DIR) + "/tests/data/policy/" + name + ".tsv");
    REQUIRE(list);
    options.divergences += *list + "\n";
  }
  const auto content = read_file(path);
  REQUIRE(content);
  CaseRunner runner(options, read_file);
  runner.run(path, *content);
  return runner.report();
}

void expect_conformance(const std::string& name, std::size_t cases) {
  const std::string path =
      std::string(PLUMBLINE_SHARED_DIR) + "/azure-policy/cases/" + name + ".jsonl";
  if (!std::ifstream(path)) {
    MESSAGE("skipped: " << path << " is not there");
    return;
  }
  const auto report = replay(path);
  MESSAGE(name << ": " << report.passed << " passed, " << report.failed << " failed, "
               << report.skipped << " skipped (" << report.diverged << " divergences)");
  for (const auto& failure : report.failures) {
    MESSAGE(failure);
  }
  CHECK(report.failed == 0);
  CHECK(report.passed + report.failed + report.skipped >= cases);
}

}  // namespace

TEST_CASE("policy cases") {
  expect_conformance("policy_cases", 500);
}

TEST_CASE("function cases") {
  expect_conformance("function_cases", 200);
}

TEST_CASE("parse cases") {
  expect_conformance("parse_cases", 100);
}

TEST_CASE("built-in cases") {
  expect_conformance("builtin_cases", 5000);
}
