#include "collectors/resource_graph/query.hpp"

#include "core/text.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace plumbline::collectors {

namespace {

std::string type_literal(std::string_view type) {
  std::string out = "'";
  std::ranges::copy_if(type, std::back_inserter(out), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '/' || c == '-' || c == '_';
  });
  return out + "'";
}

}  // namespace

std::string resource_graph_query(const core::TablePlan& table) {
  std::string query = table.table;
  if (!table.types.empty()) {
    query += " | where type in~ (";
    for (const auto& type : table.types) {
      query += (query.ends_with('(') ? "" : ", ") + type_literal(type);
    }
    query += ")";
  }
  return query + " | order by id asc";
}

bool is_inherited_table(std::string_view table) noexcept {
  return table == "policyresources" || table == "authorizationresources";
}

std::string resource_graph_body(const std::string& query,
                                const std::vector<std::string>& subscriptions,
                                int top,
                                const std::string& skip_token,
                                bool above_and_below) {
  std::string body = "{";
  if (!subscriptions.empty()) {
    body += R"("subscriptions":[)";
    for (const auto& subscription : subscriptions) {
      body += (body.ends_with('[') ? "" : ",") + core::json_quote(subscription);
    }
    body += "],";
  }
  body += fmt::format(R"("query":{},"options":{{"$top":{},"resultFormat":"objectArray")",
                      core::json_quote(query),
                      top);
  if (!skip_token.empty()) {
    body += R"(,"$skipToken":)" + core::json_quote(skip_token);
  }
  if (above_and_below) {
    body += R"(,"authorizationScopeFilter":"AtScopeAboveAndBelow")";
  }
  return body + "}}";
}

}  // namespace plumbline::collectors
