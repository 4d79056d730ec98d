// What the simulator's tests share: a clock that stands still, and requests without a socket.
#pragma once

#include "core/clock.hpp"
#include "core/digest.hpp"
#include "net/http_server.hpp"
#include "simulator/json.hpp"
#include "simulator/store.hpp"

#include <filesystem>
#include <fstream>
#include <string>

namespace plumbline::simulator {

class FixedClock final : public core::Clock {
 public:
  [[nodiscard]] core::Time now() const override { return now_; }

  [[nodiscard]] std::chrono::steady_clock::time_point steady_now() const override {
    return steady_;
  }

  void advance(std::chrono::microseconds by) {
    now_ += by;
    steady_ += by;
  }

 private:
  core::Time now_ = *core::parse_rfc3339("2026-11-22T05:00:00Z");
  std::chrono::steady_clock::time_point steady_;
};

inline net::ServerRequest make_request(const std::string& method,
                                       const std::string& path,
                                       const std::string& query = "",
                                       const std::string& body = "") {
  net::ServerRequest request;
  request.method = method;
  request.path = path;
  request.query = query;
  request.body = body;
  return request;
}

inline Json resource(const std::string& id, const Json& more = Json::object()) {
  Json body = {{"id", id}, {"properties", {{"a", 1}}}};
  body.update(more);
  return body;
}

/// A directory that goes with its scope.
class TemporaryDirectory {
 public:
  TemporaryDirectory()
      : path_((std::filesystem::temp_directory_path() / core::random_uuid()).string()) {
    std::filesystem::create_directories(path_);
  }

  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  void write(const std::string& name, const std::string& text) const {
    const std::filesystem::path path = std::filesystem::path(path_) / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << text;
  }

  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

inline constexpr const char* kVault =
    "/subscriptions/S1/resourceGroups/Rg/providers/Microsoft.KeyVault/vaults/Kv";

}  // namespace plumbline::simulator
