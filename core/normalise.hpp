// From what a source sends to what is stored, compared and evaluated: one canonical, redacted form,
// so that live and stored evaluation read the same bytes.
#pragma once

#include "core/digest.hpp"
#include "core/result.hpp"

#include <simdjson.h>

#include <string>
#include <string_view>

namespace plumbline::core {

/// Canonical body and the fingerprint over it without its noise.
struct Normalised {
  std::string body;
  Sha256 fingerprint{};
};

/// Thread-safe after construction. Holds the key of the redaction fingerprints; the key never
/// leaves it.
class Normaliser {
 public:
  explicit Normaliser(std::string redaction_key) : key_(std::move(redaction_key)) {}

  /// Object keys are sorted, null members of the root are dropped (Resource Graph sends a null for
  /// each absent column, Resource Manager leaves it out), secrets become
  /// `redacted:<keyed fingerprint>` and URIs keep scheme, host and the names of their query keys.
  /// `etag` and `systemData` of the root and the modification dates of `properties` count as noise:
  /// kept in the body, not fingerprinted.
  [[nodiscard]] Normalised normalise(simdjson::dom::element resource) const;

  /// What a string under a property name becomes; the string itself where it holds no secret.
  [[nodiscard]] std::string redact(std::string_view property, std::string_view text) const;

 private:
  void append(std::string& out, simdjson::dom::element value, std::string_view property) const;
  void append_member(std::string& out,
                     std::string_view key,
                     simdjson::dom::element value,
                     std::string_view object) const;
  void append_properties(std::string& body, std::string& quiet, simdjson::dom::element value) const;
  [[nodiscard]] std::string fingerprint(std::string_view secret) const;
  [[nodiscard]] std::string redact_uri(std::string_view text, bool path_is_secret) const;

  std::string key_;
};

}  // namespace plumbline::core
