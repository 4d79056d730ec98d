#include "config/text_file.hpp"
#include "core/text.hpp"
#include "daemon/cli/options.hpp"
#include "daemon/cli/progress.hpp"
#include "daemon/cli/report.hpp"
#include "storage/evidence.hpp"
#include "storage/sqlite_store.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <optional>

namespace plumbline::daemon {

using core::Errc;
using core::Error;
using core::ExportCell;
using core::Result;
using core::Status;

namespace {

std::string json_line(const std::vector<ExportCell>& cells) {
  std::string line = "{";
  for (const auto& cell : cells) {
    line += line.size() == 1 ? "" : ",";
    core::append_json_quoted(line, cell.name);
    line += ':';
    switch (cell.kind) {
      case ExportCell::Kind::kNull:
        line += "null";
        break;
      case ExportCell::Kind::kInteger:
        line += fmt::format("{}", cell.integer);
        break;
      case ExportCell::Kind::kText:
        core::append_json_quoted(line, cell.text);
        break;
      case ExportCell::Kind::kJson:
        line += cell.text;
        break;
    }
  }
  return line + "}\n";
}

std::string csv_line(const std::vector<ExportCell>& cells) {
  std::string line;
  for (const auto& cell : cells) {
    line += &cell == &cells.front() ? "" : ",";
    if (cell.kind == ExportCell::Kind::kInteger) {
      line += fmt::format("{}", cell.integer);
    } else if (cell.kind != ExportCell::Kind::kNull) {
      line += csv_cell(cell.text);
    }
  }
  return line + "\r\n";
}

Result<core::Time> instant(const std::string& text, core::Time otherwise) {
  if (text.empty()) {
    return otherwise;
  }
  const auto time = core::parse_rfc3339(text);
  return time ? Result<core::Time>(*time)
              : Error{Errc::kInvalidArgument,
                      fmt::format("`{}` is no instant such as 2026-11-22T10:00:00Z", text)};
}

Status write(const config::Settings& settings, const ExportOptions& options) {
  const auto from = instant(options.from, core::Time::min());
  const auto to = instant(options.to, core::Time::max());
  if (!from || !to) {
    return !from ? from.error() : to.error();
  }
  auto snapshot = storage::read_store(settings.storage_path);
  if (!snapshot) {
    return snapshot.error();
  }
  Progress progress("rows", true);
  bool first = true;
  bool written = true;
  auto done = (*snapshot)->for_each_export(
      options.what, *from, *to, [&](const std::vector<ExportCell>& cells) {
        std::string text;
        if (options.csv && first) {
          for (const auto& cell : cells) {
            text += (text.empty() ? "" : ",") + std::string(cell.name);
          }
          text += "\r\n";
        }
        first = false;
        progress.step();
        text += options.csv ? csv_line(cells) : json_line(cells);
        written = written && std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
      });
  if (done && (!written || std::fflush(stdout) != 0)) {
    return Error{Errc::kIo, "the rows are cut short"};
  }
  return done;
}

constexpr std::size_t kMaxKeyBytes = 64UL * 1024;

Status write_pack(const config::Settings& settings, const ExportOptions& options) {
  const auto from = instant(options.from, core::Time::min());
  const auto to = instant(options.to, core::Time::max());
  if (!from || !to) {
    return !from ? from.error() : to.error();
  }
  if (options.key.empty()) {
    return Error{Errc::kInvalidArgument,
                 "--evidence needs --key: a file made with `openssl genpkey -algorithm ed25519`"};
  }
  const auto key = config::read_text_file(options.key, kMaxKeyBytes);
  if (!key) {
    return key.error();
  }
  storage::EvidenceRequest request;
  request.store = settings.storage_path;
  request.directory = options.evidence;
  request.from = *from;
  request.to = *to;
  request.scope = core::to_lower(options.scope);
  if (request.scope.ends_with('/')) {
    request.scope.pop_back();
  }
  request.private_key = *key;
  request.now = core::SystemClock().now();
  auto progress = std::make_optional<Progress>("writing " + options.evidence, false);
  const auto pack = storage::write_evidence(request);
  progress.reset();
  if (!pack) {
    return pack.error();
  }
  fmt::print(
      "{}: cycles {} to {}, {} versions, {} transitions, {} verdicts\nlast link {}\nsigned by {}\n",
      options.evidence,
      pack->first_cycle,
      pack->last_cycle,
      pack->versions,
      pack->transitions,
      pack->verdicts,
      pack->last_link,
      pack->key);
  return Status::ok();
}

}  // namespace

int run_export(const CommonOptions& common, const ExportOptions& options) {
  const auto settings = load_settings_with(common);
  if (!settings) {
    fmt::print(stderr, "{}\n", settings.error().message);
    return kExitError;
  }
  if (auto done =
          options.evidence.empty() ? write(*settings, options) : write_pack(*settings, options);
      !done) {
    fmt::print(stderr, "plumbline: {}\n", done.error().message);
    return kExitError;
  }
  return kExitOk;
}

}  // namespace plumbline::daemon
