// The simulator as a whole: an HTTPS server for the resource manager, Resource Graph and Entra, and
// a plain one for the managed-identity endpoint and the admin API.
#pragma once

#include "core/clock.hpp"
#include "core/result.hpp"
#include "net/task.hpp"
#include "simulator/generator.hpp"
#include "simulator/loader.hpp"
#include "simulator/store.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

namespace plumbline::simulator {

enum class Replay { kOff, kOnce, kLoop };

struct Options {
  std::string scenario;  // directory, or empty
  std::string data;      // directory, or empty
  std::uint16_t arm_port = 0;
  std::uint16_t imds_port = 0;
  std::chrono::milliseconds latency{0};
  Delays delays;
  std::chrono::seconds token_lifetime{3599};
  bool enforce_quota = false;
  std::chrono::milliseconds graph_latency{0};  // of Resource Graph's answers, besides `latency`
  GeneratorOptions generator;
  std::size_t page_size = 1000;
  Replay timeline = Replay::kOnce;
};

/// Serves from `start` until it is destroyed; destroy it before the worker of its executor. All its
/// work happens on that executor, which must be of a single thread.
class Simulator {
 public:
  /// `clock` must outlive the simulator.
  [[nodiscard]] static core::Result<std::unique_ptr<Simulator>> start(const net::Executor& executor,
                                                                      const core::Clock* clock,
                                                                      const Options& options);
  Simulator(const Simulator&) = delete;
  Simulator& operator=(const Simulator&) = delete;
  Simulator(Simulator&&) = delete;
  Simulator& operator=(Simulator&&) = delete;
  ~Simulator();

  [[nodiscard]] std::uint16_t arm_port() const;
  [[nodiscard]] std::uint16_t imds_port() const;
  /// PEM of the certificate that the HTTPS server shows, which is its own authority.
  [[nodiscard]] const std::string& certificate() const;
  [[nodiscard]] const LoadCounts& counts() const;

 private:
  struct State;
  explicit Simulator(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

}  // namespace plumbline::simulator
