#include "daemon/web/web_config_file.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <utility>

namespace plumbline::daemon {

using core::Errc;
using core::Error;
using core::Result;

namespace {

constexpr std::chrono::seconds kLookInterval{1};

using State = std::shared_ptr<const WebState>;

Result<net::Pem> read_pem(const config::NamedFile& file) {
  auto text = config::read_named_file(file);
  if (!text) {
    return text.error();
  }
  return net::Pem{*std::move(text), file.position + ": " + file.path};
}

Result<std::shared_ptr<const net::ServerTls>> make_tls(const config::WebTls& tls) {
  using config::ClientAuth;
  net::ServerTlsOptions options;
  const std::pair<const config::NamedFile*, net::Pem*> files[] = {
      {&tls.certificate, &options.certificate},
      {&tls.private_key, &options.private_key},
      {tls.client_ca ? &*tls.client_ca : nullptr, &options.client_ca}};
  for (const auto& [file, pem] : files) {
    if (file != nullptr) {
      auto read = read_pem(*file);
      if (!read) {
        return read.error();
      }
      *pem = *std::move(read);
    }
  }
  options.ask_client = tls.client_auth != ClientAuth::kNone;
  options.require_client = tls.client_auth == ClientAuth::kRequireAny ||
                           tls.client_auth == ClientAuth::kRequireAndVerify;
  options.verify_client = tls.client_auth == ClientAuth::kVerifyIfGiven ||
                          tls.client_auth == ClientAuth::kRequireAndVerify;
  options.client_allowed_sans = tls.client_allowed_sans;
  options.allow_tls12 = tls.allow_tls12;
  options.allow_tls13 = tls.allow_tls13;
  options.ciphers_tls12 = tls.ciphers_tls12;
  options.ciphers_tls13 = tls.ciphers_tls13;
  options.groups = tls.groups;
  options.prefer_server_ciphers = tls.prefer_server_ciphers;
  return net::make_server_tls(std::move(options));
}

Result<State> make_state(config::WebConfig config) {
  WebState state;
  state.config = std::move(config);
  if (state.config.tls) {
    auto tls = make_tls(*state.config.tls);
    if (!tls) {
      return tls.error();
    }
    state.tls = *std::move(tls);
  }
  return std::make_shared<const WebState>(std::move(state));
}

}  // namespace

WebConfigFile::WebConfigFile(std::string path, const core::Clock& clock, core::Log& log)
    : path_(std::move(path)), clock_(&clock), log_(&log), looked_(clock.steady_now()) {}

WebConfigFile::Version WebConfigFile::version_of(const std::string& path) {
  struct stat found{};
  if (::stat(path.c_str(), &found) != 0) {
    return std::nullopt;
  }
  const auto nanoseconds = [](const timespec& time) {
    return (static_cast<std::int64_t>(time.tv_sec) * 1'000'000'000) + time.tv_nsec;
  };
  return std::array<std::int64_t, 5>{static_cast<std::int64_t>(found.st_dev),
                                     static_cast<std::int64_t>(found.st_ino),
                                     found.st_size,
                                     nanoseconds(found.st_mtim),
                                     nanoseconds(found.st_ctim)};
}

WebConfigFile::Attempt WebConfigFile::load(const std::string& path) {
  // Versions are taken before the files are read: what changes in between is read again.
  Attempt attempt;
  const auto look = [&](const std::string& file) {
    attempt.seen.emplace_back(file, version_of(file));
  };
  look(path);
  auto config = config::load_web_config(path);
  if (!config) {
    attempt.state = config.error();
    return attempt;
  }
  if (config->tls) {
    look(config->tls->certificate.path);
    look(config->tls->private_key.path);
    if (config->tls->client_ca) {
      look(config->tls->client_ca->path);
    }
  }
  attempt.state = make_state(*std::move(config));
  return attempt;
}

Result<std::unique_ptr<WebConfigFile>> WebConfigFile::open(std::string path,
                                                           const core::Clock& clock,
                                                           core::Log& log,
                                                           std::function<void(bool)> on_reload) {
  std::unique_ptr<WebConfigFile> file(new WebConfigFile(std::move(path), clock, log));
  file->on_reload_ = std::move(on_reload);
  if (file->path_.empty()) {
    file->state_ = std::make_shared<const WebState>();
    return file;
  }
  Attempt first = load(file->path_);
  if (!first.state) {
    return first.state.error();
  }
  file->state_ = *std::move(first.state);
  file->seen_ = std::move(first.seen);
  return file;
}

bool WebConfigFile::is_changed() const {
  return std::ranges::any_of(
      seen_, [](const auto& file) { return version_of(file.first) != file.second; });
}

void WebConfigFile::read_again() {
  Attempt attempt = load(path_);
  seen_ = std::move(attempt.seen);
  Result<State> loaded = std::move(attempt.state);
  if (loaded && ((*loaded)->tls == nullptr) != (state_->tls == nullptr)) {
    loaded = Error{Errc::kInvalidArgument, path_ + ": restart to turn TLS on or off"};
  }
  if (loaded) {
    state_ = *std::move(loaded);
    log_->info("web_config_reloaded", {{core::log_field::kPath, path_}});
    on_reload_(true);
  } else {
    log_->error("web_config_reload_failed", {{core::log_field::kError, loaded.error().message}});
    on_reload_(false);
  }
}

std::shared_ptr<const WebState> WebConfigFile::current() {
  if (!path_.empty() && clock_->steady_now() - looked_ >= kLookInterval) {
    looked_ = clock_->steady_now();
    if (is_changed()) {
      read_again();
    }
  }
  return state_;
}

Result<std::shared_ptr<const WebState>> load_web_state(const std::string& path) {
  return WebConfigFile::load(path).state;
}

}  // namespace plumbline::daemon
