#include "collectors/resource_graph/rows.hpp"

#include "collectors/json_answer.hpp"
#include "core/resource_id.hpp"
#include "core/text.hpp"

#include <fmt/format.h>

namespace plumbline::collectors {

using core::Errc;
using core::Error;
using core::Result;
using simdjson::dom::element;

std::optional<core::Observation> observe_resource(element resource,
                                                  std::string_view table,
                                                  core::Time sent_at,
                                                  const core::Normaliser& normaliser) {
  const auto id_text = text_member(resource, "id");
  if (id_text.empty()) {
    return std::nullopt;
  }
  const auto id = core::parse_resource_id(id_text);
  core::Observation observation;
  observation.id = id_text;
  observation.key = id ? id->key : core::resource_key(id_text);
  observation.type = core::to_lower(text_member(resource, "type"));
  // Groups call themselves `Microsoft.Resources/resourceGroups` in ARM; the id says it one way
  // only.
  if (id &&
      (observation.type.empty() || observation.type == "microsoft.resources/resourcegroups")) {
    observation.type = id->type;
  }
  if (observation.type.empty()) {
    return std::nullopt;
  }
  auto subscription = core::to_lower(text_member(resource, "subscriptionId"));
  if (subscription.empty() && id) {
    subscription = id->subscription;
  }
  observation.source = core::partition_evidence_key(table, subscription);
  observation.observed_at = sent_at;
  auto normalised = normaliser.normalise(resource);
  observation.body = std::move(normalised.body);
  observation.fingerprint = normalised.fingerprint;
  return observation;
}

namespace {

/// Where the values of a JSON object or array end that begins at `at`, by brackets and quotes
/// alone; npos when they do not.
std::size_t end_of_value(std::string_view text, std::size_t at) {
  std::size_t depth = 0;
  bool quoted = false;
  for (; at < text.size(); ++at) {
    const char c = text[at];
    if (quoted) {
      if (c == '\\') {
        ++at;
      } else if (c == '"') {
        quoted = false;
      }
    } else if (c == '"') {
      quoted = true;
    } else if (c == '{' || c == '[') {
      ++depth;
    } else if ((c == '}' || c == ']') && --depth == 0) {
      return at + 1;
    }
  }
  return std::string_view::npos;
}

struct SplitPage {
  std::string envelope;  // the page without its rows
  std::vector<std::string_view> rows;
};

/// Cuts a page into its rows without reading them.
std::optional<SplitPage> split_page(std::string_view body) {
  constexpr std::string_view kData = R"("data")";
  // `data` is a member of the page itself if only its own brace is open before it.
  std::size_t at = body.find('{');
  while (at != std::string_view::npos) {
    at = body.find_first_of("\"{[", at + 1);
    if (at == std::string_view::npos) {
      return std::nullopt;
    }
    if (body[at] != '"') {
      at = end_of_value(body, at);
      at = at == std::string_view::npos ? at : at - 1;
      continue;
    }
    auto end = at + 1;
    while (end < body.size() && body[end] != '"') {
      end += body[end] == '\\' ? 2 : 1;
    }
    if (body.substr(at).starts_with(kData)) {
      const auto begin = body.find_first_not_of(" \t\r\n:", at + kData.size());
      if (begin != std::string_view::npos && body[begin] == '[') {
        const auto stop = end_of_value(body, begin);
        if (stop == std::string_view::npos) {
          return std::nullopt;
        }
        SplitPage page;
        page.envelope = std::string(body.substr(0, begin)).append("[]").append(body.substr(stop));
        for (auto row = body.find('{', begin); row < stop;) {
          const auto row_end = end_of_value(body.substr(0, stop), row);
          if (row_end == std::string_view::npos) {
            return std::nullopt;
          }
          page.rows.push_back(body.substr(row, row_end - row));
          row = body.find('{', row_end);
        }
        return page;
      }
    }
    at = end;
  }
  return std::nullopt;
}

Result<GraphPage> parse_whole_page(std::string_view body,
                                   std::string_view table,
                                   core::Time sent_at,
                                   const core::Normaliser& normaliser) {
  simdjson::dom::parser parser;
  const auto answer = parse_list(parser, body, "data", "the answer");
  if (!answer) {
    return answer.error();
  }
  const auto& [root, data] = *answer;
  GraphPage page;
  page.skip_token = text_member(root, "$skipToken");
  page.truncated =
      core::iequals(text_member(root, "resultTruncated"), "true") && page.skip_token.empty();
  if (root["totalRecords"].get(page.total_records) != simdjson::SUCCESS) {
    page.total_records = -1;
  }
  for (const element row : data) {
    ++page.row_count;
    if (auto observation = observe_resource(row, table, sent_at, normaliser)) {
      page.rows.push_back(*std::move(observation));
    } else {
      ++page.unusable;
    }
  }
  return page;
}

/// A page that is no JSON as a whole: its rows one by one.
Result<GraphPage> parse_split_page(std::string_view body,
                                   std::string_view table,
                                   core::Time sent_at,
                                   const core::Normaliser& normaliser,
                                   const Error& whole) {
  const auto split = split_page(body);
  auto page = split ? parse_whole_page(split->envelope, table, sent_at, normaliser) : whole;
  if (!page) {
    return whole;
  }
  simdjson::dom::parser parser;
  for (const auto text : split->rows) {
    ++page->row_count;
    const auto row = parse_answer(parser, std::string(text));
    auto observation = row ? observe_resource(*row, table, sent_at, normaliser) : std::nullopt;
    if (observation) {
      page->rows.push_back(*std::move(observation));
    } else {
      ++page->unusable;
    }
  }
  return page;
}

}  // namespace

Result<GraphPage> parse_graph_page(std::string_view body,
                                   std::string_view table,
                                   core::Time sent_at,
                                   const core::Normaliser& normaliser) {
  auto page = parse_whole_page(body, table, sent_at, normaliser);
  return page ? std::move(page) : parse_split_page(body, table, sent_at, normaliser, page.error());
}

}  // namespace plumbline::collectors
