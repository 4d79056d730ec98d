#include "collectors/identity/credential_chain.hpp"

#include <fmt/format.h>

#include <utility>

namespace plumbline::collectors {

using core::Errc;
using core::Error;

namespace {

using Delay = std::optional<std::chrono::milliseconds>;

class Absent final : public Credential {
 public:
  Absent(std::string name, Error reason) : name_(std::move(name)), reason_(std::move(reason)) {}

  [[nodiscard]] std::string_view name() const override { return name_; }

  net::Task<TokenAttempt> ask(std::string /*audience*/) override {
    co_return TokenAttempt::absent(reason_);
  }

  [[nodiscard]] Delay retry_delay(const TokenAttempt& /*failed*/, int /*attempt*/) const override {
    return std::nullopt;
  }

 private:
  std::string name_;
  Error reason_;
};

class Chain final : public Credential {
 public:
  Chain(std::vector<std::unique_ptr<Credential>> members, core::Log& log)
      : members_(std::move(members)), log_(&log) {}

  [[nodiscard]] std::string_view name() const override { return "default"; }

  net::Task<TokenAttempt> ask(std::string audience) override {
    std::string reasons;
    for (const auto& member : members_) {
      if (kept_ != nullptr && kept_ != member.get()) {
        continue;
      }
      asked_ = member.get();
      TokenAttempt attempt = co_await member->ask(audience);
      if (attempt.token && kept_ == nullptr) {
        kept_ = member.get();
        log_->info("credential_chosen", {{core::log_field::kKind, std::string(member->name())}});
      }
      if (attempt.token) {
        co_return attempt;
      }
      const Error error = attempt.token.error().with_context(member->name());
      if (kept_ != nullptr || !attempt.unavailable) {
        attempt.token = error;
        co_return attempt;
      }
      reasons += (reasons.empty() ? "" : "; ") + error.message;
    }
    asked_ = nullptr;
    co_return TokenAttempt::failed(
        Error{Errc::kUnauthorized, "no way of signing in exists here: " + reasons});
  }

  [[nodiscard]] Delay retry_delay(const TokenAttempt& failed, int attempt) const override {
    return asked_ != nullptr ? asked_->retry_delay(failed, attempt) : std::nullopt;
  }

 private:
  std::vector<std::unique_ptr<Credential>> members_;
  core::Log* log_;
  Credential* kept_ = nullptr;
  Credential* asked_ = nullptr;
};

}  // namespace

std::unique_ptr<Credential> make_absent(std::string name, Error reason) {
  return std::make_unique<Absent>(std::move(name), std::move(reason));
}

std::unique_ptr<Credential> make_chain(std::vector<std::unique_ptr<Credential>> members,
                                       core::Log& log) {
  return std::make_unique<Chain>(std::move(members), log);
}

}  // namespace plumbline::collectors
