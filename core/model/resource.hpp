// What Plumbline knows of the tenant: observations, resources, and how complete the picture is.
#pragma once

#include "core/clock.hpp"
#include "core/digest.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace plumbline::core {

/// Raised when a normalised body changes although the source's did not; a version that differs only
/// in it is no change.
inline constexpr int kNormaliserVersion = 3;

/// One resource, or one detail document (an ARM list that belongs to a resource), as a source
/// described it: canonical, redacted and fingerprinted by the Normaliser.
struct Observation {
  std::string key;   // resource_key(id); a detail's is `<parent key>/providers/<type>`
  std::string id;    // as the source spells it
  std::string type;  // lower case
  bool is_detail = false;
  std::string body;      // canonical JSON, secrets redacted
  Sha256 fingerprint{};  // over the body without its noise
  std::string source;    // evidence key of the partition or detail it came with
  Time observed_at;      // when the request was sent
};

/// One configuration of one resource, as kept by the store.
struct StoredResource {
  std::int64_t row = 0;
  std::int64_t version = 0;  // row of its current version
  std::string key;
  std::string id;
  std::string type;
  std::string source;
  std::string body;
  Time observed_at;
  std::int64_t from_cycle = 0;
  Sha256 fingerprint{};
  /// Resource Manager was asked about it. Whether that was about this body is another matter.
  bool has_confirmation = false;
};

/// Whether a source could be asked, the last time it was. Sources are named by evidence keys:
/// `arg:<table>|<subscription>` for a sweep's partition, `detail:<detail key>` for an ARM list,
/// `arm:subscriptions` for the list of subscriptions.
struct Evidence {
  std::string key;
  bool complete = false;
  std::string reason;   // `forbidden`, `throttled`, ...: stable words; empty when complete
  std::string message;  // for a human, without secrets
  Time observed_at;
};

[[nodiscard]] inline std::string partition_evidence_key(std::string_view table,
                                                        std::string_view subscription) {
  return std::string("arg:").append(table).append("|").append(subscription);
}

[[nodiscard]] inline std::string detail_key(std::string_view parent_key, std::string_view type) {
  return std::string(parent_key).append("/providers/").append(type);
}

[[nodiscard]] inline std::string detail_evidence_key(std::string_view key) {
  return std::string("detail:").append(key);
}

/// What Resource Manager answers to a GET of a resource that Resource Graph shows is kept as a
/// detail document of it: `{"apiVersion", "fingerprint", "resource"}`. It speaks of the body with
/// that fingerprint, and of no other.
inline constexpr std::string_view kConfirmationType = "plumbline.evidence/confirmations";

[[nodiscard]] inline std::string confirmation_key(std::string_view resource_key) {
  return detail_key(resource_key, kConfirmationType);
}

/// `resource:<key>`: a resource that its sweep no longer shows, although it is not known to be
/// gone.
inline constexpr std::string_view kResourceEvidencePrefix = "resource:";

/// The resource of which an evidence key is the confirmation's; empty for other keys.
[[nodiscard]] inline std::string confirmed_by(std::string_view evidence_key) {
  const auto prefix = detail_evidence_key("");
  const auto suffix = confirmation_key("");
  return evidence_key.starts_with(prefix) && evidence_key.ends_with(suffix)
             ? std::string(evidence_key.substr(prefix.size(),
                                               evidence_key.size() - prefix.size() - suffix.size()))
             : std::string();
}

inline constexpr std::string_view kSubscriptionsEvidence = "arm:subscriptions";

}  // namespace plumbline::core
