// ARM lists and details.
#pragma once

#include "core/model/resource.hpp"
#include "core/normalise.hpp"
#include "core/result.hpp"

#include <string>
#include <vector>

namespace plumbline::collectors {

struct SubscriptionInfo {
  std::string id;  // lower case
  std::string name;
  std::string state;
};

struct SubscriptionPage {
  std::vector<SubscriptionInfo> subscriptions;
  std::string next_link;  // empty: the last page
};

[[nodiscard]] core::Result<SubscriptionPage> parse_subscriptions(std::string_view body);

/// The path of the list of what lies below a management group.
[[nodiscard]] std::string descendants_path(std::string_view group);

/// The subscriptions on a page of a management group's descendants; groups are left out.
[[nodiscard]] core::Result<SubscriptionPage> parse_descendants(std::string_view body);

/// The detail document of one parent from ARM's list: `{"value": [...]}` or, for some types, a bare
/// array. Fails with kParse when the body is neither.
[[nodiscard]] core::Result<core::Observation> parse_detail(std::string_view body,
                                                           const std::string& key,
                                                           const std::string& type,
                                                           core::Time sent_at,
                                                           const core::Normaliser& normaliser);

/// The path that lists a detail type below its parent.
[[nodiscard]] std::string detail_path(const std::string& document_key,
                                      const std::string& api_version);

/// The path of a resource provider's metadata with the aliases of its types (contracts 3.7).
[[nodiscard]] std::string provider_path(std::string_view provider);

/// The api-version to GET a resource of a type with, for confirming that it is gone.
[[nodiscard]] std::string_view resource_api_version(std::string_view lower_type) noexcept;

/// The newest api-version that ARM's refusal of another one names; empty when it names none.
[[nodiscard]] std::string supported_api_version(std::string_view message);

}  // namespace plumbline::collectors
