#include "daemon/log_repetition.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

namespace plumbline::daemon {

namespace {

/// Answers to what somebody did: whoever asks twice is told twice.
constexpr std::array<std::string_view, 1> kAnswers = {"reload_failed"};

/// The ids of a request and of what it was for differ each time, and tell nothing of what is wrong.
std::string kind_of(core::LogLevel level,
                    std::string_view event,
                    std::span<const core::LogField> fields) {
  std::string kind = fmt::format("{}\n{}", std::to_underlying(level), event);
  for (const auto& field : fields) {
    if (field.name != core::log_field::kRequestId &&
        field.name != core::log_field::kCorrelationId) {
      kind += fmt::format("\n{}\n{}\n{}", field.name, field.value.size(), field.value);
    }
  }
  return kind;
}

}  // namespace

RepetitionLimiter::RepetitionLimiter(std::chrono::seconds interval, std::size_t kinds)
    : interval_(interval), most_(kinds) {}

LogRecord RepetitionLimiter::summed_up(Kind& kind) {
  LogRecord record = std::move(kind.last);
  record.fields.push_back({core::log_field::kRepeated, fmt::format("{}", kind.held)});
  kind.held = 0;
  return record;
}

bool RepetitionLimiter::admit(core::LogLevel level,
                              std::string_view event,
                              std::span<const core::LogField> fields,
                              Instant now) {
  if (level < core::LogLevel::kWarn || std::ranges::find(kAnswers, event) != kAnswers.end()) {
    return true;
  }
  const auto key = kind_of(level, event, fields);
  const auto found = kinds_.find(key);
  if (found != kinds_.end() && now - found->second.since < interval_) {
    ++found->second.held;
    found->second.last = {level, std::string(event), {fields.begin(), fields.end()}};
    return false;
  }
  if (found == kinds_.end() && kinds_.size() >= most_) {
    const auto first =
        std::ranges::min_element(kinds_, {}, [](const auto& entry) { return entry.second.since; });
    if (first->second.held > 0) {
      early_.push_back(summed_up(first->second));
    }
    kinds_.erase(first);
  }
  kinds_[key].since = now;
  return true;
}

std::vector<LogRecord> RepetitionLimiter::take_due(Instant now) {
  std::vector<LogRecord> due = std::exchange(early_, {});
  for (auto at = kinds_.begin(); at != kinds_.end();) {
    auto& kind = at->second;
    if (now - kind.since < interval_) {
      ++at;
    } else if (kind.held > 0) {
      due.push_back(summed_up(kind));
      kind.since = now;
      ++at;
    } else {
      at = kinds_.erase(at);
    }
  }
  return due;
}

std::vector<LogRecord> RepetitionLimiter::take_all() {
  std::vector<LogRecord> all = std::exchange(early_, {});
  for (auto& [key, kind] : kinds_) {
    if (kind.held > 0) {
      all.push_back(summed_up(kind));
    }
  }
  kinds_.clear();
  return all;
}

}  // namespace plumbline::daemon
