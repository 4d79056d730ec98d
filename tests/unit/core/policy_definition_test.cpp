#include "core/policy_definition.hpp"

#include <doctest/doctest.h>

using plumbline::core::definition_kind;
using plumbline::core::DefinitionKind;
using plumbline::core::is_version_of;
using plumbline::core::is_version_pattern;
using plumbline::core::key_of;
using plumbline::core::newest_version;

TEST_CASE("ids of definitions and initiatives") {
  struct Case {
    const char* id;
    std::optional<DefinitionKind> want;
  };

  const Case cases[] = {
      {"/providers/Microsoft.Authorization/policySetDefinitions/a", DefinitionKind::kInitiative},
      {"/PROVIDERS/microsoft.authorization/policydefinitions/a", DefinitionKind::kDefinition},
      {"/subscriptions/s/providers/Microsoft.Authorization/policySetDefinitions/a",
       DefinitionKind::kInitiative},
      {"/providers/Microsoft.Management/managementGroups/g/providers/Microsoft.Authorization/"
       "policyDefinitions/a b",
       DefinitionKind::kDefinition},
      {"/providers/Microsoft.Authorization/policyAssignments/a", std::nullopt},
      {"/providers/Microsoft.Authorization/policySetDefinitions", std::nullopt},
      {"/providers/Microsoft.Authorization/policySetDefinitions/", std::nullopt},
      {"/providers/Microsoft.Authorization/policySetDefinitions/..", std::nullopt},
      {"/providers/Microsoft.Authorization/policySetDefinitions/a/versions/1.0.0", std::nullopt},
      {"/subscriptions/s/resourceGroups/g/providers/Microsoft.Authorization/policyDefinitions/a",
       std::nullopt},
      {"providers/Microsoft.Authorization/policySetDefinitions/a", std::nullopt},
      {"//evil.example/providers/Microsoft.Authorization/policySetDefinitions/a", std::nullopt},
      {"/etc/plumbline/baseline", std::nullopt},
      {"", std::nullopt},
  };
  for (const auto& c : cases) {
    CAPTURE(c.id);
    CHECK(definition_kind(c.id) == c.want);
  }
}

TEST_CASE("references that mean the same have one key") {
  CHECK(key_of({"/providers/X/y/A", "1.*.*-Preview"}) ==
        key_of({"/Providers/x/Y/a", "1.*.*-preview"}));
  CHECK(key_of({"/providers/X/y/A", "1.*.*"}) != key_of({"/providers/X/y/A", "2.*.*"}));
  CHECK(key_of({"/providers/X/y/A", ""}) != key_of({"/providers/X/y/A", "2.*.*"}));
}

TEST_CASE("patterns of versions") {
  for (const char* good : {"1.*.*", "1.2.*", "1.2.3", "10.0.0-preview", "1.*.*-preview"}) {
    CAPTURE(good);
    CHECK(is_version_pattern(good));
  }
  for (const char* bad : {"",
                          "*",
                          "1",
                          "1.2",
                          "*.*.*",
                          "1.*.3",
                          "1.2.3.4",
                          "v1.2.3",
                          "1.2.x",
                          "1..2",
                          "1.2.-1",
                          "1.2.3-",
                          "1.2.99999999999"}) {
    CAPTURE(bad);
    CHECK_FALSE(is_version_pattern(bad));
  }
}

TEST_CASE("versions of a pattern") {
  struct Case {
    const char* version;
    const char* pattern;
    bool want;
  };

  const Case cases[] = {
      {"1.2.3", "1.2.3", true},
      {"1.2.3", "1.2.*", true},
      {"1.9.0", "1.*.*", true},
      {"1.20.0", "1.2.*", false},
      {"2.0.0", "1.*.*", false},
      {"1.2.3-preview", "1.2.*", false},
      {"1.2.3-PREVIEW", "1.2.*-preview", true},
      {"1.2.3", "1.2.*-preview", true},
      {"1.2.3-deprecated", "1.*.*-preview", false},
      {"1.*.*", "1.*.*", false},
      {"", "1.*.*", false},
  };
  for (const auto& c : cases) {
    CAPTURE(c.version);
    CAPTURE(c.pattern);
    CHECK(is_version_of(c.version, c.pattern) == c.want);
  }
  CHECK(newest_version({"1.2.9", "1.2.10", "1.3.0-preview", "2.0.0"}, "1.*.*") == "1.2.10");
  CHECK(newest_version({"1.2.9", "1.10.0", "1.9.9"}, "1.*.*") == "1.10.0");
  CHECK(newest_version({"1.2.9-preview", "1.2.9", "1.2.8"}, "1.*.*-preview") == "1.2.9");
  CHECK(newest_version({"1.2.9", "1.3.0-PREVIEW"}, "1.*.*-preview") == "1.3.0-PREVIEW");
  CHECK(newest_version({"1.2.9"}, "3.*.*") == std::nullopt);
  CHECK(newest_version({}, "1.*.*") == std::nullopt);
}
