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

/// Control characters are no part of an id and would end the literal: they are dropped.
std::string id_literal(std::string_view id) {
  std::string out = "'";
  for (const char c : id) {
    if (c == '\'' || c == '\\') {
      out += '\\';
    }
    if (static_cast<unsigned char>(c) >= 0x20) {
      out += c;
    }
  }
  return out + "'";
}

template <class Literal>
std::string list_of(const std::vector<std::string>& texts, Literal literal) {
  std::string out = "(";
  for (const auto& text : texts) {
    out += (out.size() == 1 ? "" : ", ") + literal(text);
  }
  return out + ")";
}

std::string rows_of(const core::TablePlan& table) {
  return table.types.empty()
             ? table.table
             : table.table + " | where type in~ " + list_of(table.types, type_literal);
}

}  // namespace

std::string resource_graph_query(const core::TablePlan& table, int piece, int pieces) {
  std::string query = rows_of(table);
  if (pieces > 1) {
    query += fmt::format(" | where hash(tolower(id), {}) == {}", pieces, piece);
  }
  return query + " | order by id asc";
}

std::string resource_graph_count_query(const core::TablePlan& table) {
  return rows_of(table) + " | summarize count() by subscriptionId";
}

std::string resource_graph_type_count_query(const core::TablePlan& table) {
  return rows_of(table) +
         " | summarize count() by subscriptionId, type | order by subscriptionId asc, type asc";
}

std::string resource_graph_example_query(std::string_view table, std::string_view type) {
  return rows_of({std::string(table), {std::string(type)}}) +
         " | project id | order by id asc | take 1";
}

std::string resource_graph_query_of(std::string_view table, const std::vector<std::string>& ids) {
  return fmt::format("{} | where id in~ {} | order by id asc", table, list_of(ids, id_literal));
}

std::string change_query(std::string_view change_table,
                         core::Time since,
                         const std::vector<std::string>& types) {
  std::string query =
      fmt::format("{} | where todatetime(properties.changeAttributes.timestamp) >= datetime({})",
                  change_table,
                  core::to_rfc3339(since));
  if (!types.empty()) {
    query += " and tostring(properties.targetResourceType) in~ " + list_of(types, type_literal);
  }
  return query + " | project id, properties | order by id asc";
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
