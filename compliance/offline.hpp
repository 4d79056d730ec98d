// Verdicts without a store: resources one after the other, each judged as soon as nothing more
// could change what comes of it.
#pragma once

#include "compliance/baseline.hpp"
#include "core/model/resource.hpp"
#include "core/model/verdict.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

namespace plumbline::compliance {

struct OfflineVerdict {
  const Check* check = nullptr;
  std::string_view resource_key;
  std::string_view resource_id;
  std::string_view resource_type;
  std::uint64_t place = 0;  // where the caller found the resource
  core::ComplianceState state = core::ComplianceState::kNoEvidence;
  std::string_view reason;
};

/// Only those resources are kept that others are looked up by, or that look for others. Used by one
/// thread.
class OfflineJudge {
 public:
  using Visit = std::function<void(const OfflineVerdict&)>;

  /// `whole`: what is added is everything that there is in the subscriptions it names, of the
  /// tables and lists that anything is added of; else what is not added was not asked for. `visit`
  /// is called with every verdict, once; what it is given lasts for the call.
  [[nodiscard]] static std::unique_ptr<OfflineJudge> make(std::shared_ptr<const Baseline> baseline,
                                                          core::Time now,
                                                          bool whole,
                                                          Visit visit);
  virtual ~OfflineJudge() = default;

  /// Takes a resource as the Normaliser left it; an element of a list as a resource of its own.
  /// Fails with kInvalidArgument when it has been added before, kParse when its body is none.
  virtual core::Status add(core::Observation resource, std::uint64_t place) = 0;
  /// Judges what had to wait. Once, at the end.
  virtual core::Status finish() = 0;

  /// How many resources are kept.
  [[nodiscard]] virtual std::size_t kept() const = 0;
  /// How many no check was about.
  [[nodiscard]] virtual std::size_t unjudged() const = 0;
};

}  // namespace plumbline::compliance
