// What is kept of the people whom Azure names in records of changes.
#pragma once

#include "core/model/change.hpp"

#include <cstdint>
#include <string>
#include <utility>

namespace plumbline::core {

enum class ActorPrivacy : std::uint8_t {
  kFull,       // as Azure names them
  kPseudonym,  // `actor:<keyed fingerprint>`: the same person is the same, but has no name
  kOff,        // nothing
};

/// Applied before a record is written. Applications and Azure itself are no people and keep their
/// names; who is not known to be one of them counts as a person.
class ActorNames {
 public:
  ActorNames(ActorPrivacy privacy, std::string key) : privacy_(privacy), key_(std::move(key)) {}

  void apply(ChangeRecord& record) const;

 private:
  ActorPrivacy privacy_;
  std::string key_;
};

}  // namespace plumbline::core
