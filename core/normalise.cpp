#include "core/normalise.hpp"

#include "core/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <vector>

namespace plumbline::core {

namespace {

using simdjson::dom::element;
using simdjson::dom::element_type;

// A string whose property name ends in one of these is a secret (names compared in lower case).
constexpr std::array<std::string_view, 18> kSecretSuffixes = {
    "connectionstring",
    "password",
    "secret",
    "accesskey",
    "accountkey",
    "apikey",
    "masterkey",
    "token",
    "primarykey",
    "secondarykey",
    "privatekey",
    "sharedkey",
    "clientsecret",
    "instrumentationkey",
    "functionkey",
    "authkey",
    "passphrase",
    "protectedsettings",
};

// Where a list goes on is no secret.
constexpr std::array<std::string_view, 2> kHarmlessTokens = {"skiptoken", "continuationtoken"};

// An object, and what is a secret in it though its name does not tell. Empty: all texts in it are
// what somebody sends along with a request, as headers are.
struct SecretMember {
  std::string_view object;  // the end of its name
  std::string_view member;
};

constexpr std::array<SecretMember, 4> kSecretMembers = {{
    {"headers", "value"},
    {"headers", "authorization"},
    {"storageaccount", "key"},
    {"webhookproperties", ""},
}};

// A property that is named like a secret may be the switch that allows it.
constexpr std::array<std::string_view, 2> kSwitchPositions = {"enabled", "disabled"};

// Keys with a meaning of their own to the policy engine, which a resource must not be able to use.
constexpr std::array<std::string_view, 2> kReservedKeys = {"$noEvidence", "$plumblineRelations"};

// A URI under one of these names carries its secret in the path as well (chat and function hooks).
constexpr std::array<std::string_view, 6> kSecretUriNames = {
    "serviceuri", "callbackurl", "httptriggerurl", "webhookurl", "webhookuri", "hookurl"};

// `Name=value` inside any string gives the string away as a connection string.
constexpr std::array<std::string_view, 7> kConnectionMarkers = {"accountkey=",
                                                                "sharedaccesskey=",
                                                                "instrumentationkey=",
                                                                "password=",
                                                                "pwd=",
                                                                "sharedsecret=",
                                                                "sharedaccesssignature="};

bool has_uri_scheme(std::string_view text) {
  const auto end = text.find("://");
  return end != std::string_view::npos && end > 0 && end < 12 &&
         std::ranges::all_of(
             text.substr(0, end),
             [](char c) {
               const char lower = ascii_lower(c);
               return (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') || c == '+' ||
                      c == '-';
             });
}

bool is_noise(std::string_view root_member) {
  return root_member == "etag" || root_member == "systemData";
}

/// Members of `properties` that say when the resource was last written, not what it is.
bool is_noise_property(std::string_view member) {
  return member == "modifiedDate" || member == "lastModifiedDate" || member == "lastUpdatedTime";
}

bool is_secret_member(std::string_view object, std::string_view member) {
  return std::ranges::any_of(kSecretMembers, [&](const SecretMember& secret) {
    return iends_with(object, secret.object) &&
           (secret.member.empty() || iequals(member, secret.member));
  });
}

void append_number(std::string& out, element value) {
  switch (value.type()) {
    case element_type::INT64:
      fmt::format_to(std::back_inserter(out), "{}", value.get_int64().value_unsafe());
      break;
    case element_type::UINT64:
      fmt::format_to(std::back_inserter(out), "{}", value.get_uint64().value_unsafe());
      break;
    default:
      fmt::format_to(std::back_inserter(out), "{}", value.get_double().value_unsafe());
  }
}

struct Member {
  std::string_view key;
  element value;
};

void append_key(std::string& out, std::string_view key) {
  const bool reserved = std::ranges::find(kReservedKeys, key) != kReservedKeys.end();
  append_json_quoted(out, reserved ? std::string("~").append(key) : std::string(key));
  out += ':';
}

std::vector<Member> sorted_members(simdjson::dom::object object) {
  std::vector<Member> members;
  members.reserve(object.size());
  for (const auto member : object) {
    members.push_back({member.key, member.value});
  }
  std::ranges::sort(members, {}, &Member::key);
  return members;
}

}  // namespace

std::string Normaliser::fingerprint(std::string_view secret) const {
  if (secret.starts_with("redacted:")) {
    return std::string(secret);  // already redacted: stored bodies pass through here again
  }
  // 64 bits tell a changed secret from an unchanged one and are of no use to guess it without the
  // key.
  return "redacted:" + to_hex(hmac_sha256(key_, secret)).substr(0, 16);
}

std::string Normaliser::redact_uri(std::string_view text, bool path_is_secret) const {
  const auto authority = text.find("://") + 3;
  auto rest = text.substr(authority);
  const auto authority_end = std::min(rest.find_first_of("/?#"), rest.size());
  std::string_view host = rest.substr(0, authority_end);
  std::string out(text.substr(0, authority));
  if (const auto at = host.rfind('@'); at != std::string_view::npos) {
    out += fingerprint(host.substr(0, at)) + "@";
    host.remove_prefix(at + 1);
  }
  out += host;
  rest.remove_prefix(authority_end);
  const auto query = std::min(rest.find('?'), rest.size());
  const std::string_view path = rest.substr(0, query);
  if (path_is_secret && path.size() > 1) {
    out += "/" + fingerprint(path.substr(1));
  } else {
    out += path;
  }
  if (query < rest.size()) {
    char separator = '?';
    for (const auto pair : split(rest.substr(query + 1), '&')) {
      const auto equals = pair.find('=');
      out += separator;
      out += pair.substr(0, equals);
      if (equals != std::string_view::npos) {
        out += "=" + fingerprint(pair.substr(equals + 1));
      }
      separator = '&';
    }
  }
  return out;
}

std::string Normaliser::redact(std::string_view property, std::string_view text) const {
  if (text.empty() || text.starts_with("redacted:")) {
    return std::string(text);
  }
  const bool uri = has_uri_scheme(text);
  const auto is_name = [&](std::string_view name) { return iequals(property, name); };
  if (uri && std::ranges::any_of(kSecretUriNames, is_name)) {
    return redact_uri(text, true);
  }
  const auto ends_name = [&](std::string_view suffix) { return iends_with(property, suffix); };
  if (std::ranges::any_of(kSecretSuffixes, ends_name) &&
      std::ranges::none_of(kHarmlessTokens, ends_name)) {
    const bool is_switch = std::ranges::any_of(
        kSwitchPositions, [&](std::string_view position) { return iequals(position, text); });
    return is_switch ? std::string(text) : fingerprint(text);
  }
  const auto marked = [&](std::string_view marker) {
    const auto at = std::ranges::search(text, marker, {}, ascii_lower);
    return !at.empty();
  };
  if (text.contains('=') && std::ranges::any_of(kConnectionMarkers, marked)) {
    return fingerprint(text);
  }
  if (uri && (text.contains('?') || text.contains('@'))) {
    return redact_uri(text, false);
  }
  return std::string(text);
}

void Normaliser::append_member(std::string& out,
                               std::string_view key,
                               element value,
                               std::string_view object) const {
  append_key(out, key);
  if (value.is_string() && is_secret_member(object, key)) {
    append_json_quoted(out, fingerprint(value.get_string().value_unsafe()));
  } else {
    append(out, value, key);
  }
}

void Normaliser::append(std::string& out, element value, std::string_view property) const {
  switch (value.type()) {
    case element_type::OBJECT: {
      out += '{';
      bool first = true;
      for (const auto& member : sorted_members(value.get_object().value_unsafe())) {
        if (!first) {
          out += ',';
        }
        first = false;
        append_member(out, member.key, member.value, property);
      }
      out += '}';
      break;
    }
    case element_type::ARRAY: {
      out += '[';
      bool first = true;
      for (const element item : value.get_array().value_unsafe()) {
        if (!first) {
          out += ',';
        }
        first = false;
        append(out, item, property);
      }
      out += ']';
      break;
    }
    case element_type::STRING:
      append_json_quoted(out, redact(property, value.get_string().value_unsafe()));
      break;
    case element_type::BOOL:
      out += value.get_bool().value_unsafe() ? "true" : "false";
      break;
    case element_type::NULL_VALUE:
      out += "null";
      break;
    default:
      append_number(out, value);
  }
}

/// Each member is written once, for the body, and copied to what the fingerprint is of.
void Normaliser::append_properties(std::string& body, std::string& quiet, element value) const {
  body += "\"properties\":{";
  quiet += "\"properties\":{";
  bool first = true;
  for (const auto& member : sorted_members(value.get_object().value_unsafe())) {
    if (!first) {
      body += ',';
    }
    first = false;
    const auto start = body.size();
    append_member(body, member.key, member.value, "properties");
    if (!is_noise_property(member.key)) {
      quiet.append(body, start);
      quiet += ',';
    }
  }
  body += '}';
  quiet += "},";
}

Normalised Normaliser::normalise(element resource) const {
  Normalised result;
  if (!resource.is_object()) {
    append(result.body, resource, "");
    result.fingerprint = sha256(result.body);
    return result;
  }
  std::string quiet = "{";
  result.body = "{";
  for (const auto& member : sorted_members(resource.get_object().value_unsafe())) {
    if (member.value.is_null()) {
      continue;
    }
    if (result.body.size() > 1) {
      result.body += ',';
    }
    if (member.key == "properties" && member.value.is_object()) {
      append_properties(result.body, quiet, member.value);
      continue;
    }
    const auto start = result.body.size();
    append_key(result.body, member.key);
    append(result.body, member.value, member.key);
    if (!is_noise(member.key)) {
      quiet.append(result.body, start);
      quiet += ',';
    }
  }
  result.body += '}';
  result.fingerprint = sha256(quiet);
  return result;
}

}  // namespace plumbline::core
