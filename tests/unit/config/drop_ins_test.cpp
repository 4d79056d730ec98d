#include "config/settings.hpp"
#include "tests/support/fakes.hpp"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>

using namespace plumbline;

namespace {

constexpr const char* kMain = R"(azure:
  credential: {client_id: abc}
  scope: {subscriptions: [aaa, bbb]}
baseline:
  assignments:
    - {name: prod, initiative: baselines/azure-monitor}
schedule: {sweep: 2h, details: 3h}
log: {level: warn}
)";

struct Fixture {
  tests::TempDirectory directory;
  std::string main = directory.file("plumbline.yaml");

  Fixture() {
    write(main, kMain);
    std::filesystem::create_directory(main + ".d");
  }

  static void write(const std::string& path, const std::string& text) {
    std::ofstream(path) << text;
  }

  void drop_in(const std::string& name, const std::string& text) const {
    write(main + ".d/" + name, text);
  }

  [[nodiscard]] std::string drop_in_path(const std::string& name) const {
    return main + ".d/" + name;
  }
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "drop-ins: the later one wins, mappings merge, the rest replaces") {
  // Written in another order than that of their names.
  drop_in("20-b.yaml", "schedule: {sweep: 4h}\nazure: {scope: {subscriptions: [ccc]}}\n");
  drop_in("10-a.yaml",
          "schedule: {sweep: 5h, changes: 9s}\nazure: {cloud: {custom: {resource_manager: "
          "'https://a', ca_file: ca.pem}}}\n");
  drop_in("30-c.yaml",
          "azure: {cloud: {custom: {resource_manager: 'https://c'}}}\nlog:\nstorage: {path: s.db}\n"
          "schedule: {details: }\n");
  drop_in("40-nothing.yaml", "# Only a comment.\n");
  drop_in("50-old.yaml.dpkg-dist", "nonsense: 1\n");
  drop_in(".60-hidden.yaml", "nonsense: 1\n");
  const auto settings = config::load_settings(main);
  REQUIRE(settings);
  CHECK(settings->schedule.sweep == std::chrono::hours(4));
  CHECK(settings->schedule.changes == std::chrono::seconds(9));
  CHECK(settings->schedule.details == std::chrono::hours(3));
  CHECK(settings->subscriptions == std::vector<std::string>{"ccc"});
  CHECK(settings->credential.client_id == "abc");
  CHECK(settings->cloud.resource_manager == "https://c");
  CHECK(settings->log_level == "warn");
  CHECK(settings->assignments.at(0).name == "prod");
  SUBCASE("relative paths start where the main file is") {
    CHECK(settings->cloud.ca_file == directory.file("ca.pem"));
    CHECK(settings->storage_path == directory.file("s.db"));
  }
  SUBCASE("what was read, and what was not") {
    CHECK(settings->files == std::vector<std::string>{main,
                                                      drop_in_path("10-a.yaml"),
                                                      drop_in_path("20-b.yaml"),
                                                      drop_in_path("30-c.yaml"),
                                                      drop_in_path("40-nothing.yaml")});
    CHECK(settings->ignored == std::vector<std::string>{drop_in_path("50-old.yaml.dpkg-dist")});
  }
}

TEST_CASE_FIXTURE(Fixture, "drop-ins: another kind of value replaces") {
  drop_in("1.yaml", "azure: {cloud: {custom: {resource_manager: 'https://a'}}}\n");
  drop_in("2.yaml", "azure: {cloud: AzureChina}\n");
  auto settings = config::load_settings(main);
  REQUIRE(settings);
  CHECK(settings->cloud.resource_manager == "https://management.chinacloudapi.cn");
  drop_in("3.yaml", "azure: {cloud: {custom: {resource_manager: 'https://b'}}}\n");
  settings = config::load_settings(main);
  REQUIRE(settings);
  CHECK(settings->cloud.resource_manager == "https://b");
}

TEST_CASE_FIXTURE(Fixture, "drop-ins: the assignments may be theirs alone") {
  write(main, "log: {level: info}\n");
  CHECK(config::load_settings(main).error().message.starts_with(main + ":1:1: `baseline.assign"));
  drop_in("a.yaml", "baseline: {assignments: [{name: x, initiative: y}]}\n");
  const auto settings = config::load_settings(main);
  REQUIRE(settings);
  CHECK(settings->assignments.at(0).initiative == directory.file("y"));
}

TEST_CASE_FIXTURE(Fixture, "drop-ins: errors name the file that they are about") {
  struct Case {
    const char* name;
    const char* text;
    const char* want;
  };

  const Case cases[] = {
      {"unknown key", "\nweb: {lisen: x}\n", ":2:7: unknown key `lisen`"},
      {"twice in one file", "log: {level: info}\nlog: {}\n", ":2:1: the key `log` is given twice"},
      {"wrong value", "schedule: {sweep: soon}\n", ":1:19: `sweep` must be a duration"},
      {"wrong kind", "log: [info]\n", ":1:6: log must be a mapping"},
      {"list for a mapping below", "\nazure: {scope: x}\n", ":2:16: azure.scope must be a mapping"},
      {"wrong together",
       "azure: {credential: {object_id: x}}\n",
       ":1:21: at most one of client_id"},
      {"nothing left", "baseline: {assignments: []}\n", ":1:11: `baseline.assignments` needs"},
      {"no list", "azure: {scope: {subscriptions: a}}\n", ":1:32: `subscriptions` must be a list"},
      {"syntax", "a: [1\nb: 2\n", ":2:2: "},
      {"not a document", "- a\n", ":1:1: the document must be a mapping"},
  };
  drop_in("10-good.yaml", "log: {format: json}\n");
  for (const auto& c : cases) {
    SUBCASE(c.name) {
      drop_in("20-bad.yaml", c.text);
      const auto settings = config::load_settings(main);
      REQUIRE_FALSE(settings);
      CAPTURE(settings.error().message);
      CHECK(settings.error().message.starts_with(drop_in_path("20-bad.yaml") + c.want));
    }
  }
  SUBCASE("in the main file, however many there are") {
    write(main, std::string(kMain) + "nonsense: 1\n");
    CHECK(config::load_settings(main).error().message.starts_with(main + ":9:1: unknown key"));
  }
}

TEST_CASE_FIXTURE(Fixture, "drop-ins: what cannot be read is no configuration") {
  SUBCASE("a directory with a file's name") {
    std::filesystem::create_directory(drop_in_path("a.yaml"));
    CHECK(config::load_settings(main).error().message.starts_with(drop_in_path("a.yaml") + ": "));
  }
  SUBCASE("a file in the place of the directory") {
    std::filesystem::remove(main + ".d");
    write(main + ".d", "");
    CHECK(config::load_settings(main).error().message.starts_with(main + ".d: "));
  }
  SUBCASE("a link to nowhere") {
    std::filesystem::create_symlink("/nonexistent", drop_in_path("a.yaml"));
    CHECK(config::load_settings(main).error().message.starts_with(drop_in_path("a.yaml") + ": "));
  }
  SUBCASE("very many") {
    for (int i = 0; i < 201; ++i) {
      drop_in(std::to_string(i) + ".yaml", "");
    }
    CHECK(config::load_settings(main).error().message == main + ".d: more than 200 files");
  }
  SUBCASE("no directory at all is none") {
    std::filesystem::remove(main + ".d");
    CHECK(config::load_settings(main)->files == std::vector<std::string>{main});
  }
}
