#include "config/web_config.hpp"
#include "daemon/doctor.hpp"
#include "daemon/web/web_config_file.hpp"
#include "net/http_client.hpp"
#include "net/http_server.hpp"
#include "storage/file_system.hpp"
#include "storage/sqlite_store.hpp"
#include "storage/store_files.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <memory>
#include <system_error>

namespace plumbline::daemon {

using core::Result;
using namespace std::chrono_literals;

namespace {

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20U;

std::string text_of(int error) {
  return std::error_code(error, std::generic_category()).message();
}

/// Empty: this user may make files there.
std::string why_not_writable(const std::string& directory) {
  std::error_code error;
  if (!std::filesystem::is_directory(directory, error)) {
    return fmt::format("{}: {}", directory, error ? error.message() : "not a directory");
  }
  return ::access(directory.c_str(), W_OK | X_OK) == 0
             ? std::string()
             : fmt::format("{}: {}", directory, text_of(errno));
}

Finding examine_web(const config::Settings& settings) {
  Finding finding{.check = "web", .detail = "plain HTTP, nobody is asked who they are"};
  if (!settings.web_config_file.empty()) {
    const auto web = load_web_state(settings.web_config_file);
    finding.detail = settings.web_config_file;
    if (!web) {
      finding.health = Health::kFail;
      finding.detail = web.error().message;
      finding.remedy = "Correct the web config file, or what it names.";
    }
  }
  return finding;
}

Finding examine_directory(const config::Settings& settings) {
  const auto directory = std::filesystem::absolute(settings.storage_path).parent_path().string();
  Finding finding{.check = "directory", .detail = directory + " can be written"};
  if (const auto why = why_not_writable(directory); !why.empty()) {
    finding.health = Health::kFail;
    finding.detail = why;
    finding.remedy =
        "Make it, mode 0700, for the daemon's user, on a file system that can be written. A "
        "directory that is the daemon's alone is looked into as root.";
    return finding;
  }
  const auto type = storage::file_system_of(directory);
  const auto suitable =
      type ? storage::check_file_system(settings.storage_path, *type) : core::Status(type.error());
  if (!suitable) {
    finding.health = Health::kFail;
    finding.detail = suitable.error().message;
    finding.remedy = "Put the database on a local disk; copies of it may go to a share.";
  }
  return finding;
}

Finding examine_store(const config::Settings& settings) {
  Finding finding{.check = "store"};
  std::error_code error;
  const auto status = std::filesystem::status(settings.storage_path, error);
  if (status.type() == std::filesystem::file_type::not_found) {
    finding.detail = settings.storage_path + " is made at the first start";
    return finding;
  }
  const auto store = storage::read_store(settings.storage_path);
  if (!store) {
    finding.health = Health::kFail;
    finding.detail = store.error().message;
    finding.remedy =
        "docs/backup.md says what to do with a damaged store; one of a newer version "
        "needs that version.";
    return finding;
  }
  const auto cycles = (*store)->cycles(1);
  finding.detail = settings.storage_path + " can be read";
  if (cycles && !cycles->empty()) {
    finding.detail += fmt::format("; last cycle {} of {}",
                                  cycles->front().number,
                                  core::to_rfc3339(cycles->front().committed_at));
  }
  return finding;
}

Finding examine_key(const config::Settings& settings) {
  const std::string path =
      settings.key_file.empty() ? settings.storage_path + ".key" : settings.key_file;
  Finding finding{.check = "key", .detail = path};
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored) &&
      !std::filesystem::exists(settings.storage_path, ignored)) {
    finding.detail += " is made with the database";
    return finding;
  }
  // Only whether it is one: the key itself is forgotten at once.
  if (const auto key = storage::load_redaction_key(path, false); !key) {
    finding.health = Health::kFail;
    finding.detail = key.error().message;
    finding.remedy = "Put the key back that was made with the database, mode 0600.";
  }
  return finding;
}

Finding examine_space(const config::Settings& settings) {
  const auto directory = std::filesystem::absolute(settings.storage_path).parent_path().string();
  struct statvfs room{};
  if (::statvfs(directory.c_str(), &room) != 0) {
    return {.check = "space",
            .health = Health::kFail,
            .detail = fmt::format("{}: {}", directory, text_of(errno)),
            .remedy = "Make the directory."};
  }
  std::error_code error;
  const auto size = std::filesystem::file_size(settings.storage_path, error);
  return judge_space(directory, std::uint64_t{room.f_bavail} * room.f_frsize, error ? 0 : size);
}

