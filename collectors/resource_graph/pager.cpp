#include "collectors/resource_graph/pager.hpp"

#include "collectors/resource_graph/query.hpp"
#include "core/text.hpp"

#include <fmt/format.h>

#include <functional>

namespace plumbline::collectors {

namespace {

constexpr int kMaxPages = 100'000;

}  // namespace

using core::Errc;
using core::Error;
using core::Result;
using core::Status;

bool says(const Error& error, std::string_view word) {
  return error.code == Errc::kHttp && error.message.contains(word);
}

net::Task<Result<std::string>> GraphPager::fetch() {
  for (;;) {
    std::string request = resource_graph_body(
        query_.text, query_.subscriptions, top_, token_, query_.above_and_below);
    sent_at_ = parts_->clock.now();
    auto response =
        co_await parts_->azure.post(std::string(kGraphPath), std::move(request), "resource_graph");
    if (response) {
      const auto limited = response->headers.get("x-ms-tenant-subscription-limit-hit");
      if (query_.subscriptions.empty() && limited && core::iequals(*limited, "true")) {
        co_return Error{Errc::kHttp, std::string(kTooManySubscriptions)};
      }
      co_return std::move(response->body);
    }
    if (top_ == 1 || !says(response.error(), "ResponsePayloadTooLarge")) {
      co_return response.error();
    }
    top_ /= 2;
  }
}

Status GraphPager::advance(std::string_view skip_token,
                           bool truncated,
                           std::int64_t rows,
                           std::int64_t total) {
  rows_ += rows;
  if (++pages_ > kMaxPages) {
    return Error{Errc::kLimit, "more pages than a result can have"};
  }
  if (truncated) {
    return Error{Errc::kTruncated,
                 "Resource Graph truncated the result without a token for the rest"};
  }
  if (skip_token.empty()) {
    done_ = true;
    if (total >= 0 && rows_ < total) {
      return Error{Errc::kTruncated,
                   fmt::format("Resource Graph gave {} of {} rows", rows_, total)};
    }
    return Status::ok();
  }
  if (!used_tokens_.insert(std::hash<std::string_view>{}(skip_token)).second) {
    return Error{Errc::kTruncated, "Resource Graph repeats the same $skipToken"};
  }
  token_ = skip_token;
  return Status::ok();
}

}  // namespace plumbline::collectors
