#include "core/actors.hpp"

#include <doctest/doctest.h>

using namespace plumbline;
using core::ActorNames;
using core::ActorPrivacy;

namespace {

std::string named(const ActorNames& names, const std::string& who, const std::string& type) {
  core::ChangeRecord record;
  record.changed_by = who;
  record.changed_by_type = type;
  names.apply(record);
  CHECK(record.changed_by_type == type);
  return record.changed_by;
}

}  // namespace

TEST_CASE("people are named, marked or left out; applications and Azure keep their names") {
  const ActorNames full(ActorPrivacy::kFull, "key");
  CHECK(named(full, "ada@contoso.example", "User") == "ada@contoso.example");
  const ActorNames off(ActorPrivacy::kOff, "key");
  CHECK(named(off, "ada@contoso.example", "User").empty());
  CHECK(named(off, "ada@contoso.example", "").empty());
  CHECK(named(off, "ada@contoso.example", "Unspecified").empty());
  CHECK(named(off, "6f2a", "Application") == "6f2a");
  CHECK(named(off, "Azure", "system") == "Azure");

  const ActorNames pseudonym(ActorPrivacy::kPseudonym, "key");
  const auto ada = named(pseudonym, "ada@contoso.example", "User");
  CHECK(ada.starts_with("actor:"));
  CHECK(ada.size() == 30);
  CHECK_FALSE(ada.contains("ada"));
  CHECK(named(pseudonym, "Ada@Contoso.example", "User") == ada);
  CHECK(named(pseudonym, "bob@contoso.example", "User") != ada);
  CHECK(named(ActorNames(ActorPrivacy::kPseudonym, "other"), "ada@contoso.example", "User") != ada);
  CHECK(named(pseudonym, "", "User").empty());
  CHECK(named(pseudonym, "6f2a", "Application") == "6f2a");
}
