// Azure Resource Manager's read side. Pure functions over the store: a request in, a reply out.
#pragma once

#include "net/http_server.hpp"
#include "simulator/reply.hpp"
#include "simulator/store.hpp"

#include <string>
#include <string_view>

namespace plumbline::simulator {

struct ArmOptions {
  /// Scheme, host and port for nextLink.
  std::string endpoint;
  /// Most items on a page of a list that pages.
  std::size_t page_size = 1000;
  /// Answer of `GET /providers`.
  Json providers = Json::array();
};

/// The route's name, for counting: "arm.get", "arm.list", ...
struct ArmAnswer {
  std::string route;
  Reply reply;
};

/// Answers anything but Resource Graph. The caller has checked the token.
[[nodiscard]] ArmAnswer answer_arm(const Store& store,
                                   const ArmOptions& options,
                                   const net::ServerRequest& request);

}  // namespace plumbline::simulator
