#include "simulator/loader.hpp"

#include "core/text.hpp"
#include "tests/unit/simulator/testing.hpp"

#include <doctest/doctest.h>

#include <filesystem>
#include <set>
#include <string>

using namespace plumbline;
using namespace plumbline::simulator;

TEST_CASE("resources are found in every shape that documents have") {
  const std::string id = kVault;

  const struct {
    std::string name;
    std::string document;
    std::size_t expected;
  } cases[] = {
      {"a body", R"({"id":"ID","type":"T"})", 1},
      {"an example",
       R"({"parameters":{"id":"ID","type":"T"},"responses":{"200":{"body":{"id":"ID","type":"T"}}}})",
       1},
      {"a list",
       R"({"responses":{"200":{"body":{"value":[{"id":"ID","type":"T"},{"id":"ID","type":"T"}]}}}})",
       2},
      {"a bare array", R"({"responses":{"200":{"body":[{"id":"ID","type":"T"}]}}})", 1},
      {"the type is null",
       R"({"responses":{"200":{"body":{"id":"ID","type":null,"name":"n"}}}})",
       1},
      {"the type is absent", R"({"responses":{"200":{"body":{"id":"ID","name":"n"}}}})", 1},
      {"a lone reference", R"({"responses":{"200":{"body":{"id":"ID"}}}})", 0},
      {"a reference within", R"({"id":"ID","type":"T","properties":{"x":{"id":"ID","y":1}}})", 1},
      {"a resource within",
       R"({"id":"ID","type":"T","properties":{"x":{"id":"ID","type":"T"}}})",
       2},
      {"no body", R"({"responses":{"204":{}}})", 0},
      {"no object", "3", 0},
  };

  for (const auto& test : cases) {
    CAPTURE(test.name);
    std::string text = test.document;
    for (std::size_t at = 0; (at = text.find("\"ID\"")) != std::string::npos;) {
      text.replace(at + 1, 2, id);
    }
    CHECK(find_resources(Json::parse(text)).size() == test.expected);
  }
}

