// What a scrape of 10,000 verdict series costs the daemon, in CPU time of the whole process:
// request, body and response over loopback. Another process asks, so that its time is not counted.
#include "daemon/web/exposition.hpp"
#include "net/http_server.hpp"
#include "net/task.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <prometheus/counter.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>

using namespace plumbline;

namespace {

constexpr int kSeries = 10'000;
constexpr int kScrapes = 500;

std::string make_series() {
  std::string text =
      "# HELP plumbline_compliance_resources Verdicts.\n"
      "# TYPE plumbline_compliance_resources gauge\n";
  for (int i = 0; i < kSeries; ++i) {
    text += fmt::format(
        "plumbline_compliance_resources{{assignment=\"azure-monitor\",definition=\""
        "NS-2.2-workspace-public-query-{}\",state=\"{}\"}} {}\n",
        i / 3,
        i % 3 == 0   ? "NonCompliant"
        : i % 3 == 1 ? "Compliant"
                     : "NoEvidence",
        i * 7 % 1000);
  }
  return text;
}

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto of = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return of(usage.ru_utime) + of(usage.ru_stime);
}

/// Asks again and again over one connection, as Prometheus does; the exit code of the process.
int ask(std::uint16_t port, bool compressed) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return 1;
  }
  const std::string request = fmt::format("GET /metrics HTTP/1.1\r\nHost: localhost\r\n{}\r\n",
                                          compressed ? "Accept-Encoding: gzip\r\n" : "");
  for (int i = 0; i < kScrapes; ++i) {
    if (write(fd, request.data(), request.size()) != static_cast<ssize_t>(request.size())) {
      return 1;
    }
    std::string answer;
    std::size_t wanted = std::string::npos;
    char buffer[65536];
    while (answer.size() < wanted) {
      const auto count = read(fd, buffer, sizeof(buffer));
      if (count <= 0) {
        return 1;
      }
      answer.append(buffer, static_cast<std::size_t>(count));
      const auto end = answer.find("\r\n\r\n");
      if (wanted == std::string::npos && end != std::string::npos) {
        const auto length = answer.find("Content-Length: ");
        wanted = end + 4 + std::strtoul(answer.c_str() + length + 16, nullptr, 10);
      }
    }
  }
  close(fd);
  return 0;
}

}  // namespace

int main() {
  prometheus::Registry registry;
  auto& family = prometheus::BuildCounter().Name("plumbline_x_total").Help("X.").Register(registry);
  for (int i = 0; i < 200; ++i) {
    family.Add({{"code", fmt::format("{}", i)}}).Increment();
  }
  const auto verdicts = daemon::compress_verdicts(make_series());
  net::Worker io("io", 1);
  net::Worker cpu("cpu", 1);
  auto handler = [&](net::ServerRequest request) -> net::Task<net::ServerResponse> {
    const bool compressed =
        daemon::accepts_gzip(request.headers.get("Accept-Encoding").value_or(""));
    auto job = [&verdicts, &registry, compressed]() {
      return daemon::expose(verdicts, registry, compressed);
    };
    auto exposition = co_await net::offload(cpu.executor(), std::move(job));
    net::ServerResponse response;
    response.body = std::move(exposition.body);
    co_return response;
  };
  auto server = net::HttpServer::listen(io.executor(), {}, handler);
  if (!server) {
    fmt::print(stderr, "{}\n", server.error().message);
    return 1;
  }
  for (const bool compressed : {false, true}) {
    const double before = cpu_seconds();
    const pid_t child = fork();
    if (child == 0) {
      _exit(ask((*server)->port(), compressed));
    }
    int status = 0;
    if (child < 0 || waitpid(child, &status, 0) != child || status != 0) {
      fmt::print(stderr, "the scrapes failed\n");
      return 1;
    }
    fmt::print("{:<6} {} series, {} bytes: {:.3f} ms of CPU a scrape\n",
               compressed ? "gzip" : "plain",
               kSeries,
               compressed ? verdicts.compressed->deflated.size() : verdicts.plain.size(),
               (cpu_seconds() - before) * 1000 / kScrapes);
  }
  (*server)->stop();
  return 0;
}
