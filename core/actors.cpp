#include "core/actors.hpp"

#include "core/digest.hpp"
#include "core/text.hpp"

namespace plumbline::core {

void ActorNames::apply(ChangeRecord& record) const {
  const bool person =
      !iequals(record.changed_by_type, "Application") && !iequals(record.changed_by_type, "System");
  if (privacy_ == ActorPrivacy::kFull || !person || record.changed_by.empty()) {
    return;
  }
  if (privacy_ == ActorPrivacy::kOff) {
    record.changed_by.clear();
    return;
  }
  // Twelve bytes: no two people of a tenant meet, and nobody without the key can try out names.
  constexpr std::size_t kHexDigits = 24;
  const auto mark = hmac_sha256(key_, "actor\n" + to_lower(record.changed_by));
  record.changed_by = "actor:" + to_hex(mark).substr(0, kHexDigits);
}

}  // namespace plumbline::core
