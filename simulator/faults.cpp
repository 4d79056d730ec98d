#include "simulator/faults.hpp"

#include "core/text.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace plumbline::simulator {

namespace {

using core::Errc;
using core::Error;

std::optional<std::regex> compile(std::string pattern) {
  auto flags = std::regex::ECMAScript | std::regex::optimize;
  if (pattern.starts_with("(?i)")) {  // which ECMAScript does not have
    pattern.erase(0, 4);
    flags |= std::regex::icase;
  }
  try {
    return std::regex(pattern, flags);
  } catch (const std::regex_error&) {
    return std::nullopt;
  }
}

std::optional<FaultKind> kind_of(const std::string& name) {
  if (name.empty() || name == "answer") {
    return FaultKind::kAnswer;
  }
  if (name == "close") {
    return FaultKind::kClose;
  }
  if (name == "malformed_json") {
    return FaultKind::kMalformedJson;
  }
  if (name == "foreign_next_link") {
    return FaultKind::kForeignNextLink;
  }
  return std::nullopt;
}

/// A member that holds a whole number from 0 up; nullopt and an entry in `bad` otherwise.
std::optional<std::int64_t> whole_number(const Json& object, const char* name, std::string& bad) {
  const auto found = object.find(name);
  if (found == object.end() || found->is_null()) {
    return std::nullopt;
  }
  if (!found->is_number_integer() || found->get<std::int64_t>() < 0 ||
      found->get<std::int64_t>() > 1'000'000'000) {
    bad = name;
    return std::nullopt;
  }
  return found->get<std::int64_t>();
}

core::Result<Fault> parse_fault(const Json& json) {
  const auto invalid = [](std::string_view what) { return Error{Errc::kParse, std::string(what)}; };
  if (!json.is_object() || !json.value("match", Json()).is_object()) {
    return invalid("a fault is an object with a member 'match'");
  }
  for (const auto& [key, value] : json.items()) {
    static constexpr std::string_view kKnown[] = {"match",
                                                  "kind",
                                                  "status",
                                                  "body_code",
                                                  "message",
                                                  "body",
                                                  "retry_after",
                                                  "headers",
                                                  "next_link",
                                                  "truncate_body_at",
                                                  "delay_ms",
                                                  "times",
                                                  "comment"};
    if (std::ranges::find(kKnown, key) == std::end(kKnown)) {
      return invalid(fmt::format("unknown member '{}'", key));
    }
  }
  const Json& match = json["match"];
  for (const auto& [key, value] : match.items()) {
    static constexpr std::string_view kKnown[] = {
        "method", "path_prefix", "path_regex", "subscription", "body_contains"};
    if (std::ranges::find(kKnown, key) == std::end(kKnown) || !value.is_string()) {
      return invalid(fmt::format("unknown or malformed member 'match.{}'", key));
    }
  }
  Fault fault;
  fault.method = string_member(match, "method");
  fault.path_prefix = core::to_lower(string_member(match, "path_prefix"));
  fault.subscription = core::to_lower(string_member(match, "subscription"));
  fault.body_contains = string_member(match, "body_contains");
  if (match.contains("path_regex")) {
    fault.path_regex = compile(string_member(match, "path_regex"));
    if (!fault.path_regex) {
      return invalid("match.path_regex is no regular expression");
    }
  }
  const auto kind = kind_of(string_member(json, "kind"));
  if (!kind) {
    return invalid("kind is answer, close, malformed_json or foreign_next_link");
  }
  fault.kind = *kind;
  std::string bad;
  if (const auto status = whole_number(json, "status", bad)) {
    fault.status = static_cast<int>(*status);
    if (*status < 200 || *status > 599) {
      bad = "status";
    }
  }
  if (const auto size = whole_number(json, "truncate_body_at", bad)) {
    fault.truncate_body_at = static_cast<std::size_t>(*size);
  }
  if (const auto delay = whole_number(json, "delay_ms", bad)) {
    fault.delay = std::chrono::milliseconds(*delay);
  }
  if (const auto times = whole_number(json, "times", bad)) {
    fault.times = static_cast<int>(*times);
  }
  if (!bad.empty()) {
    return invalid(fmt::format("'{}' is out of range", bad));
  }
  const Json retry_after = json.value("retry_after", Json());
  fault.retry_after = retry_after.is_string() ? retry_after.get<std::string>()
                      : retry_after.is_null() ? std::string()
                                              : dump(retry_after);
  fault.body_code = string_member(json, "body_code");
  fault.message = string_member(json, "message", "A fault of the simulator.");
  fault.next_link = string_member(
      json, "next_link", "https://attacker.example/subscriptions?api-version=2022-12-01");
  if (json.contains("body")) {
    fault.body = json["body"].is_string() ? json["body"].get<std::string>() : dump(json["body"]);
  }
  const Json headers = json.value("headers", Json::object());
  for (const auto& [name, value] : headers.items()) {
    fault.headers.add(name, value.is_string() ? value.get<std::string>() : dump(value));
  }
  return fault;
}

bool concerns(const net::ServerRequest& request, const std::string& path, const Fault& fault) {
  if (!fault.subscription.empty() &&
      !(path + "/").starts_with("/subscriptions/" + fault.subscription + "/") &&
      core::to_lower(request.body).find(fault.subscription) == std::string::npos) {
    return false;
  }
  return (fault.method.empty() || core::iequals(fault.method, request.method)) &&
         path.starts_with(fault.path_prefix) &&
         (!fault.path_regex || std::regex_search(request.path, *fault.path_regex)) &&
         request.body.find(fault.body_contains) != std::string::npos;
}

std::string_view default_code(int status) {
  switch (status) {
    case 401:
      return "InvalidAuthenticationToken";
    case 403:
      return "AuthorizationFailed";
    case 404:
      return "ResourceNotFound";
    case 429:
      return "TooManyRequests";
    case 503:
      return "ServiceUnavailable";
    case 504:
      return "GatewayTimeout";
    default:
      return status >= 500 ? "InternalServerError" : "BadRequest";
  }
}

}  // namespace

core::Status Faults::replace(const Json& faults) {
  if (!faults.is_array()) {
    return Error{Errc::kParse, "faults are an array"};
  }
  std::vector<Fault> parsed;
  for (std::size_t i = 0; i < faults.size(); ++i) {
    core::Result<Fault> fault = parse_fault(faults[i]);
    if (!fault) {
      return fault.error().with_context(fmt::format("fault {}", i));
    }
    parsed.push_back(*std::move(fault));
  }
  faults_ = std::move(parsed);
  return core::Status::ok();
}

void Faults::clear() {
  faults_.clear();
}

std::optional<Fault> Faults::take(const net::ServerRequest& request) {
  const std::string path = core::to_lower(request.path);
  for (Fault& fault : faults_) {
    if ((!fault.times || *fault.times > 0) && concerns(request, path, fault)) {
      if (fault.times) {
        --*fault.times;
      }
      return fault;
    }
  }
  return std::nullopt;
}

Reply fault_reply(const Fault& fault) {
  const int status = fault.status.value_or(200);
  const std::string_view code =
      fault.body_code.empty() ? default_code(status) : std::string_view(fault.body_code);
  Reply reply = arm_error(status, code, fault.message);
  reply.raw = fault.body;
  reply.headers = fault.headers;
  if (!fault.retry_after.empty()) {
    reply.headers.set("Retry-After", fault.retry_after);
  }
  if (status == 401 && !reply.headers.get("WWW-Authenticate")) {
    reply.headers.add("WWW-Authenticate", "Bearer error=\"invalid_token\"");
  }
  return reply;
}

}  // namespace plumbline::simulator
