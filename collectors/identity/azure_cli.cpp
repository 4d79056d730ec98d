#include "collectors/identity/azure_cli.hpp"

#include "collectors/identity/child_process.hpp"
#include "core/json_limits.hpp"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <ctime>
#include <utility>

namespace plumbline::collectors {

using core::Errc;
using core::Error;
using core::Result;

namespace {

constexpr std::size_t kMaxOutput = std::size_t{256} << 10U;

/// `2026-11-22 15:04:05.000000`, in local time.
std::optional<core::Time> local_time(const std::string& text) {
  std::tm parts{};
  const char* const rest = ::strptime(text.c_str(), "%Y-%m-%d %H:%M:%S", &parts);
  if (rest == nullptr) {
    return std::nullopt;
  }
  parts.tm_isdst = -1;
  const std::time_t seconds = std::mktime(&parts);
  return seconds > 0 ? std::optional(core::Time(std::chrono::seconds(seconds))) : std::nullopt;
}

/// Why az failed, as far as can be told without repeating what it printed.
Error refusal(const ChildOutput& output) {
  std::string message = fmt::format("az ended with {}", output.exit_code);
  const auto code = output.err.find("AADSTS");
  if (code != std::string::npos) {
    const auto end = output.err.find_first_not_of("0123456789", code + 6);
    message += " " + output.err.substr(code, std::min(end, code + 20) - code);
  }
  if (output.err.contains("az login")) {
    message += ": nobody is signed in; run az login as the daemon's user";
  }
  return Error{Errc::kUnauthorized, std::move(message)};
}

class AzureCli final : public Credential {
 public:
  AzureCli(IdentityParts parts, AzureCliOptions options)
      : parts_(parts), options_(std::move(options)) {}

  [[nodiscard]] std::string_view name() const override { return "azure cli"; }

  net::Task<TokenAttempt> ask(std::string audience) override {
    std::vector<std::string> arguments = {
        "az", "account", "get-access-token", "--output", "json", "--resource", std::move(audience)};
    if (!options_.tenant_id.empty()) {
      arguments.insert(arguments.end(), {"--tenant", options_.tenant_id});
    }
    const auto started = parts_.clock->steady_now();
    const auto output = co_await run_child(std::move(arguments), options_.patience, kMaxOutput);
    const std::chrono::duration<double> took = parts_.clock->steady_now() - started;
    const std::string code = output ? fmt::format("{}", output->exit_code)
                                    : std::string(core::to_string(output.error().code));
    parts_.metrics->count_request("azure_cli", code, took);
    if (!output) {
      co_return TokenAttempt::absent(output.error());
    }
    if (output->exit_code != 0) {
      co_return TokenAttempt::absent(refusal(*output));
    }
    TokenAttempt attempt;
    attempt.token = parse_azure_cli(output->out, parts_.clock->now());
    co_return attempt;
  }

  [[nodiscard]] std::optional<std::chrono::milliseconds> retry_delay(
      const TokenAttempt& /*failed*/, int /*attempt*/) const override {
    return std::nullopt;  // az retries on its own terms
  }

 private:
  IdentityParts parts_;
  AzureCliOptions options_;
};

}  // namespace

Result<AccessToken> parse_azure_cli(std::string_view output, core::Time now) {
  simdjson::dom::parser parser;
  simdjson::dom::element root;
  std::string_view value;
  if (!core::check_json_limits(output) ||
      parser.parse(output.data(), output.size()).get(root) != simdjson::SUCCESS ||
      root["accessToken"].get(value) != simdjson::SUCCESS || value.empty()) {
    return Error{Errc::kParse, "az printed something else than a token"};
  }
  std::optional<core::Time> expires_at;
  std::int64_t seconds = 0;
  std::string_view text;
  if (root["expires_on"].get(seconds) == simdjson::SUCCESS && seconds > 0 &&
      seconds < 100'000'000'000) {
    expires_at = core::Time(std::chrono::seconds(seconds));
  } else if (root["expiresOn"].get(text) == simdjson::SUCCESS) {
    expires_at = local_time(std::string(text));
  }
  if (!expires_at) {
    return Error{Errc::kParse, "az says nothing of the token's expiry"};
  }
  return with_lifetime(std::string(value), now, *expires_at, std::nullopt);
}

std::unique_ptr<Credential> make_azure_cli(IdentityParts parts, AzureCliOptions options) {
  return std::make_unique<AzureCli>(parts, std::move(options));
}

}  // namespace plumbline::collectors
