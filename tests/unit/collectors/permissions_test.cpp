#include "collectors/resource_manager/permissions.hpp"

#include <doctest/doctest.h>

using plumbline::collectors::Permissions;

TEST_CASE("an action is allowed by any entry whose exceptions do not name it") {
  const auto permissions = Permissions::parse(R"({"value": [
    {"actions": ["*/read"], "notActions": ["Microsoft.Secret/*"], "dataActions": ["*"]},
    {"actions": ["Microsoft.Secret/box/read", "a/*/c*d"], "notActions": null}]})");
  REQUIRE(permissions);
  CHECK(permissions->allow("microsoft.insights/components/read"));
  CHECK(permissions->allow("a/b/read"));
  CHECK_FALSE(permissions->allow("microsoft.insights/components/write"));
  CHECK_FALSE(permissions->allow("microsoft.secret/other/read"));
  CHECK(permissions->allow("microsoft.secret/box/read"));
  CHECK(permissions->allow("a/x/y/cc/c/d"));
  CHECK_FALSE(permissions->allow("a/x/y/b"));
  CHECK_FALSE(permissions->allow("microsoft.secret/box/read/more"));
}

TEST_CASE("what is no list of permissions allows nothing") {
  for (const char* body : {"",
                           "[]",
                           "{}",
                           R"({"value": {}})",
                           R"({"value": [{"actions": "*"}]})",
                           R"({"value": [{"actions": [1]}]})",
                           R"({"value": [{"notActions": {}}]})"}) {
    CAPTURE(body);
    CHECK_FALSE(Permissions::parse(body));
  }
  const auto none = Permissions::parse(R"({"value": [{}, {"actions": []}]})");
  REQUIRE(none);
  CHECK_FALSE(none->allow("a/read"));
}
