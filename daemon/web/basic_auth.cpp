#include "daemon/web/basic_auth.hpp"

#include "core/text.hpp"

#include <crypt.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <exception>
#include <utility>

namespace plumbline::daemon {

namespace {

constexpr std::size_t kRemembered = 1000;
/// A login that has waited this long is not worth hashing any more: its client will have gone. The
/// queue itself is bounded by the number of connections.
constexpr std::chrono::seconds kPatience{30};
constexpr int kDefaultCost = 10;
/// `$2b$10$` and 22 characters of salt.
constexpr std::size_t kSaltEnd = 29;

std::optional<std::uint32_t> base64_digit(char c) {
  static constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const std::size_t at = kDigits.find(c);
  return at == std::string_view::npos ? std::nullopt
                                      : std::optional(static_cast<std::uint32_t>(at));
}

std::optional<std::string> decode_base64(std::string_view text) {
  while (text.ends_with('=')) {
    text.remove_suffix(1);
  }
  std::string bytes;
  std::uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    const auto digit = base64_digit(c);
    if (!digit) {
      return std::nullopt;
    }
    bits = (bits << 6U) | *digit;
    count += 6;
    if (count >= 8) {
      count -= 8;
      bytes += static_cast<char>((bits >> static_cast<unsigned>(count)) & 0xffU);
    }
  }
  return count < 6 ? std::optional(bytes) : std::nullopt;
}

bool equal_in_constant_time(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) {
    return false;
  }
  unsigned difference = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    difference |= static_cast<unsigned char>(a[i]) ^ static_cast<unsigned char>(b[i]);
  }
  return difference == 0;
}

/// What the password of a user who does not exist is compared with: as slow as the slowest real
/// one, and matching nothing.
std::string dummy_hash(const config::WebConfig& config) {
  int cost = 0;
  for (const auto& [user, hash] : config.users) {
    cost = std::max(cost, config::bcrypt_cost(hash).value_or(kDefaultCost));
  }
  return fmt::format("$2b${:02}${:.<53}", cost, "");
}

}  // namespace

std::optional<Credentials> parse_basic_authorization(std::string_view value) {
  constexpr std::string_view kScheme = "Basic ";
  if (!core::istarts_with(value, kScheme)) {
    return std::nullopt;
  }
  const auto text = decode_base64(core::trim(value.substr(kScheme.size())));
  if (!text || text->contains('\0')) {
    return std::nullopt;
  }
  const std::size_t colon = text->find(':');
  if (colon == std::string::npos) {
    return std::nullopt;
  }
  return Credentials{text->substr(0, colon), text->substr(colon + 1)};
}

bool matches_bcrypt(const std::string& password, const std::string& hash) {
  const auto workspace = std::make_unique<crypt_data>();
  const char* const made = ::crypt_r(password.c_str(), hash.c_str(), workspace.get());
  const std::string_view computed = made == nullptr ? "" : made;
  // The salt's last character has bits without a meaning, which may differ: compare what follows.
  const bool same =
      computed.size() == hash.size() && computed.size() > kSaltEnd &&
      equal_in_constant_time(computed.substr(kSaltEnd), std::string_view(hash).substr(kSaltEnd));
  ::explicit_bzero(workspace.get(), sizeof(crypt_data));
  return same;
}

struct Authenticator::Attempt {
  std::string password;
  std::string hash;
  bool user_exists = false;
  core::Sha256 key{};
  std::chrono::steady_clock::time_point asked;
};

Authenticator::Authenticator(net::Executor hashing, const core::Clock& clock)
    : hashing_(std::move(hashing)), clock_(&clock) {
  auto secret = core::random_bytes(32);
  if (!secret) {
    std::terminate();  // the system has no randomness: nothing that follows would be safe
  }
  secret_ = *std::move(secret);
}

core::Sha256 Authenticator::key_of(const Credentials& credentials, const std::string& hash) const {
  // Lengths first, so that no two logins make the same text.
  return core::hmac_sha256(secret_,
                           fmt::format("{} {} {}{}{}",
                                       credentials.user.size(),
                                       hash.size(),
                                       credentials.user,
                                       hash,
                                       credentials.password));
}

bool Authenticator::is_known(const core::Sha256& key) const {
  const std::lock_guard lock(mutex_);
  return known_.contains(key);
}

void Authenticator::remember(const core::Sha256& key) {
  const std::lock_guard lock(mutex_);
  if (!known_.insert(key).second) {
    return;
  }
  order_.push_back(key);
  if (order_.size() > kRemembered) {
    known_.erase(order_.front());
    order_.pop_front();
  }
}

Login Authenticator::check_password(const Attempt& attempt) {
  // The same login may have been found right while this one waited.
  if (attempt.user_exists && is_known(attempt.key)) {
    return Login::kAllowed;
  }
  if (clock_->steady_now() - attempt.asked > kPatience) {
    return Login::kBusy;
  }
  const bool matches = matches_bcrypt(attempt.password, attempt.hash);
  if (!matches || !attempt.user_exists) {
    return Login::kDenied;
  }
  remember(attempt.key);
  return Login::kAllowed;
}

net::Task<Login> Authenticator::check(std::shared_ptr<const config::WebConfig> config,
                                      std::string authorization) {
  const auto credentials = parse_basic_authorization(authorization);
  if (!credentials) {
    co_return Login::kDenied;
  }
  Attempt attempt;
  const auto user = config->users.find(credentials->user);
  attempt.user_exists = user != config->users.end();
  attempt.hash = attempt.user_exists ? user->second : dummy_hash(*config);
  attempt.password = credentials->password;
  attempt.key = key_of(*credentials, attempt.hash);
  attempt.asked = clock_->steady_now();
  if (attempt.user_exists && is_known(attempt.key)) {
    co_return Login::kAllowed;
  }
  auto job = [this, attempt = std::move(attempt)]() { return check_password(attempt); };
  co_return co_await net::offload(hashing_, std::move(job));
}

}  // namespace plumbline::daemon
