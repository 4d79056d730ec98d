// Plumbline's own cases: missing evidence, related resources, the language, verdicts.
#include "policy/case_runner.hpp"
#include "tests/unit/policy/files.hpp"

#include <doctest/doctest.h>

using namespace plumbline::policy;

TEST_CASE("own cases") {
  for (const std::string name : {"arrays",
                                 "counts",
                                 "dates",
                                 "evidence",
                                 "existence",
                                 "folding",
                                 "functions",
                                 "ip_ranges",
                                 "language",
                                 "limits",
                                 "operators",
                                 "ordering",
                                 "parameters",
                                 "rejected",
                                 "tags",
                                 "verdicts"}) {
    CAPTURE(name);
    const std::string path =
        std::string(PLUMBLINE_SOURCE_DIR) + "/tests/data/policy/" + name + ".jsonl";
    const auto content = read_file(path);
    REQUIRE(content);
    CaseRunner runner({}, read_file);
    runner.run(path, *content);
    for (const auto& failure : runner.report().failures) {
      FAIL_CHECK(failure);
    }
    CHECK(runner.report().passed > 0);
    CHECK(runner.report().skipped == 0);
  }
}
