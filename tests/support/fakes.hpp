// Stand-ins that several unit tests share: a clock that is set, a log that is read, a transport
// that follows a script.
#pragma once

#include "core/clock.hpp"
#include "core/log.hpp"
#include "net/http_client.hpp"

#include <unistd.h>

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace plumbline::tests {

/// Time moves only when told to.
class FakeClock final : public core::Clock {
 public:
  [[nodiscard]] core::Time now() const override { return now_; }

  [[nodiscard]] std::chrono::steady_clock::time_point steady_now() const override {
    return std::chrono::steady_clock::time_point(steady_.time_since_epoch());
  }

  void advance(std::chrono::microseconds by) {
    now_ += by;
    steady_ += by;
  }

  /// As somebody sets a clock: no time passes.
  void set(core::Time now) { now_ = now; }

 private:
  core::Time now_ = core::from_micros(1'700'000'000'000'000);
  core::Time steady_ = now_;
};

/// Remembers the events it was given.
class FakeLog final : public core::Log {
 public:
  void write(core::LogLevel /*level*/,
             std::string_view event,
             std::initializer_list<core::LogField> fields) override {
    std::string line(event);
    for (const auto& field : fields) {
      line.append(" ").append(field.name).append("=").append(field.value);
    }
    lines.push_back(std::move(line));
  }

  std::vector<std::string> lines;
};

/// Answers each request by a function and remembers what was asked.
class ScriptedTransport final : public net::HttpTransport {
 public:
  using Script = std::function<core::Result<net::HttpResponse>(const net::HttpRequest&)>;

  explicit ScriptedTransport(Script script) : script_(std::move(script)) {}

  net::Task<core::Result<net::HttpResponse>> send(net::HttpRequest request) override {
    requests.push_back(request);
    co_return script_(request);
  }

  std::vector<net::HttpRequest> requests;

 private:
  Script script_;
};

[[nodiscard]] inline net::HttpResponse response(int status, std::string body) {
  net::HttpResponse out;
  out.status = status;
  out.body = std::move(body);
  return out;
}

/// A directory that goes with its owner.
class TempDirectory {
 public:
  TempDirectory() {
    std::string path = (std::filesystem::temp_directory_path() / "plumbline-test.XXXXXX").string();
    path_ = ::mkdtemp(path.data());
  }

  ~TempDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  TempDirectory(const TempDirectory&) = delete;
  TempDirectory& operator=(const TempDirectory&) = delete;
  TempDirectory(TempDirectory&&) = delete;
  TempDirectory& operator=(TempDirectory&&) = delete;

  [[nodiscard]] std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace plumbline::tests
