#include "collectors/identity/credential.hpp"

#include "core/json_limits.hpp"
#include "core/text.hpp"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

namespace plumbline::collectors {

using core::Errc;
using core::Error;
using core::Result;
using namespace std::chrono_literals;

namespace {

constexpr auto kExpiryMargin = 5min;  // contracts 1.8: expired five minutes before expiry
constexpr std::size_t kMaxWord = 200;

std::optional<std::int64_t> number_of(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(number)
                                                                  : std::nullopt;
}

std::optional<std::int64_t> number_member(simdjson::dom::element object, const char* name) {
  simdjson::dom::element value;
  if (object[name].get(value) != simdjson::SUCCESS) {
    return std::nullopt;
  }
  std::int64_t number = 0;
  if (value.get(number) == simdjson::SUCCESS) {
    return number;
  }
  std::string_view text;
  return value.get(text) == simdjson::SUCCESS ? number_of(text) : std::nullopt;
}

/// The numbers of a text of the form that `digits` describes: `9999-99-99 99:99:99`, where every
/// other character must be the same in both.
std::optional<std::array<int, 6>> numbers_of(std::string_view text, std::string_view form) {
  if (text.size() < form.size()) {
    return std::nullopt;
  }
  std::array<int, 6> out{};
  std::size_t at = 0;
  for (std::size_t i = 0; i < form.size(); ++i) {
    if (form[i] == '9') {
      if (text[i] < '0' || text[i] > '9') {
        return std::nullopt;
      }
      out.at(at) = out.at(at) * 10 + (text[i] - '0');
    } else if (text[i] != form[i]) {
      return std::nullopt;
    } else {
      ++at;
    }
  }
  return out;
}

/// The layouts of dates that have been seen in `expires_on`, all in UTC.
std::optional<core::Time> date_of(std::string_view text) {
  std::optional<std::array<int, 6>> parts = numbers_of(text, "9999-99-99 99:99:99");
  if (!parts) {
    parts = numbers_of(text, "9999-99-99T99:99:99");
  }
  if (!parts) {
    if (const auto american = numbers_of(text, "99/99/9999 99:99:99")) {
      const auto& a = *american;
      parts = std::array{a[2], a[0], a[1], a[3], a[4], a[5]};
    }
  }
  if (!parts) {
    return std::nullopt;
  }
  const auto& p = *parts;
  const std::chrono::year_month_day day(std::chrono::year(p[0]),
                                        std::chrono::month(static_cast<unsigned>(p[1])),
                                        std::chrono::day(static_cast<unsigned>(p[2])));
  if (!day.ok() || p[3] > 23 || p[4] > 59 || p[5] > 60) {
    return std::nullopt;
  }
  return core::Time(std::chrono::sys_days(day).time_since_epoch() + std::chrono::hours(p[3]) +
                    std::chrono::minutes(p[4]) + std::chrono::seconds(p[5]));
}

/// The end of validity that a body tells of, in whichever of its ways.
std::optional<core::Time> expiry_of(simdjson::dom::element root, core::Time now) {
  if (const auto in = number_member(root, "expires_in"); in && *in > 0 && *in < 10'000'000) {
    return now + std::chrono::seconds(*in);
  }
  if (const auto on = number_member(root, "expires_on"); on && *on > 0 && *on < 100'000'000'000) {
    return core::Time(std::chrono::seconds(*on));
  }
  std::string_view text;
  return root["expires_on"].get(text) == simdjson::SUCCESS ? date_of(text) : std::nullopt;
}

struct CodeMeaning {
  int code;
  std::string_view meaning;
};

// What somebody who reads the log has to know; Entra's own texts name ids and are left out.
constexpr std::array kMeanings = {
    CodeMeaning{70021, "no federated credential of the application matches the token"},
    CodeMeaning{90002, "there is no such tenant"},
    CodeMeaning{90061, "Entra cannot reach the issuer of the federated token"},
    CodeMeaning{500011, "the tenant does not know the audience"},
    CodeMeaning{700016, "the tenant does not know the client id"},
    CodeMeaning{700023, "the assertion is for another tenant or authority"},
    CodeMeaning{700024, "the assertion is too old or from the future: check the clock"},
    CodeMeaning{700027, "the certificate is not registered, or is no longer valid"},
    CodeMeaning{700211, "no federated credential of the application has the token's issuer"},
    CodeMeaning{700212, "no federated credential of the application has the token's audience"},
    CodeMeaning{700213, "no federated credential of the application has the token's subject"},
    CodeMeaning{7000215, "the client secret is wrong"},
    CodeMeaning{7000222, "the client secret has expired"},
};

/// The first AADSTS code of an error body. `error_codes` may be a list or a text that looks like
/// one; where it is missing, the description begins with the code.
std::optional<std::int64_t> aadsts_code(simdjson::dom::element root) {
  std::int64_t code = 0;
  simdjson::dom::array codes;
  if (root["error_codes"].get(codes) == simdjson::SUCCESS && codes.size() > 0 &&
      codes.at(0).get(code) == simdjson::SUCCESS) {
    return code;
  }
  std::string_view text;
  for (const auto& [member, prefix] :
       {std::pair("error_codes", std::string_view("[")),
        std::pair("error_description", std::string_view("AADSTS"))}) {
    if (root[member].get(text) == simdjson::SUCCESS && text.starts_with(prefix)) {
      text.remove_prefix(prefix.size());
      if (const auto number = number_of(text.substr(0, text.find_first_not_of("0123456789")))) {
        return number;
      }
    }
  }
  return std::nullopt;
}

/// ` invalid_client AADSTS7000215 (the client secret is wrong)`; empty where the body says nothing.
std::string refusal_text(std::string_view body) {
  simdjson::dom::parser parser;
  simdjson::dom::element root;
  if (!core::check_json_limits(body) ||
      parser.parse(body.data(), body.size()).get(root) != simdjson::SUCCESS) {
    return {};
  }
  std::string out;
  std::string_view word;
  if (root["error"].get(word) == simdjson::SUCCESS && !word.empty()) {
    out += " ";
    for (const char c : word.substr(0, kMaxWord)) {
      out += c >= ' ' && c != 0x7f ? c : '?';
    }
  }
  if (const auto code = aadsts_code(root)) {
    out += fmt::format(" AADSTS{}", *code);
    const auto* const known = std::ranges::find(kMeanings, *code, &CodeMeaning::code);
    if (known != kMeanings.end()) {
      out += fmt::format(" ({})", known->meaning);
    }
  }
  return out;
}

}  // namespace

TokenAttempt TokenAttempt::failed(Error error) {
  TokenAttempt attempt;
  attempt.token = std::move(error);
  return attempt;
}

TokenAttempt TokenAttempt::absent(Error error) {
  TokenAttempt attempt = failed(std::move(error));
  attempt.unavailable = true;
  return attempt;
}

bool TokenAttempt::lost() const {
  if (status != 0 || token) {
    return false;
  }
  const Errc code = token.error().code;
  return code == Errc::kNetwork || code == Errc::kTimeout || code == Errc::kTruncated;
}

net::Task<Result<net::HttpResponse>> exchange(IdentityParts parts,
                                              std::string service,
                                              net::HttpRequest request) {
  request.deadlines.connect = std::min<std::chrono::milliseconds>(request.deadlines.connect, 10s);
  request.max_body_bytes = std::size_t{1} << 20U;
  const auto started = parts.clock->steady_now();
  auto response = co_await parts.transport->send(std::move(request));
  const std::chrono::duration<double> took = parts.clock->steady_now() - started;
  const std::string code = response ? fmt::format("{}", response->status)
                                    : std::string(core::to_string(response.error().code));
  parts.metrics->count_request(service, code, took);
  if (response && response->status == 429) {
    parts.metrics->count_throttled(service);
  }
  co_return response;
}

AccessToken with_lifetime(std::string value,
                          core::Time now,
                          core::Time expires_at,
                          std::optional<std::chrono::seconds> refresh_in) {
  AccessToken token;
  token.value = std::move(value);
  token.expires_at = expires_at;
  const core::Time::duration lifetime = expires_at - now;
  token.stale_at = expires_at - std::min<core::Time::duration>(kExpiryMargin, lifetime / 2);
  token.refresh_at = token.stale_at;
  if (refresh_in && *refresh_in > 0s) {
    token.refresh_at = std::min<core::Time>(now + *refresh_in, token.stale_at);
  } else if (lifetime > 2h) {
    token.refresh_at = now + lifetime / 2;
  }
  return token;
}

Result<AccessToken> parse_token_response(std::string_view body, core::Time now) {
  if (auto limits = core::check_json_limits(body); !limits) {
    return limits.error();
  }
  simdjson::dom::parser parser;
  simdjson::dom::element root;
  std::string_view value;
  if (parser.parse(body.data(), body.size()).get(root) != simdjson::SUCCESS || !root.is_object()) {
    return Error{Errc::kParse, "the identity service answered 200 with something that is not JSON"};
  }
  if (root["access_token"].get(value) != simdjson::SUCCESS || value.empty()) {
    return Error{Errc::kParse, "the identity service answered 200 without an access_token"};
  }
  const auto expires_at = expiry_of(root, now);
  if (!expires_at) {
    return Error{Errc::kParse, "the identity service's answer says nothing of the token's expiry"};
  }
  std::optional<std::chrono::seconds> refresh_in;
  if (const auto seconds = number_member(root, "refresh_in");
      seconds && *seconds > 0 && *seconds < 10'000'000) {
    refresh_in = std::chrono::seconds(*seconds);
  }
  return with_lifetime(std::string(value), now, *expires_at, refresh_in);
}

TokenAttempt read_answer(const net::HttpResponse& response, core::Time now) {
  TokenAttempt attempt;
  attempt.status = response.status;
  if (const auto after = response.headers.get("Retry-After")) {
    attempt.retry_after = net::parse_retry_after(*after, now);
  }
  if (response.status == 200) {
    attempt.token = parse_token_response(response.body, now);
    return attempt;
  }
  Error error;
  error.code = response.status == 429   ? Errc::kThrottled
               : response.status >= 500 ? Errc::kUnavailable
                                        : Errc::kUnauthorized;
  error.message = fmt::format("status {}{}", response.status, refusal_text(response.body));
  attempt.token = std::move(error);
  return attempt;
}

}  // namespace plumbline::collectors
