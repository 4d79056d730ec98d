#include "simulator/arg.hpp"

#include "core/digest.hpp"
#include "core/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <optional>
#include <set>
#include <utility>

namespace plumbline::simulator {

namespace {

constexpr std::size_t kQuota = 15;
constexpr std::chrono::seconds kQuotaWindow{5};
constexpr std::int64_t kMaxTop = 1000;
constexpr std::size_t kMaxPayload = std::size_t{16} << 20U;
constexpr std::size_t kCachedResults = 8;

constexpr std::array<std::pair<const char*, const char*>, 16> kColumns = {{
    {"id", "string"},
    {"name", "string"},
    {"type", "string"},
    {"tenantId", "string"},
    {"kind", "string"},
    {"location", "string"},
    {"resourceGroup", "string"},
    {"subscriptionId", "string"},
    {"managedBy", "string"},
    {"sku", "object"},
    {"plan", "object"},
    {"properties", "object"},
    {"tags", "object"},
    {"identity", "object"},
    {"zones", "object"},
    {"extendedLocation", "object"},
}};

/// The outer error says nothing but whom to ask; `details` say what is wrong (contracts 2.6).
Reply graph_error(int status, std::string_view code, core::Time now, Json details) {
  return {
      .status = status,
      .body = {{"error",
                {{"code", code},
                 {"message",
                  fmt::format("Please provide below info when asking for support: timestamp = {}, "
                              "correlationId = {}.",
                              core::to_rfc3339(now),
                              core::random_uuid())},
                 {"details", std::move(details)}}}},
      .headers = {},
      .raw = {}};
}

Json detail(std::string_view code, std::string_view message) {
  return {{"code", code}, {"message", message}};
}

Json details_of(const kql::Refusal& refusal) {
  Json second = detail(refusal.code, refusal.message);
  second["line"] = refusal.line;
  second["characterPositionInLine"] = refusal.position;
  second["token"] = refusal.token;
  if (!refusal.expected.empty()) {
    second["expectedToken"] = refusal.expected;
  }
  Json details = Json::array();
  details.push_back(detail("InvalidQuery", "The query is not one that Resource Graph can run."));
  details.push_back(std::move(second));
  return details;
}

std::string encode_token(std::size_t offset, std::string_view query_key) {
  static constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const std::string text = fmt::format("{}|{}", offset, query_key);
  std::string out;
  for (std::size_t i = 0; i < text.size(); i += 3) {
    std::uint32_t bits = 0;
    for (std::size_t j = 0; j < 3; ++j) {
      bits = (bits << 8U) | (i + j < text.size() ? static_cast<unsigned char>(text[i + j]) : 0U);
    }
    for (std::size_t j = 0; j < 4; ++j) {
      out += i + j <= text.size() ? kAlphabet[(bits >> (18U - 6U * j)) & 63U] : '=';
    }
  }
  return out;
}

std::optional<std::string> decode_base64(std::string_view text) {
  std::string out;
  std::uint32_t bits = 0;
  unsigned count = 0;
  for (const char c : text) {
    std::uint32_t value = 0;
    if (c >= 'A' && c <= 'Z') {
      value = static_cast<std::uint32_t>(c - 'A');
    } else if (c >= 'a' && c <= 'z') {
      value = static_cast<std::uint32_t>(c - 'a') + 26;
    } else if (c >= '0' && c <= '9') {
      value = static_cast<std::uint32_t>(c - '0') + 52;
    } else if (c == '+' || c == '/') {
      value = c == '+' ? 62 : 63;
    } else if (c == '=') {
      break;
    } else {
      return std::nullopt;
    }
    bits = (bits << 6U) | value;
    count += 6;
    if (count >= 8) {
      count -= 8;
      out += static_cast<char>((bits >> count) & 0xffU);
    }
  }
  return out;
}

/// The offset in a token, when it belongs to this query.
std::optional<std::size_t> decode_token(std::string_view token, std::string_view query_key) {
  const auto decoded = decode_base64(token);
  if (!decoded) {
    return std::nullopt;
  }
  const std::string& text = *decoded;
  const std::size_t bar = text.find('|');
  std::size_t offset = 0;
  if (bar == std::string::npos || text.substr(bar + 1) != query_key) {
    return std::nullopt;
  }
  const auto [end, error] = std::from_chars(text.data(), text.data() + bar, offset);
  return error == std::errc{} && end == text.data() + bar ? std::optional(offset) : std::nullopt;
}

}  // namespace

/// Whose rows a query sees.
struct ResourceGraph::Scope {
  bool whole_tenant = true;
  bool above = false;  // authorizationScopeFilter reaches above the subscriptions
  std::set<std::string> subscriptions;

