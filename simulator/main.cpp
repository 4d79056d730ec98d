// plumbline-simulator: a stand-in for Azure's identity endpoint, Entra, Resource Manager and
// Resource Graph, on loopback. See docs/simulator.md.
#include "simulator/simulator.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <map>

namespace {

using namespace plumbline;

struct CommandLine {
  simulator::Options options;
  std::string ports_file;
  std::string ca_file;
  std::string log_level = "info";
};

int serve(const CommandLine& line, const sigset_t& signals) {
  const core::SystemClock clock;
  net::Worker worker("simulator", 1);
  const auto started = simulator::Simulator::start(worker.executor(), &clock, line.options);
  if (!started) {
    fmt::print(stderr, "plumbline-simulator: {}\n", started.error().message);
    return EXIT_FAILURE;
  }
  const simulator::Simulator& running = **started;
  if (!line.ca_file.empty()) {
    if (const auto written = simulator::write_file(line.ca_file, running.certificate()); !written) {
      fmt::print(stderr, "plumbline-simulator: {}\n", written.error().message);
      return EXIT_FAILURE;
    }
  }
  const std::string arm = fmt::format("https://127.0.0.1:{}", running.arm_port());
  const std::string imds = fmt::format("http://127.0.0.1:{}", running.imds_port());
  fmt::print("resource manager, resource graph, entra: {}\n", arm);
  fmt::print("managed identity, admin: {}\n", imds);
  std::fflush(stdout);
  // Last, so that whoever waits for the file finds everything else in place.
  if (!line.ports_file.empty()) {
    const simulator::Json ports = {{"arm_port", running.arm_port()},
                                   {"imds_port", running.imds_port()},
                                   {"arm_endpoint", arm},
                                   {"imds_endpoint", imds},
                                   {"ca_file", line.ca_file},
                                   {"pid", ::getpid()}};
    const auto written = simulator::write_file(line.ports_file, simulator::dump(ports) + "\n");
    if (!written) {
      fmt::print(stderr, "plumbline-simulator: {}\n", written.error().message);
      return EXIT_FAILURE;
    }
  }
  int signal = 0;
  sigwait(&signals, &signal);
  spdlog::info("signal {}, stopping", signal);
  return EXIT_SUCCESS;
}

int run(int argc, char** argv) {
  CommandLine line;
  simulator::Options& options = line.options;
  std::int64_t latency_ms = 0;
  std::int64_t changes_delay_ms = 0;
  std::int64_t activity_delay_ms = 0;
  std::int64_t graph_delay_ms = 0;
  std::int64_t graph_latency_ms = 0;
  bool as_azure = false;
  std::int64_t token_lifetime = options.token_lifetime.count();
  CLI::App app(
      "A stand-in for Azure's identity endpoint, Entra, Resource Manager and Resource "
      "Graph, on loopback",
      "plumbline-simulator");
  app.add_option("--scenario", options.scenario, "Directory of a scenario")
      ->check(CLI::ExistingDirectory);
  app.add_option("--data", options.data, "Directory of JSON files to take resources from")
      ->check(CLI::ExistingDirectory);
  app.add_option("--arm-port", options.arm_port, "HTTPS port; 0: any")->capture_default_str();
  app.add_option("--imds-port", options.imds_port, "HTTP port of identity and admin; 0: any")
      ->capture_default_str();
  app.add_option("--ports-file", line.ports_file, "Where to write the ports, as JSON");
  app.add_option("--ca-file", line.ca_file, "Where to write the certificate to trust, as PEM");
  app.add_option("--latency-ms", latency_ms, "Delay of every answer")
      ->check(CLI::Range(0, 600'000))
      ->capture_default_str();
  app.add_option("--changes-delay-ms", changes_delay_ms, "How late change rows come")
      ->check(CLI::Range(0, 86'400'000))
      ->capture_default_str();
  app.add_option("--activity-delay-ms", activity_delay_ms, "How late activity log events come")
      ->check(CLI::Range(0, 86'400'000))
      ->capture_default_str();
  app.add_option("--graph-delay-ms", graph_delay_ms, "How late Resource Graph shows a change")
      ->check(CLI::Range(0, 86'400'000))
      ->capture_default_str();
  app.add_option("--token-lifetime", token_lifetime, "Lifetime of tokens in seconds")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  app.add_option("--graph-latency-ms", graph_latency_ms, "Delay of every answer of Resource Graph")
      ->check(CLI::Range(0, 600'000))
      ->capture_default_str();
  app.add_flag("--as-azure", as_azure, "--enforce-quota, and --graph-latency-ms 1500");
  auto* const generate =
      app.add_option("--generate", options.generator.resources, "Resources to make up")
          ->check(CLI::Range(1, 1'000'000));
  app.add_option("--generate-subscriptions",
                 options.generator.subscriptions,
                 "Subscriptions that they lie in")
      ->check(CLI::Range(1, 10'000))
      ->needs(generate)
      ->capture_default_str();
  app.add_option("--seed", options.generator.seed, "The same seed makes the same tenant")
      ->needs(generate)
      ->capture_default_str();
  app.add_flag("--enforce-quota", options.enforce_quota, "Refuse more than 15 queries in 5 s");
  app.add_option(
         "--page-size", options.page_size, "Most items on a page of a resource manager list")
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
  const std::map<std::string, simulator::Replay> replays = {{"off", simulator::Replay::kOff},
                                                            {"once", simulator::Replay::kOnce},
                                                            {"loop", simulator::Replay::kLoop}};
  app.add_option("--timeline", options.timeline, "off, once or loop")
      ->transform(CLI::CheckedTransformer(replays))
      ->default_str("once");
  app.add_option("--log-level", line.log_level, "trace, debug, info, warning, error or off")
      ->check(CLI::IsMember({"trace", "debug", "info", "warning", "error", "off"}))
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  options.latency = std::chrono::milliseconds(latency_ms);
  options.enforce_quota = options.enforce_quota || as_azure;
  if (as_azure && app.count("--graph-latency-ms") == 0) {
    graph_latency_ms = 1500;
  }
  options.graph_latency = std::chrono::milliseconds(graph_latency_ms);
  options.token_lifetime = std::chrono::seconds(token_lifetime);
  options.delays.changes = std::chrono::milliseconds(changes_delay_ms);
  options.delays.activity = std::chrono::milliseconds(activity_delay_ms);
  options.delays.graph = std::chrono::milliseconds(graph_delay_ms);
  spdlog::set_default_logger(spdlog::stderr_logger_mt("simulator"));
  spdlog::set_level(spdlog::level::from_str(line.log_level));

  // Blocked before any thread starts, so that only the wait in serve() sees them.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  return serve(line, signals);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& exception) {
    std::fprintf(stderr, "plumbline-simulator: %s\n", exception.what());
    return EXIT_FAILURE;
  }
}