Finding examine_backups(const config::Settings& settings) {
  const auto& backup = settings.backup;
  Finding finding{.check = "backups", .detail = backup.directory + " can be written"};
  if (backup.directory.empty()) {
    finding.health = Health::kWarn;
    finding.detail = "none are made";
    finding.remedy = "Set storage.backup.directory; keep a copy of the key somewhere else.";
  } else if (const auto why = why_not_writable(backup.directory); !why.empty()) {
    finding.health = Health::kFail;
    finding.detail = why;
    finding.remedy = "Make it, for the daemon's user; the unit needs ReadWritePaths= for it.";
  } else if (!backup.after.empty() && ::access(backup.after.c_str(), X_OK) != 0) {
    finding.health = Health::kFail;
    finding.detail = fmt::format("{}: {}", backup.after, text_of(errno));
    finding.remedy = "storage.backup.after must be a program that can be run.";
  }
  return finding;
}

net::Task<void> ask(net::HttpTransport* client,
                    std::string url,
                    std::shared_ptr<Result<net::HttpResponse>> out) {
  net::HttpRequest request;
  request.url = std::move(url);
  request.deadlines = {.connect = 3s, .headers = 5s, .total = 5s};
  *out = co_await client->send(std::move(request));
}

bool daemon_answers(const config::Settings& settings) {
  net::Worker io("io", 1);
  net::ClientOptions options;
  // Nothing secret is sent, and only whether it is a Plumbline is asked.
  options.verify_peer = false;
  auto client = net::make_http_client(io.executor(), std::move(options));
  if (!client) {
    return false;
  }
  const bool everywhere = settings.listen_address == "0.0.0.0" || settings.listen_address == "::";
  const std::string host = everywhere ? "127.0.0.1"
                           : settings.listen_address.contains(':')
                               ? "[" + settings.listen_address + "]"
                               : settings.listen_address;
  for (const char* scheme : {"http", "https"}) {
    auto answer = std::make_shared<Result<net::HttpResponse>>();
    net::run_blocking(io.executor(),
                      ask(client->get(),
                          fmt::format("{}://{}:{}/-/healthy", scheme, host, settings.listen_port),
                          answer));
    // One that asks for a password says nothing more.
    if (*answer && ((*answer)->status == 401 || (*answer)->body.contains("Plumbline") ||
                    (*answer)->status == 503)) {
      return true;
    }
  }
  return false;
}

Finding examine_port(const config::Settings& settings) {
  const auto place = fmt::format("{}:{}", settings.listen_address, settings.listen_port);
  Finding finding{.check = "port", .detail = place + " is free"};
  net::Worker io("io", 1);
  net::ServerOptions options;
  options.address = settings.listen_address;
  options.port = settings.listen_port;
  auto nobody = [](net::ServerRequest) -> net::Task<net::ServerResponse> {
    net::ServerResponse response;
    response.status = 503;
    co_return response;
  };
  if (const auto server = net::HttpServer::listen(io.executor(), std::move(options), nobody);
      !server) {
    if (daemon_answers(settings)) {
      finding.detail = place + " is served by a Plumbline";
    } else {
      finding.health = Health::kFail;
      finding.detail = server.error().message;
      finding.remedy = "`ss -ltnp` shows who listens there; or change web.listen.";
    }
  }
  return finding;
}

}  // namespace

Finding judge_space(const std::string& directory, std::uint64_t free, std::uint64_t store) {
  Finding finding{
      .check = "space",
      .detail = fmt::format(
          "{}: {} MiB free, the store takes {} MiB", directory, free / kMiB, store / kMiB)};
  // A write that finds no room costs a cycle; room for as much again is what a migration and a
  // copy beside the store take.
  if (free < 64 * kMiB) {
    finding.health = Health::kFail;
  } else if (free < std::max(512 * kMiB, store)) {
    finding.health = Health::kWarn;
  }
  if (finding.health != Health::kOk) {
    finding.remedy = "Make room, or bound the store by storage.retention and storage.max_size.";
  }
  return finding;
}

std::vector<Finding> examine_machine(const config::Settings& settings) {
  return {examine_web(settings),
          examine_directory(settings),
          examine_store(settings),
          examine_key(settings),
          examine_space(settings),
          examine_backups(settings),
          examine_port(settings)};
}

}  // namespace plumbline::daemon
