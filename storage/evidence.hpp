// Audit packs: what a store held of a range of cycles, signed, so that somebody without the store
// can prove it. docs/evidence.md describes the files.
#pragma once

#include "core/clock.hpp"
#include "core/result.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace plumbline::storage {

struct EvidenceRequest {
  std::string store;
  std::string directory;  // is made; must not exist
  core::Time from;
  core::Time to;            // cycles committed before it
  std::string scope;        // a resource's, group's or subscription's key; empty: everything
  std::string private_key;  // Ed25519, PEM
  core::Time now;
};

/// What is in a pack, or what was proved of one.
struct EvidenceReport {
  std::int64_t first_cycle = 0;
  std::int64_t last_cycle = 0;
  std::string last_link;  // hex
  std::string key;        // fingerprint of the public key, hex
  std::int64_t versions = 0;
  std::int64_t older_versions = 0;  // of them, begun before the first cycle: signed, not chained
  std::int64_t transitions = 0;
  std::int64_t verdicts = 0;
  std::int64_t older_verdicts = 0;
  std::vector<std::string> problems;  // of a pack that was verified; empty: everything fits
};

/// Writes a pack of the committed state. Fails with kNotFound when no cycle with a link lies in the
/// range, kInvalidArgument for a key that cannot sign, kIo.
[[nodiscard]] core::Result<EvidenceReport> write_evidence(const EvidenceRequest& request);

/// Checks a pack: signature, digests, chain, and that all it shows is what the chain says, and all
/// the chain says of its scope is shown. Needs no store. `public_key`: PEM; empty: the key in the
/// pack, whose fingerprint the caller must compare. Fails only when the pack cannot be read.
[[nodiscard]] core::Result<EvidenceReport> verify_evidence(const std::string& directory,
                                                           const std::string& public_key);

/// Whether a path is a pack rather than a store.
[[nodiscard]] bool is_evidence(const std::string& path);

}  // namespace plumbline::storage
