#include "daemon/web/verdict_metrics.hpp"

#include "core/metrics.hpp"

#include <fmt/format.h>

#include <map>

namespace plumbline::daemon {

namespace metrics = core::metrics;

using core::ComplianceState;

namespace {

using Labels = std::initializer_list<std::pair<std::string_view, std::string_view>>;

/// Builds the text, family by family, under a cap of series.
class Exposition {
 public:
  explicit Exposition(std::size_t max_series) : left_(max_series) {}

  void family(const core::Metric& metric) {
    name_ = metric.name;
    header_ = fmt::format(
        "# HELP {} {}\n# TYPE {} {}\n", metric.name, metric.help, metric.name, metric.type);
  }

  void sample(const Labels& labels, double value) {
    if (left_ == 0) {
      ++dropped_;
      return;
    }
    --left_;
    text_ += header_;
    header_.clear();
    text_ += name_;
    char separator = '{';
    for (const auto& [name, label] : labels) {
      text_ += separator;
      text_ += name;
      text_ += "=\"";
      append_escaped(label);
      text_ += '"';
      separator = ',';
    }
    if (labels.size() > 0) {
      text_ += '}';
    }
    fmt::format_to(std::back_inserter(text_), " {}\n", value);
  }

  std::string finish() && {
    left_ = 1;
    const auto dropped = static_cast<double>(dropped_);
    family(metrics::kSeriesDroppedTotal);
    sample({}, dropped);
    return std::move(text_);
  }

 private:
  void append_escaped(std::string_view label) {
    for (const char c : label) {
      if (c == '\\' || c == '"') {
        text_ += '\\';
        text_ += c;
      } else if (c == '\n') {
        text_ += "\\n";
      } else {
        text_ += c;
      }
    }
  }

  std::string text_;
  std::string name_;
  std::string header_;
  std::size_t left_;
  std::size_t dropped_ = 0;
};

void render_scores(Exposition& out, const compliance::Summary& summary) {
  out.family(metrics::kComplianceScoreRatio);
  for (const auto& entry : summary.assignments) {
    if (const auto score = entry.tally.score()) {
      out.sample({{"assignment", entry.assignment->name}}, *score);
    }
  }
  out.family(metrics::kAzureComplianceRatio);
  for (const auto& entry : summary.assignments) {
    if (const auto ratio = entry.resources.azure_ratio()) {
      out.sample({{"assignment", entry.assignment->name}}, *ratio);
    }
  }
  out.family(metrics::kEvidenceCoverageRatio);
  for (const auto& entry : summary.assignments) {
    if (const auto coverage = entry.tally.coverage()) {
      out.sample({{"assignment", entry.assignment->name}}, *coverage);
    }
  }
  out.family(metrics::kControlScoreRatio);
  for (const auto& entry : summary.assignments) {
    for (const auto& [control, tally] : entry.by_control) {
      if (const auto score = tally.score()) {
        out.sample({{"assignment", entry.assignment->name}, {"control", control}}, *score);
      }
    }
  }
  out.family(metrics::kSubscriptionScoreRatio);
  for (const auto& entry : summary.assignments) {
    for (const auto& [subscription, tally] : entry.by_subscription) {
      if (const auto score = tally.score()) {
        out.sample({{"assignment", entry.assignment->name}, {"subscription_id", subscription}},
                   *score);
      }
    }
  }
}

void render_counts(Exposition& out, const compliance::Summary& summary) {
  out.family(metrics::kComplianceResources);
  for (const auto& entry : summary.checks) {
    for (const auto state : core::kComplianceStates) {
      if (const auto count = entry.tally.of(state); count > 0) {
        out.sample({{"assignment", entry.check->assignment},
                    {"definition", entry.check->reference},
                    {"state", core::to_string(state)}},
                   static_cast<double>(count));
      }
    }
  }
  out.family(metrics::kNoncompliantResources);
  for (const auto& entry : summary.assignments) {
    for (const auto& [key, count] : entry.noncompliant) {
      out.sample({{"assignment", entry.assignment->name},
                  {"subscription_id", key.first},
                  {"severity", core::to_string(key.second)}},
                 static_cast<double>(count));
    }
  }
  std::map<std::string_view, double> exemptions;
  for (const auto& entry : summary.exemptions) {
    ++exemptions[compliance::to_string(entry.state)];
  }
  out.family(metrics::kExemptions);
  for (const auto& [state, count] : exemptions) {
    out.sample({{"state", state}}, count);
  }
  out.family(metrics::kDriftOpen);
  for (const auto& [key, count] : summary.open_drift) {
    const auto& [kind, severity, subscription] = key;
    out.sample({{"kind", core::to_string(kind)},
                {"severity", core::to_string(severity)},
                {"subscription_id", subscription}},
               static_cast<double>(count));
  }
}

void render_inventory(Exposition& out, const compliance::Summary& summary) {
  out.family(metrics::kEvidenceOldestTimestampSeconds);
  for (const auto& [source, time] : summary.oldest_evidence) {
    out.sample({{"source", source}}, static_cast<double>(core::to_micros(time)) / 1e6);
  }
  out.family(metrics::kSubscriptions);
  double readable = 0;
  for (const auto& subscription : summary.subscriptions) {
    readable += subscription.readable ? 1 : 0;
  }
  out.sample({{"state", "readable"}}, readable);
  out.sample({{"state", "unreadable"}},
             static_cast<double>(summary.subscriptions.size()) - readable);
  std::map<std::string, std::int64_t> families;
  for (const auto& type : summary.types) {
    families[type.type.substr(0, type.type.find('/'))] += type.count;
  }
  out.family(metrics::kResources);
  for (const auto& [family, count] : families) {
    out.sample({{"type_family", family}}, static_cast<double>(count));
  }
}

void render_info(Exposition& out, const compliance::Summary& summary) {
  out.family(metrics::kAssignmentInfo);
  for (const auto& entry : summary.assignments) {
    out.sample({{"assignment", entry.assignment->name},
                {"initiative", entry.assignment->initiative_name},
                {"version", entry.assignment->initiative_version}},
               1);
  }
  out.family(metrics::kDefinitionInfo);
  for (const auto& entry : summary.checks) {
    out.sample(
        {{"assignment", entry.check->assignment},
         {"definition", entry.check->reference},
         {"title", entry.check->title},
         {"control",
          entry.check->controls.empty() ? std::string_view() : entry.check->controls.front()},
         {"severity", core::to_string(entry.check->severity)}},
        1);
  }
  out.family(metrics::kControlInfo);
  for (const auto& entry : summary.assignments) {
    for (const auto& control : entry.assignment->controls) {
      out.sample({{"assignment", entry.assignment->name},
                  {"control", control.name},
                  {"title", control.title}},
                 1);
    }
  }
  out.family(metrics::kSubscriptionInfo);
  for (const auto& subscription : summary.subscriptions) {
    out.sample({{"subscription_id", subscription.id},
                {"subscription_name", subscription.name},
                {"management_group", subscription.management_group}},
               1);
  }
}

}  // namespace

std::string render_verdict_metrics(const compliance::Summary& summary, std::size_t max_series) {
  Exposition out(max_series);
  render_scores(out, summary);
  render_counts(out, summary);
  render_inventory(out, summary);
  render_info(out, summary);
  return std::move(out).finish();
}

}  // namespace plumbline::daemon
