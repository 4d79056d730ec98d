#include "daemon/web/verdict_metrics.hpp"

#include "core/text.hpp"

#include <fmt/format.h>

#include <map>

namespace plumbline::daemon {

using core::ComplianceState;

namespace {

using Labels = std::initializer_list<std::pair<std::string_view, std::string_view>>;

/// Builds the text, family by family, under a cap of series.
class Exposition {
 public:
  explicit Exposition(std::size_t max_series) : left_(max_series) {}

  void family(std::string_view name, std::string_view type, std::string_view help) {
    name_ = name;
    header_ = fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, help, name, type);
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
    family("plumbline_series_dropped_total",
           "counter",
           "Verdict series left out because of the cap, in the current summary.");
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
  out.family("plumbline_compliance_score_ratio",
             "gauge",
             "Severity-weighted share of compliant verdicts, 0 to 1.");
  for (const auto& entry : summary.assignments) {
    if (const auto score = entry.tally.score()) {
      out.sample({{"assignment", entry.assignment->name}}, *score);
    }
  }
  out.family("plumbline_evidence_coverage_ratio",
             "gauge",
             "Share of applicable verdicts that rest on evidence, 0 to 1.");
  for (const auto& entry : summary.assignments) {
    if (const auto coverage = entry.tally.coverage()) {
      out.sample({{"assignment", entry.assignment->name}}, *coverage);
    }
  }
  out.family("plumbline_control_score_ratio", "gauge", "The score of one control, 0 to 1.");
  for (const auto& entry : summary.assignments) {
    for (const auto& [control, tally] : entry.by_control) {
      if (const auto score = tally.score()) {
        out.sample({{"assignment", entry.assignment->name}, {"control", control}}, *score);
      }
    }
  }
  out.family(
      "plumbline_subscription_score_ratio", "gauge", "The score of one subscription, 0 to 1.");
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
  out.family(
      "plumbline_compliance_resources", "gauge", "Verdicts by assignment, definition and state.");
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
  out.family("plumbline_noncompliant_resources",
             "gauge",
             "Non-compliant verdicts by subscription and severity.");
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
  out.family("plumbline_exemptions", "gauge", "Exemptions by how they fare.");
  for (const auto& [state, count] : exemptions) {
    out.sample({{"state", state}}, count);
  }
  out.family("plumbline_drift_open", "gauge", "Open drift by kind, severity and subscription.");
  for (const auto& [key, count] : summary.open_drift) {
    const auto& [kind, severity, subscription] = key;
    out.sample({{"kind", core::to_string(kind)},
                {"severity", core::to_string(severity)},
                {"subscription_id", subscription}},
               static_cast<double>(count));
  }
}

void render_inventory(Exposition& out, const compliance::Summary& summary) {
  out.family("plumbline_evidence_oldest_timestamp_seconds",
             "gauge",
             "When the stalest collected piece of a source was collected.");
  for (const auto& [source, time] : summary.oldest_evidence) {
    out.sample({{"source", source}}, static_cast<double>(core::to_micros(time)) / 1e6);
  }
  out.family(
      "plumbline_subscriptions", "gauge", "Subscriptions seen, by whether they could be read.");
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
  out.family("plumbline_resources", "gauge", "Resources in the inventory by resource provider.");
  for (const auto& [family, count] : families) {
    out.sample({{"type_family", family}}, static_cast<double>(count));
  }
}

void render_info(Exposition& out, const compliance::Summary& summary) {
  out.family("plumbline_assignment_info", "gauge", "A constant 1 for each assignment.");
  for (const auto& entry : summary.assignments) {
    out.sample({{"assignment", entry.assignment->name},
                {"initiative", entry.assignment->initiative_name},
                {"version", entry.assignment->initiative_version}},
               1);
  }
  out.family(
      "plumbline_definition_info", "gauge", "A constant 1 for each definition of an assignment.");
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
  out.family("plumbline_control_info", "gauge", "A constant 1 for each control of an assignment.");
  for (const auto& entry : summary.assignments) {
    for (const auto& control : entry.assignment->controls) {
      out.sample({{"assignment", entry.assignment->name},
                  {"control", control.name},
                  {"title", control.title}},
                 1);
    }
  }
  out.family("plumbline_subscription_info", "gauge", "A constant 1 for each subscription.");
  for (const auto& subscription : summary.subscriptions) {
    out.sample({{"subscription_id", subscription.id}, {"subscription_name", subscription.name}}, 1);
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
