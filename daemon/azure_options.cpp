#include "daemon/azure_options.hpp"

#include "daemon/sign_in.hpp"

namespace plumbline::daemon {

core::Result<net::ClientOptions> client_options(const config::Settings& settings,
                                                const collectors::Environment& environment) {
  net::ClientOptions client;
  client.ca_file = settings.cloud.ca_file;
  client.user_agent = "plumbline/" PLUMBLINE_VERSION;
  auto proxy = make_proxy(settings.proxy, environment);
  if (!proxy) {
    return proxy.error();
  }
  client.proxy = *std::move(proxy);
  return client;
}

double quota_share(const config::Settings& settings) {
  return static_cast<double>(settings.quota_percent) / 100;
}

collectors::AzureClientOptions azure_options(const config::Settings& settings) {
  collectors::AzureClientOptions azure;
  azure.resource_manager = settings.cloud.resource_manager;
  azure.audience = settings.cloud.audience;
  azure.quota_share = quota_share(settings);
  return azure;
}

}  // namespace plumbline::daemon