TEST_CASE("data is loaded leniently and counted") {
  const TemporaryDirectory directory;
  directory.write("a/one.json", std::string(R"({"id":")") + kVault + R"(","type":"t","tags":""})");
  directory.write("b/two.json",
                  std::string(R"({"id":")") + core::to_lower(kVault) + R"(","type":"t"})");
  directory.write("b/broken.json", "{");
  directory.write("b/other.txt", "{");
  directory.write(
      "c.json",
      R"([{"id":"principal","type":"User"},{"id":"providers/Microsoft.X/y/z","type":"t"}])");
  FixedClock clock;
  Store store(&clock);
  const auto counts = load_data(directory.path(), store);
  REQUIRE(counts);
  CHECK(counts->files == 4);
  CHECK(counts->unreadable_files == 1);
  CHECK(counts->resources == 2);
  CHECK(counts->duplicates == 1);
  CHECK(counts->rejected == 1);
  CHECK(store.find_subscription("s1") != nullptr);
  CHECK(store.find("/providers/microsoft.x/y/z") != nullptr);
  CHECK(load_data(directory.path() + "/none", store).error().code == core::Errc::kIo);
}

TEST_CASE("examples bring the resources that they belong to") {
  const TemporaryDirectory directory;
  const std::string group = "/subscriptions/S1/resourceGroups/G1/providers/";
  directory.write(
      "child.json",
      Json({{"id", group + "Microsoft.X/parents/P1/children/c"}, {"type", "t"}}).dump());
  directory.write("extension.json",
                  Json({{"id", group + "Microsoft.Y/things/T1/providers/Microsoft.Z/settings/s"},
                        {"type", "t"}})
                      .dump());
  directory.write(
      "misshapen.json",
      Json({{"id", group + "providers/Microsoft.X/alerts/a"}, {"type", "Microsoft.X/alerts"}})
          .dump());
  FixedClock clock;
  Store store(&clock);
  const auto counts = load_data(directory.path(), store);
  REQUIRE(counts);
  CHECK(counts->resources == 3);
  CHECK(counts->rejected == 0);
  for (const char* const parent : {"Microsoft.X/parents/P1", "Microsoft.Y/things/T1"}) {
    const Resource* const found = store.find(group + parent);
    REQUIRE(found != nullptr);
    CHECK(found->implied);
    CHECK(string_member(found->body, "id") == group + parent);
  }
  // A body that comes later takes the place of what was only spoken of.
  CHECK(store.add({{"id", group + "Microsoft.X/parents/P1"}, {"kind", "real"}}, true) ==
        Added::kNew);
  CHECK(string_member(store.find(group + "Microsoft.X/parents/P1")->body, "kind") == "real");
  CHECK(store.rows("resources").size() == 3);
}

TEST_CASE("a scenario is loaded strictly") {
  const TemporaryDirectory directory;
  directory.write("tenant.json", R"({"tenantId":"T","subscriptions":[{"subscriptionId":"S1"}]})");
  directory.write("resources/a.json", std::string(R"([{"id":")") + kVault + R"("}])");
  directory.write("faults.json", R"([{"match":{},"status":500}])");
  const auto load = [&] {
    FixedClock clock;
    Store store(&clock);
    LoadCounts counts;
    return load_scenario(directory.path(), store, counts);
  };
  const auto scenario = load();
  REQUIRE(scenario);
  CHECK(scenario->faults.size() == 1);
  CHECK(scenario->timeline.empty());
  directory.write("timeline.json", "{}");
  CHECK(load().error().message.find("timeline.json") != std::string::npos);
  directory.write("timeline.json", "[]");
  directory.write("resources/b.json", std::string(R"({"id":")") + core::to_lower(kVault) + R"("})");
  CHECK(load().error().message.find("b.json") != std::string::npos);
  directory.write("resources/b.json", R"({"id":"nonsense"})");
  CHECK(load().error().message.find("nonsense") != std::string::npos);
  directory.write("resources/b.json", "nonsense");
  CHECK(load().error().code == core::Errc::kParse);
}

TEST_CASE("the official examples load") {
  const std::string examples = std::string(PLUMBLINE_SHARED_DIR) + "/azure/examples";
  if (!std::filesystem::exists(examples)) {
    MESSAGE("skipped: no directory " << examples);
    return;
  }
  FixedClock clock;
  Store store(&clock);
  const auto counts = load_data(examples, store);
  REQUIRE(counts);
  MESSAGE(counts->files << " files, " << counts->resources << " resources, " << counts->duplicates
                        << " duplicates, " << counts->rejected << " without a usable id");
  CHECK(counts->files > 500);
  CHECK(counts->unreadable_files == 0);
  CHECK(counts->resources > 400);
  CHECK(store.subscriptions().size() > 30);
  CHECK(store.find_subscription("00000000-0000-0000-0000-00000000000") != nullptr);  // truncated
  // The id without its slash and with the odd provider is a diagnostic setting all the same.
  const Resource* const odd = store.find(
      "/subscriptions/fb9f25f9-5785-4510-a38f-a62f188eb9f8/providers/AzureResourceManager/"
      "diagnosticSettings/ds4");
  REQUIRE(odd != nullptr);
  CHECK(odd->id.type == "microsoft.insights/diagnosticsettings");
  std::set<std::string> types;
  for (const auto& row : store.rows("resources")) {
    types.insert((*row)["type"]);
  }
  CHECK(types.contains("microsoft.operationalinsights/workspaces"));
  CHECK(types.contains("microsoft.insights/datacollectionrules"));
  CHECK_FALSE(types.contains("microsoft.insights/diagnosticsettings"));
}

TEST_CASE("the shipped scenario loads") {
  const std::string scenario = std::string(PLUMBLINE_SOURCE_DIR) + "/simulator/scenarios/contoso";
  if (!std::filesystem::exists(scenario + "/tenant.json")) {
    MESSAGE("skipped: no directory " << scenario);
    return;
  }
  FixedClock clock;
  Store store(&clock);
  LoadCounts counts;
  const auto loaded = load_scenario(scenario, store, counts);
  REQUIRE(loaded);
  CHECK(counts.resources > 50);
}
