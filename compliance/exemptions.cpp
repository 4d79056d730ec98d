#include "compliance/exemptions.hpp"

#include "core/digest.hpp"
#include "core/resource_id.hpp"
#include "core/text.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace plumbline::compliance {

bool Exemption::covers(std::string_view resource_key, policy::Json resource) const {
  const bool in_scope = scope_key.empty() || core::is_under(resource_key, scope_key);
  if (!in_scope || resource_selectors.empty()) {
    return in_scope;
  }
  const auto traits = selected_resource(resource);
  return std::ranges::any_of(resource_selectors, [&](const ResourceSelector& selector) {
    return selector.selects(traits);
  });
}

std::string Exemption::digest() const {
  return core::to_hex(
      core::sha256(fmt::format("{}\n{}\n{}\n{}\n{}",
                               spec.name,
                               scope_key,
                               fmt::join(spec.references, ","),
                               spec.expires_on ? core::to_micros(*spec.expires_on) : 0,
                               spec.resource_selectors_json)));
}

core::Result<Exemption> make_exemption(const core::ExemptionSpec& spec) {
  const auto fail = [&](std::string_view message) {
    return core::Error{core::Errc::kInvalidArgument,
                       fmt::format("{}: exemption {}: {}", spec.place, spec.name, message)};
  };
  Exemption exemption;
  exemption.spec = spec;
  if (spec.scope != "/") {
    if (!core::parse_resource_id(spec.scope)) {
      return fail(fmt::format("`{}` is neither / nor a resource id", spec.scope));
    }
    exemption.scope_key = core::resource_key(spec.scope);
  }
  const auto selectors = nlohmann::json::parse(spec.resource_selectors_json, nullptr, false);
  auto parsed = parse_resource_selectors(selectors);
  if (!parsed) {
    return fail(parsed.error().message);
  }
  exemption.resource_selectors = *std::move(parsed);
  return exemption;
}

}  // namespace plumbline::compliance
