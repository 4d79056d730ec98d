#include "core/model/collection_plan.hpp"

#include <doctest/doctest.h>

using namespace plumbline::core;

TEST_CASE("a detail document's key and its parent's lead to each other") {
  const std::string parent = "/subscriptions/s/resourcegroups/r/providers/m.x/t/a";
  for (const auto* type : {"microsoft.insights/diagnosticsettings", "m.x/t/children"}) {
    CAPTURE(type);
    const auto key = detail_document_key(parent, type);
    CHECK(key != parent);
    CHECK(detail_parent_key(key, type) == parent);
  }
  CHECK(detail_parent_key("/other", "m.x/t/children") == "/other");
}
