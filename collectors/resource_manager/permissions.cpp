#include "collectors/resource_manager/permissions.hpp"

#include "core/json_limits.hpp"
#include "core/text.hpp"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>

namespace plumbline::collectors {

using core::Errc;
using core::Error;
using core::Result;

namespace {

bool matches(std::string_view pattern, std::string_view text) {
  std::size_t at = 0;
  std::size_t in = 0;
  std::size_t star = std::string_view::npos;
  std::size_t resume = 0;
  while (in < text.size()) {
    if (at < pattern.size() && pattern[at] == '*') {
      star = at++;
      resume = in;
    } else if (at < pattern.size() && pattern[at] == text[in]) {
      ++at;
      ++in;
    } else if (star != std::string_view::npos) {
      at = star + 1;
      in = ++resume;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', at) == std::string_view::npos;
}

bool any_matches(const std::vector<std::string>& patterns, std::string_view text) {
  return std::ranges::any_of(patterns,
                             [&](const std::string& pattern) { return matches(pattern, text); });
}

/// False: not a list of strings. Absent means none.
bool read_patterns(simdjson::dom::element entry, const char* name, std::vector<std::string>& out) {
  simdjson::dom::element list;
  if (entry[name].get(list) != simdjson::SUCCESS || list.is_null()) {
    return true;
  }
  simdjson::dom::array items;
  if (list.get(items) != simdjson::SUCCESS) {
    return false;
  }
  for (const auto item : items) {
    std::string_view pattern;
    if (item.get(pattern) != simdjson::SUCCESS) {
      return false;
    }
    out.push_back(core::to_lower(pattern));
  }
  return true;
}

}  // namespace

std::string permissions_path(std::string_view scope) {
  return fmt::format("{}/providers/Microsoft.Authorization/permissions?api-version=2022-04-01",
                     scope);
}

Result<Permissions> Permissions::parse(std::string_view body) {
  const Error unusable{Errc::kParse, "the answer is no list of permissions"};
  simdjson::dom::parser parser;
  simdjson::dom::element root;
  simdjson::dom::array values;
  if (!core::check_json_limits(body) ||
      parser.parse(body.data(), body.size()).get(root) != simdjson::SUCCESS ||
      root["value"].get(values) != simdjson::SUCCESS) {
    return unusable;
  }
  Permissions out;
  for (const auto value : values) {
    Entry entry;
    if (!read_patterns(value, "actions", entry.actions) ||
        !read_patterns(value, "notActions", entry.exceptions)) {
      return unusable;
    }
    out.entries_.push_back(std::move(entry));
  }
  return out;
}

bool Permissions::allow(std::string_view action) const {
  return std::ranges::any_of(entries_, [&](const Entry& entry) {
    return any_matches(entry.actions, action) && !any_matches(entry.exceptions, action);
  });
}

}  // namespace plumbline::collectors
