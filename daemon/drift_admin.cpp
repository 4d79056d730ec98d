#include "daemon/drift_admin.hpp"

#include "config/acceptances.hpp"
#include "core/json_limits.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace plumbline::daemon {

using core::Errc;
using core::Error;
using core::Result;
using core::Status;
using json = nlohmann::json;

namespace {

constexpr std::size_t kMaxIds = 1000;

struct Request {
  std::vector<std::int64_t> ids;  // of drift items; empty: chosen by the acceptance
  std::int64_t withdraw = 0;      // an acceptance; 0: something is to be accepted
  bool standing = false;
  core::Acceptance acceptance;
};

std::string text(const json& object, const char* name) {
  return object.value(name, std::string());
}

Request read_members(const json& object, std::uint32_t user) {
  Request request;
  request.withdraw = object.value("withdraw", std::int64_t{0});
  request.standing = object.value("standing", false);
  request.ids = object.value("ids", std::vector<std::int64_t>());
  auto& acceptance = request.acceptance;
  acceptance.kind = core::parse_drift_kind(text(object, "kind"));
  acceptance.scope = text(object, "scope");
  acceptance.type = text(object, "type");
  acceptance.path = text(object, "path");
  acceptance.assignment = text(object, "assignment");
  acceptance.reference = text(object, "reference");
  acceptance.snooze = object.value("snooze", false);
  acceptance.reason = text(object, "reason");
  // What the kernel says of the one who asks stands beside what he says of himself.
  acceptance.author = fmt::format("{} (uid {})", text(object, "author"), user);
  return request;
}

Result<Request> read_request(const std::string& line, std::uint32_t user, core::Time now) {
  if (auto limits = core::check_json_limits(line); !limits) {
    return limits.error();
  }
  const auto object = json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) {
    return Error{Errc::kParse, "the request is no JSON object"};
  }
  Request request;
  try {
    request = read_members(object, user);
  } catch (const json::exception& error) {
    return Error{Errc::kInvalidArgument, fmt::format("the request: {}", error.what())};
  }
  if (request.withdraw != 0) {
    return request;
  }
  if (request.ids.size() > kMaxIds) {
    return Error{Errc::kLimit, fmt::format("at most {} drift items at once", kMaxIds)};
  }
  const std::string expires = text(object, "expires_on");
  request.acceptance.expires_at = core::parse_rfc3339(expires);
  if (!expires.empty() &&
      (!request.acceptance.expires_at || *request.acceptance.expires_at <= now)) {
    return Error{Errc::kInvalidArgument,
                 fmt::format("`{}` is no instant to come, such as 2027-01-31T00:00:00Z", expires)};
  }
  if (!request.ids.empty()) {
    request.acceptance.scope = "/";
  }
  if (auto usable = config::check_acceptance(request.acceptance); !usable) {
    return usable.error();
  }
  return request;
}

/// What came of it, filled while the cycle is committed.
struct Outcome {
  std::vector<std::int64_t> acceptances;
  std::int64_t covered = 0;
};

Status carry_out(const Request& request, compliance::DriftBook& book, Outcome& outcome) {
  if (request.withdraw != 0) {
    return book.withdraw(request.withdraw);
  }
  for (const auto id : request.ids) {
    const auto accepted = book.accept_item(id, request.acceptance);
    if (!accepted) {
      return accepted.error();
    }
    outcome.acceptances.push_back(*accepted);
    ++outcome.covered;
  }
  if (!request.ids.empty()) {
    return Status::ok();
  }
  const auto accepted =
      request.standing ? book.accept(request.acceptance) : book.accept_open(request.acceptance);
  if (!accepted) {
    return accepted.error();
  }
  if (accepted->covered == 0 && !request.standing) {
    return Error{Errc::kNotFound, "no open drift fits; nothing was accepted"};
  }
  outcome.acceptances.push_back(accepted->acceptance);
  outcome.covered = accepted->covered;
  return Status::ok();
}

net::Task<std::string> answer(App* app, std::string line, std::uint32_t user) {
  const auto request = read_request(line, user, app->clock().now());
  if (!request) {
    co_return json{{"error", request.error().message}}.dump(
        -1, ' ', false, json::error_handler_t::replace);
  }
  const auto outcome = std::make_shared<Outcome>();
  auto change = [wanted = *request, outcome](compliance::DriftBook& book) {
    return carry_out(wanted, book, *outcome);
  };
  const auto changed = co_await app->change_drift(std::move(change));
  if (!changed) {
    co_return json{{"error", changed.error().message}}.dump(
        -1, ' ', false, json::error_handler_t::replace);
  }
  app->log().info(request->withdraw != 0 ? "acceptance_withdrawn" : "drift_accepted",
                  {{core::log_field::kCovered, fmt::format("{}", outcome->covered)},
                   {core::log_field::kAuthor, request->acceptance.author},
                   {core::log_field::kReason, request->acceptance.reason}});
  co_return json{{"acceptances", outcome->acceptances}, {"covered", outcome->covered}}.dump();
}

}  // namespace

net::LocalHandler drift_admin(App& app) {
  return [app = &app](std::string line, std::uint32_t user) {
    return answer(app, std::move(line), user);
  };
}

}  // namespace plumbline::daemon