  [[nodiscard]] bool sees(const Json& row) const {
    if (whole_tenant) {
      return true;
    }
    const std::string subscription = string_member(row, "subscriptionId");
    return subscription.empty() ? above : subscriptions.contains(subscription);
  }

  [[nodiscard]] std::string text() const {
    std::string text = whole_tenant ? "*" : above ? "^" : "";
    for (const std::string& subscription : subscriptions) {
      text += subscription + ",";
    }
    return text;
  }
};

struct ResourceGraph::Paging {
  std::string key;  // of query and scope
  std::size_t offset = 0;
  std::size_t top = 0;
};

ResourceGraph::ResourceGraph(const Store* store, const core::Clock* clock, bool enforce_quota)
    : store_(store), clock_(clock), enforce_quota_(enforce_quota) {}

Reply ResourceGraph::answer(const net::ServerRequest& request) {
  const auto begun = clock_->steady_now();
  while (!recent_.empty() && recent_.front() + kQuotaWindow <= begun) {
    recent_.pop_front();
  }
  if (enforce_quota_ && recent_.size() >= kQuota) {
    Reply reply = graph_error(
        429,
        "RateLimiting",
        clock_->now(),
        Json::array({detail("RateLimiting", "Too many queries; wait before the next one.")}));
    const auto left =
        std::chrono::ceil<std::chrono::seconds>(recent_.front() + kQuotaWindow - begun);
    reply.headers.add("Retry-After", std::to_string(std::max<long>(1, left.count())));
    add_headers(reply, begun);
    return reply;
  }
  recent_.push_back(begun);
  Reply reply = evaluate(request);
  add_headers(reply, begun);
  return reply;
}

void ResourceGraph::add_headers(Reply& reply, std::chrono::steady_clock::time_point begun) {
  const auto now = clock_->steady_now();
  const std::size_t remaining = kQuota - std::min(kQuota, recent_.size());
  const auto resets =
      recent_.empty()
          ? std::chrono::seconds(0)
          : std::chrono::ceil<std::chrono::seconds>(recent_.front() + kQuotaWindow - now);
  reply.headers.add("x-ms-user-quota-remaining", std::to_string(remaining));
  reply.headers.add("x-ms-user-quota-resets-after",
                    fmt::format("00:00:{:02}", std::max<long>(0, resets.count())));
  const auto took = std::chrono::duration_cast<std::chrono::microseconds>(now - begun).count();
  reply.headers.add("x-ms-resource-graph-request-duration",
                    fmt::format("0:00:00:{:02}.{:06}0", took / 1'000'000, took % 1'000'000));
}

std::expected<kql::Outcome, kql::Refusal> ResourceGraph::run(const kql::Query& query,
                                                             const Scope& scope) {
  kql::Table input;
  for (const auto& [name, type] : kColumns) {
    input.columns.push_back({name, type});
  }
  for (auto& row : store_->rows(query.table())) {
    if (scope.sees(*row)) {
      input.rows.push_back(std::move(row));
    }
  }
  return query.run(std::move(input), clock_->now());
}

Reply ResourceGraph::evaluate(const net::ServerRequest& request) {
  const core::Time now = clock_->now();
  const auto bad = [&](std::string_view code, std::string_view message) {
    return graph_error(400, "BadRequest", now, Json::array({detail(code, message)}));
  };
  const std::string content_type = core::to_lower(request.headers.get("Content-Type").value_or(""));
  if (!content_type.starts_with("application/json")) {
    return graph_error(500,
                       "InternalServerError",
                       now,
                       Json::array({detail("InternalServerError", "Something went wrong.")}));
  }
  const core::Result<Json> body = parse_json(request.body, "request body");
  if (!body || !body->is_object() || !body->value("query", Json()).is_string()) {
    return bad("InvalidRequest", "The body is an object with a string member 'query'.");
  }

  // Scope.
  Scope scope;
  const Json options = body->value("options", Json::object());
  const std::string filter = string_member(options, "authorizationScopeFilter");
  scope.above =
      core::iequals(filter, "AtScopeAndAbove") || core::iequals(filter, "AtScopeAboveAndBelow");
  const Json subscriptions = body->value("subscriptions", Json::array());
  const Json groups = body->value("managementGroups", Json::array());
  if (!subscriptions.empty() && !groups.empty()) {
    return bad("InvalidScope", "Give either subscriptions or managementGroups.");
  }
  bool known = true;
  for (const Json& entry : subscriptions) {
    const std::string id = entry.is_string() ? core::to_lower(entry.get<std::string>()) : "";
    if (store_->find_subscription(id) != nullptr) {
      scope.subscriptions.insert(id);
    }
    scope.whole_tenant = false;
  }
  for (const Json& entry : groups) {
    const std::string name = entry.is_string() ? entry.get<std::string>() : "";
    if (core::iequals(name, store_->tenant_id())) {
      continue;
    }
    known = known && store_->find_management_group(name) != nullptr;
    for (const std::string& id : store_->subscriptions_below(name)) {
      if (store_->find_subscription(id) != nullptr) {
        scope.subscriptions.insert(id);
      }
    }
    scope.whole_tenant = false;
  }
  if (!known || (!scope.whole_tenant && scope.subscriptions.empty())) {
    return graph_error(
        403,
        "AccessDenied",
        now,
        Json::array({detail("AccessDenied", "Nothing in the requested scope can be read.")}));
  }

  // Options.
  const auto integer = [&](const char* name,
                           std::int64_t otherwise) -> std::optional<std::int64_t> {
    const Json value = options.value(name, Json());
    if (value.is_null()) {
      return otherwise;
    }
    return value.is_number_integer() ? std::optional(value.get<std::int64_t>()) : std::nullopt;
  };
  const auto top = integer("$top", kMaxTop);
  const auto skip = integer("$skip", 0);
  if (!top || *top < 1 || *top > kMaxTop || !skip || *skip < 0) {
    return bad("InvalidPagingOptions", "$top lies between 1 and 1000, $skip is not negative.");
  }
  const std::string format = string_member(options, "resultFormat", "objectArray");
  const bool as_table = core::iequals(format, "table");
  if (!as_table && !core::iequals(format, "objectArray")) {
    return bad("InvalidResultFormat", "resultFormat is 'table' or 'objectArray'.");
  }

  // Query.
  const std::string text = (*body)["query"].get<std::string>();
  const auto query = kql::Query::parse(text);
  if (!query) {
    return graph_error(400, "BadRequest", now, details_of(query.error()));
  }
  if (!is_graph_table(query->table())) {
    kql::Refusal refusal;
    refusal.code = "DisallowedLogicalTableName";
    refusal.message = fmt::format("There is no table '{}'.", query->table());
    refusal.token = query->table();
    return graph_error(400, "BadRequest", now, details_of(refusal));
  }
  const std::string key = core::to_hex(core::sha256(text + '\0' + scope.text())).substr(0, 32);
  std::size_t offset = static_cast<std::size_t>(*skip);
  const std::string token = string_member(options, "$skipToken");
  if (!token.empty()) {
    const auto from_token = decode_token(token, key);
    if (!from_token) {
      return bad("InvalidSkipToken", "The skip token belongs to another query.");
    }
    offset = options.contains("$skip") ? offset : *from_token;
  }
  if (generator_ != nullptr && query->table() == "resources") {
    return answer_generated(text, scope, {key, offset, static_cast<std::size_t>(*top)});
  }
  const bool from_cache = !token.empty();
  const auto cached = std::ranges::find_if(cache_, [&](const Cached& entry) {
    return entry.key == key && entry.revision == store_->revision();
  });
  if (!from_cache || cached == cache_.end()) {
    auto outcome = run(*query, scope);
    if (!outcome) {
      return graph_error(400, "BadRequest", now, details_of(outcome.error()));
    }
    std::erase_if(cache_, [&](const Cached& entry) { return entry.key == key; });
    cache_.push_front({key, store_->revision(), *std::move(outcome)});
    if (cache_.size() > kCachedResults) {
      cache_.pop_back();
    }
  } else {
    std::rotate(cache_.begin(), cached, cached + 1);
  }
  const kql::Outcome& outcome = cache_.front().outcome;
  const std::vector<kql::Row>& rows = outcome.table.rows;
  const auto& columns = outcome.table.columns;

  // Page.
  offset = std::min(offset, rows.size());
  const std::size_t count = std::min(rows.size() - offset, static_cast<std::size_t>(*top));
  const bool more = offset + count < rows.size();
  const bool can_page =
      !outcome.has_limit &&
      std::ranges::find(columns, std::string("id"), &kql::Column::name) != columns.end();
  Json data = Json::array();
  for (std::size_t i = offset; i < offset + count; ++i) {
    Json row = as_table ? Json::array() : Json::object();
    for (const kql::Column& column : columns) {
      Json value = rows[i]->value(column.name, Json());
      if (as_table) {
        row.push_back(std::move(value));
      } else {
        row[column.name] = std::move(value);
      }
    }
    data.push_back(std::move(row));
  }
  if (as_table) {
    Json described = Json::array();
    for (const kql::Column& column : columns) {
      described.push_back({{"name", column.name}, {"type", column.type}});
    }
    data = {{"columns", std::move(described)}, {"rows", std::move(data)}};
  }
  Reply reply;
  reply.body = {{"totalRecords", rows.size()},
                {"count", count},
                {"resultTruncated", more && !can_page ? "true" : "false"},
                {"facets", Json::array()},
                {"data", std::move(data)}};
  if (more && can_page) {
    reply.body["$skipToken"] = encode_token(offset + count, key);
  }
  std::string payload = dump(reply.body);
  if (payload.size() > kMaxPayload) {
    return bad(
        "ResponsePayloadTooLarge",
        fmt::format(
            "The answer has {} bytes, more than the limit of {}.", payload.size(), kMaxPayload));
  }
  reply.raw = std::move(payload);
  return reply;
}

Reply ResourceGraph::answer_generated(const std::string& text,
                                      const Scope& scope,
                                      const Paging& paging) {
  const auto query = parse_generated_query(text);
  if (!query) {
    return graph_error(
        400,
        "BadRequest",
        clock_->now(),
        Json::array(
            {detail("InvalidQuery", "Generated resources answer the sweep's queries only.")}));
  }
  auto cached = std::ranges::find(wanted_, paging.key, &Wanted::key);
  if (cached == wanted_.end()) {
    Wanted wanted{paging.key, {}};
    for (const auto& id : query->ids) {
      if (const auto index = generator_->index_of(id);
          index &&
          (scope.whole_tenant || scope.subscriptions.contains(generator_->subscription(*index)))) {
        wanted.rows.push_back(static_cast<std::uint32_t>(*index));
      }
    }
    std::ranges::sort(wanted.rows);
    for (std::size_t i = 0; query->ids.empty() && i < generator_->size(); ++i) {
      const bool of_type =
          query->types.empty() ||
          std::ranges::find(query->types, generator_->type(i)) != query->types.end();
      const bool in_scope =
          scope.whole_tenant || scope.subscriptions.contains(generator_->subscription(i));
      if (of_type && in_scope && is_in_piece(generator_->id(i), *query)) {
        wanted.rows.push_back(static_cast<std::uint32_t>(i));
      }
    }
    wanted_.push_front(std::move(wanted));
    if (wanted_.size() > kCachedResults) {
      wanted_.pop_back();
    }
    cached = wanted_.begin();
  }
  const auto& rows = cached->rows;
  Reply reply;
  if (query->count_by_subscription) {
    std::map<std::string, std::int64_t> counts;
    for (const auto row : rows) {
      ++counts[generator_->subscription(row)];
    }
    Json data = Json::array();
    for (const auto& [subscription, count] : counts) {
      data.push_back({{"subscriptionId", subscription}, {"count_", count}});
    }
    reply.body = {{"totalRecords", data.size()},
                  {"count", data.size()},
                  {"resultTruncated", "false"},
                  {"data", std::move(data)}};
    return reply;
  }
  const std::size_t begin = std::min(paging.offset, rows.size());
  const std::size_t end = std::min(rows.size(), begin + paging.top);
  std::string payload =
      fmt::format(R"({{"totalRecords":{},"count":{},"resultTruncated":"false","facets":[],)",
                  rows.size(),
                  end - begin);
  if (end < rows.size()) {
    payload += fmt::format(R"("$skipToken":"{}",)", encode_token(end, paging.key));
  }
  payload += R"("data":[)";
  for (std::size_t i = begin; i < end; ++i) {
    payload += i == begin ? "" : ",";
    generator_->append_row(rows[i], payload);
  }
  payload += "]}";
  reply.raw = std::move(payload);
  return reply;
}

}  // namespace plumbline::simulator
