#include "storage/evidence.hpp"

#include "core/digest.hpp"
#include "core/signature.hpp"
#include "core/text.hpp"
#include "storage/body_codec.hpp"
#include "storage/chain.hpp"
#include "storage/schema.hpp"
#include "storage/sqlite.hpp"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

namespace plumbline::storage {

using core::Errc;
using core::Error;
using core::Result;
using core::Status;

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kFormat = "plumbline-evidence/1";
constexpr std::size_t kMostProblems = 100;
constexpr std::string_view kBodyMember = ",\"body\":";
// The columns of a chained version that are digests: hex in a pack.
constexpr std::size_t kFingerprintColumn = 5;
constexpr std::size_t kChecksumColumn = 6;

using Values = std::vector<std::optional<std::string>>;

std::string path_in(const std::string& directory, std::string_view name) {
  return (fs::path(directory) / name).string();
}

bool in_scope(std::string_view key, std::string_view scope) {
  return scope.empty() || key == scope ||
         (key.starts_with(scope) && key.substr(scope.size()).starts_with('/'));
}

Result<std::string> read_file(const std::string& path) {
  const std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return file ? Result<std::string>(text.str())
              : Error{Errc::kIo, fmt::format("{}: cannot be read", path)};
}

Result<std::string> digest_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  core::Sha256Stream digest;
  std::string part(1U << 20U, '\0');
  while (file.read(part.data(), static_cast<std::streamsize>(part.size())) || file.gcount() > 0) {
    digest.add(std::string_view(part).substr(0, static_cast<std::size_t>(file.gcount())));
  }
  return file.eof() ? Result<std::string>(core::to_hex(digest.finish()))
                    : Error{Errc::kIo, fmt::format("{}: cannot be read", path)};
}

std::string from_hex(std::string_view hex) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    unsigned value = 0;
    std::from_chars(hex.data() + i, hex.data() + i + 2, value, 16);
    bytes += static_cast<char>(value);
  }
  return bytes;
}

bool is_digest(std::string_view tag, std::size_t column) {
  return tag == "version" && (column == kFingerprintColumn || column == kChecksumColumn);
}

/// A file of a pack: its digest is made while it is written.
class PackFile {
 public:
  PackFile(const std::string& directory, std::string name)
      : name_(std::move(name)), file_(path_in(directory, name_), std::ios::binary) {}

  void line(std::string_view text) {
    file_ << text << '\n';
    digest_.add(text);
    digest_.add("\n");
    ++lines_;
    bytes_ += text.size() + 1;
  }

  /// Its entry in the manifest.
  Result<std::string> close() {
    file_.close();
    if (!file_) {
      return Error{Errc::kIo, fmt::format("{}: cannot be written", name_)};
    }
    return fmt::format(R"({{"name":"{}","lines":{},"bytes":{},"sha256":"{}"}})",
                       name_,
                       lines_,
                       bytes_,
                       core::to_hex(digest_.finish()));
  }

 private:
  std::string name_;
  std::ofstream file_;
  core::Sha256Stream digest_;
  std::int64_t lines_ = 0;
  std::size_t bytes_ = 0;
};

std::string quoted_or_null(const Statement& row, int column) {
  return row.is_null(column) ? "null" : core::json_quote(row.text(column));
}

class Writer {
 public:
  Writer(const EvidenceRequest& request, Connection& connection)
      : request_(&request), connection_(&connection) {}

  Result<EvidenceReport> run() {
    using Step = Status (Writer::*)();
    for (const Step step : {&Writer::find_range,
                            &Writer::sign_nothing,
                            &Writer::make_directory,
                            &Writer::write_chain,
                            &Writer::write_versions,
                            &Writer::write_transitions,
                            &Writer::write_verdicts,
                            &Writer::write_manifest}) {
      if (auto done = (this->*step)(); !done) {
        return done.error();
      }
    }
    return report_;
  }

 private:
  Status find_range() {
    const Use use(connection_->prepare(
        "SELECT min(number), max(number) FROM cycle WHERE committed_at >= ?1 AND committed_at < ?2 "
        "AND chain IS NOT NULL AND number > coalesce((SELECT cycle FROM horizon), 0)"));
    use->bind(1, core::to_micros(request_->from)).bind(2, core::to_micros(request_->to));
    const auto row = use->step();
    if (!row) {
      return row.error();
    }
    if (use->is_null(0)) {
      return Error{Errc::kNotFound,
                   "no cycle of that time is kept whole: retention has passed it, it is older than "
                   "the chain, or nothing was committed"};
    }
    report_.first_cycle = use->integer(0);
    report_.last_cycle = use->integer(1);
    const Use before(
        connection_->prepare("SELECT coalesce((SELECT chain FROM cycle WHERE number = ?1), "
                             "(SELECT chain FROM horizon WHERE cycle = ?1), x'')"));
    before->bind(1, report_.first_cycle - 1);
    const auto found = before->step();
    if (!found) {
      return found.error();
    }
    previous_link_ = before->blob(0);
    return Status::ok();
  }

  /// A key that cannot sign is to be known before anything is written.
  Status sign_nothing() {
    auto key = core::public_key_of(request_->private_key);
    if (!key) {
      return key.error();
    }
    public_key_ = *std::move(key);
    auto fingerprint = core::key_fingerprint(public_key_);
    if (!fingerprint) {
      return fingerprint.error();
    }
    report_.key = *std::move(fingerprint);
    return Status::ok();
  }

  Status make_directory() {
    std::error_code error;
    if (!fs::create_directory(request_->directory, error)) {
      return Error{error ? Errc::kIo : Errc::kInvalidArgument,
                   fmt::format("{}: {}",
                               request_->directory,
                               error ? error.message() : "is there already; a pack is made anew")};
    }
    fs::permissions(request_->directory, fs::perms::owner_all, error);
    return error ? Status(Error{Errc::kIo, request_->directory + ": " + error.message()})
                 : Status::ok();
  }

  Status close(PackFile& file) {
    auto entry = file.close();
    if (!entry) {
      return entry.error();
    }
    files_ += (files_.empty() ? "" : ",") + *entry;
    return Status::ok();
  }

  Status write_chain() {
    PackFile file(request_->directory, "chain.jsonl");
    auto done = for_each_chain_item(
        *connection_, report_.first_cycle, report_.last_cycle, [&](const ChainItem& item) {
          std::string line = fmt::format(R"({{"tag":"{}","values":[)", item.tag);
          for (std::size_t i = 0; i < item.values.size(); ++i) {
            const auto& value = item.values.at(i);
            line += i == 0 ? "" : ",";
            line += !value                   ? "null"
                    : is_digest(item.tag, i) ? core::json_quote(core::to_hex(*value))
                                             : core::json_quote(*value);
          }
          line += "]";
          if (item.tag == "cycle") {
            report_.last_link = core::to_hex(item.link);
            line += fmt::format(R"(,"link":"{}")", report_.last_link);
          }
          file.line(line + "}");
          return Status::ok();
        });
    return done ? close(file) : done;
  }

  /// Keys under the scope, as `for_each_of_type` finds them; `?1` is the scope, `?2`, `?3` cycles.
  Use scoped(std::string_view sql) {
    Use use(connection_->prepare(fmt::format(
        "{} AND (?1 = '' OR r.key = ?1 OR (r.key >= ?1 || '/' AND r.key < ?1 || '0')) {}",
        sql.substr(0, sql.find("ORDER")),
        sql.substr(sql.find("ORDER")))));
    use->bind(1, request_->scope).bind(2, report_.first_cycle).bind(3, report_.last_cycle);
    return use;
  }

  Status write_versions() {
    PackFile file(request_->directory, "versions.jsonl");
    auto use = scoped(
        "SELECT v.id, r.key, r.type, v.from_cycle, v.to_cycle, v.observed_at, v.checksum, v.body "
        "FROM version v JOIN resource r ON r.id = v.resource_id WHERE v.from_cycle <= ?3 "
        "AND (v.to_cycle IS NULL OR v.to_cycle >= ?2) ORDER BY v.id");
    for (;;) {
      const auto row = use->step();
      if (!row) {
        return row.error();
      }
      if (!*row) {
        return close(file);
      }
      const auto& found = *use;
      auto body = read_body(found.blob(7), found.blob(6));
      if (!body) {
        return body.error().with_context(found.text(1));
      }
      // An end that lies beyond the range is not known to a reader of the range.
      const bool ends = !found.is_null(4) && found.integer(4) <= report_.last_cycle;
      file.line(fmt::format(
          R"({{"version":{},"key":{},"type":{},"from_cycle":{},"to_cycle":{},"observed_at":"{}","checksum":"{}"{}{}}})",
          found.integer(0),
          core::json_quote(found.text(1)),
          core::json_quote(found.text(2)),
          found.integer(3),
          ends ? fmt::format("{}", found.integer(4)) : "null",
          core::to_rfc3339(core::from_micros(found.integer(5))),
          core::to_hex(found.blob(6)),
          kBodyMember,
          *body));
      ++report_.versions;
      report_.older_versions += found.integer(3) < report_.first_cycle ? 1 : 0;
    }
  }

  Status write_transitions() {
    PackFile file(request_->directory, "transitions.jsonl");
    auto use = scoped(
        "SELECT t.id, t.cycle, y.committed_at, c.assignment, c.reference, r.key, t.from_state, "
        "t.to_state, t.reason, t.cause FROM transition t JOIN cycle y ON y.number = t.cycle "
        "JOIN policy_check c ON c.id = t.check_id JOIN resource r ON r.id = t.resource_id "
        "WHERE t.cycle BETWEEN ?2 AND ?3 ORDER BY t.id");
    auto done = each_row(*use, [&](const Statement& row) {
      file.line(fmt::format(
          R"({{"transition":{},"cycle":{},"at":"{}","assignment":{},"reference":{},"key":{},"from":{},"to":{},"reason":{},"cause":{}}})",
          row.integer(0),
          row.integer(1),
          core::to_rfc3339(core::from_micros(row.integer(2))),
          core::json_quote(row.text(3)),
          core::json_quote(row.text(4)),
          core::json_quote(row.text(5)),
          quoted_or_null(row, 6),
          quoted_or_null(row, 7),
          core::json_quote(row.text(8)),
          core::json_quote(row.text(9))));
      ++report_.transitions;
    });
    return done ? close(file) : done;
  }

  /// As they stood after the last cycle of the range.
  Status write_verdicts() {
    PackFile file(request_->directory, "verdicts.jsonl");
    auto use = scoped(
        "SELECT c.assignment, c.reference, r.key, t.to_state, t.reason, t.cycle, t.id FROM "
        "(SELECT resource_id, check_id, to_state, reason, cycle, max(id) AS id FROM transition "
        "WHERE cycle <= ?3 GROUP BY resource_id, check_id) t "
        "JOIN policy_check c ON c.id = t.check_id JOIN resource r ON r.id = t.resource_id "
        "WHERE t.to_state IS NOT NULL "
        "AND NOT (c.retired = 1 AND coalesce(c.retired_cycle, 0) <= ?3) ORDER BY t.id");
    auto done = each_row(*use, [&](const Statement& row) {
      file.line(fmt::format(
          R"({{"assignment":{},"reference":{},"key":{},"state":{},"reason":{},"since_cycle":{},"transition":{}}})",
          core::json_quote(row.text(0)),
          core::json_quote(row.text(1)),
          core::json_quote(row.text(2)),
          core::json_quote(row.text(3)),
          core::json_quote(row.text(4)),
          row.integer(5),
          row.integer(6)));
      ++report_.verdicts;
      report_.older_verdicts += row.integer(5) < report_.first_cycle ? 1 : 0;
    });
    return done ? close(file) : done;
  }

  Status write_manifest() {
    const auto manifest = fmt::format(
        R"({{"format":"{}","made_at":"{}","scope":{},"first_cycle":{},"last_cycle":{},"previous_link":"{}","last_link":"{}","key_sha256":"{}","files":[{}]}})"
        "\n",
        kFormat,
        core::to_rfc3339(request_->now),
        core::json_quote(request_->scope),
        report_.first_cycle,
        report_.last_cycle,
        core::to_hex(previous_link_),
        report_.last_link,
        report_.key,
        files_);
    const auto signature = core::sign_ed25519(request_->private_key, manifest);
    if (!signature) {
      return signature.error();
    }
    for (const auto& [name, text] :
         {std::pair<std::string_view, std::string_view>{"key.pem", public_key_},
          {"manifest.json", manifest},
          {"manifest.sig", *signature}}) {
      std::ofstream file(path_in(request_->directory, name), std::ios::binary);
      file << text;
      file.close();
      if (!file) {
        return Error{Errc::kIo,
                     fmt::format("{}: cannot be written", path_in(request_->directory, name))};
      }
    }
    return Status::ok();
  }

  const EvidenceRequest* request_;
  Connection* connection_;
  EvidenceReport report_;
  std::string previous_link_;
  std::string public_key_;
  std::string files_;
};

/// A line that is not what a pack holds ends the reading of it.
struct Malformed {};

class Line {
 public:
  explicit Line(simdjson::dom::element element) : element_(element) {}

  [[nodiscard]] std::string text(std::string_view name) const {
    std::string_view value;
    if (element_[name].get(value) != simdjson::SUCCESS) {
      throw Malformed();
    }
    return std::string(value);
  }

  [[nodiscard]] std::optional<std::string> text_or_null(std::string_view name) const {
    return element_[name].is_null() ? std::nullopt : std::optional(text(name));
  }

  [[nodiscard]] std::int64_t integer(std::string_view name) const {
    std::int64_t value = 0;
    if (element_[name].get(value) != simdjson::SUCCESS) {
      throw Malformed();
    }
    return value;
  }

  [[nodiscard]] bool is_null(std::string_view name) const { return element_[name].is_null(); }

  [[nodiscard]] simdjson::dom::array array(std::string_view name) const {
    simdjson::dom::array value;
    if (element_[name].get(value) != simdjson::SUCCESS) {
      throw Malformed();
    }
    return value;
  }

 private:
  simdjson::dom::element element_;
};

class Checker {
 public:
  Checker(std::string directory, std::string public_key)
      : directory_(std::move(directory)), public_key_(std::move(public_key)) {}

  Result<EvidenceReport> run() {
    if (auto read = manifest(); !read) {
      return read.error();
    }
    using Step = void (Checker::*)();
    for (const auto& [step, file] : {std::pair<Step, const char*>{&Checker::files, "manifest.json"},
                                     {&Checker::chain, "chain.jsonl"},
                                     {&Checker::versions, "versions.jsonl"},
                                     {&Checker::transitions, "transitions.jsonl"},
                                     {&Checker::verdicts, "verdicts.jsonl"}}) {
      try {
        (this->*step)();
      } catch (const Malformed&) {
        problem(fmt::format("{}: is not what a pack holds", file));
      }
    }
    return std::move(report_);
  }

 private:
  void problem(std::string text) {
    if (report_.problems.size() < kMostProblems) {
      report_.problems.push_back(std::move(text));
    }
  }

  Status manifest() {
    auto text = read_file(path_in(directory_, "manifest.json"));
    auto signature = read_file(path_in(directory_, "manifest.sig"));
    auto own = read_file(path_in(directory_, "key.pem"));
    for (const auto* file : {&text, &signature, &own}) {
      if (!*file) {
        return file->error();
      }
    }
    const auto& key = public_key_.empty() ? *own : public_key_;
    const auto signed_by = core::verify_ed25519(key, *text, *signature);
    const auto fingerprint = core::key_fingerprint(key);
    if (!signed_by || !fingerprint) {
      return !signed_by ? signed_by.error() : fingerprint.error();
    }
    report_.key = *fingerprint;
    if (!*signed_by) {
      problem(fmt::format("manifest.json: is not signed by the key {}", report_.key));
    }
    manifest_ = *std::move(text);
    return Status::ok();
  }

  void files() {
    const Line manifest = parse(manifest_);
    if (manifest.text("format") != kFormat) {
      throw Malformed();
    }
    scope_ = manifest.text("scope");
    report_.first_cycle = manifest.integer("first_cycle");
    report_.last_cycle = manifest.integer("last_cycle");
    report_.last_link = manifest.text("last_link");
    link_ = from_hex(manifest.text("previous_link"));
    std::set<std::string> listed = {"manifest.json", "manifest.sig", "key.pem"};
    for (const auto element : manifest.array("files")) {
      const Line file(element);
      const auto name = file.text("name");
      listed.insert(name);
      if (name.contains('/')) {
        throw Malformed();
      }
      const auto digest = digest_of(path_in(directory_, name));
      if (!digest) {
        problem(digest.error().message);
      } else if (*digest != file.text("sha256")) {
        problem(fmt::format("{}: is not the file that was signed", name));
      }
    }
    for (const auto* name :
         {"chain.jsonl", "versions.jsonl", "transitions.jsonl", "verdicts.jsonl"}) {
      if (!listed.contains(name)) {
        problem(fmt::format("{}: is not in the manifest", name));
      }
    }
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(directory_, ignored)) {
      if (!listed.contains(entry.path().filename().string())) {
        problem(fmt::format("{}: nobody signed it", entry.path().filename().string()));
      }
    }
  }

  Line parse(std::string_view text) {
    simdjson::dom::element element;
    if (parser_.parse(text.data(), text.size()).get(element) != simdjson::SUCCESS ||
        !element.is_object()) {
      throw Malformed();
    }
    return Line(element);
  }

  template <class Visit>
  void each_line(std::string_view name, Visit visit) {
    std::ifstream file(path_in(directory_, name), std::ios::binary);
    std::string text;
    while (std::getline(file, text)) {
      visit(text);
    }
  }

  /// Every row in order, folded into the link; keeps what the other files must show.
  void chain() {
    std::int64_t cycle = report_.first_cycle - 1;
    std::string stated = link_;
    const auto settle = [&] {
      if (cycle >= report_.first_cycle && link_ != stated) {
        problem(fmt::format("cycle {}: its link in the chain does not fit", cycle));
        link_ = stated;
      }
    };
    each_line("chain.jsonl", [&](const std::string& text) {
      const Line line = parse(text);
      const auto tag = line.text("tag");
      Values values;
      for (const auto element : line.array("values")) {
        std::string_view value;
        if (element.get(value) == simdjson::SUCCESS) {
          values.emplace_back(is_digest(tag, values.size()) ? from_hex(value) : std::string(value));
        } else {
          values.emplace_back(std::nullopt);
        }
      }
      if (tag == "cycle") {
        settle();
        ++cycle;
        stated = from_hex(line.text("link"));
      }
      if (values.empty() || values.front() != std::optional(fmt::format("{}", cycle))) {
        problem(fmt::format("cycle {}: the chain has a row that is not its own", cycle));
      }
      link_ = next_link(link_, tag, values);
      remember(tag, values);
    });
    settle();
    if (cycle != report_.last_cycle || core::to_hex(link_) != report_.last_link) {
      problem("chain.jsonl: does not end where the manifest says");
    }
  }

  void remember(const std::string& tag, const Values& values) {
    const auto at = [&](std::size_t index) -> const std::string& {
      if (index >= values.size() || !values.at(index)) {
        throw Malformed();
      }
      return *values.at(index);
    };
    if (tag == "version" && in_scope(at(2), scope_)) {
      versions_[at(1)] = at(0) + " " + at(2) + " " + core::to_hex(at(kChecksumColumn));
    } else if (tag == "end" && in_scope(at(2), scope_)) {
      ends_[at(1)] = at(0);
    } else if (tag == "transition" && in_scope(at(4), scope_)) {
      std::string row;
      for (const auto& value : values) {
        row += value ? core::json_quote(*value) : "null";
      }
      transitions_[at(1)] = std::move(row);
    }
  }

  void versions() {
    each_line("versions.jsonl", [&](const std::string& text) {
      const auto member = text.find(kBodyMember);
      if (member == std::string::npos || !text.ends_with('}')) {
        throw Malformed();
      }
      const Line line = parse(text);
      const auto id = fmt::format("{}", line.integer("version"));
      const auto key = line.text("key");
      const auto from = line.integer("from_cycle");
      const auto checksum = line.text("checksum");
      const auto body = std::string_view(text).substr(member + kBodyMember.size());
      ++report_.versions;
      if (core::to_hex(core::sha256(body.substr(0, body.size() - 1))) != checksum) {
        problem(fmt::format("version {} of {}: the body fails its checksum", id, key));
      }
      if (!in_scope(key, scope_)) {
        problem(fmt::format("version {} of {}: lies outside the scope", id, key));
      }
      if (from < report_.first_cycle) {
        ++report_.older_versions;
      } else if (const auto found = versions_.find(id);
                 found == versions_.end() ||
                 found->second != fmt::format("{} {} {}", from, key, checksum)) {
        problem(fmt::format("version {} of {}: is not what the chain says", id, key));
      } else {
        versions_.erase(found);
      }
      const auto end = ends_.find(id);
      const auto ended =
          line.is_null("to_cycle") ? "" : fmt::format("{}", line.integer("to_cycle"));
      if (ended != (end == ends_.end() ? "" : end->second)) {
        problem(fmt::format("version {} of {}: its end is not what the chain says", id, key));
      }
      if (end != ends_.end()) {
        ends_.erase(end);
      }
    });
    for (const auto* missing : {&versions_, &ends_}) {
      for (const auto& [id, row] : *missing) {
        problem(fmt::format("version {}: is in the chain, but not in the pack", id));
      }
    }
  }

  void transitions() {
    each_line("transitions.jsonl", [&](const std::string& text) {
      const Line line = parse(text);
      const auto id = fmt::format("{}", line.integer("transition"));
      std::string row = core::json_quote(fmt::format("{}", line.integer("cycle")));
      row += core::json_quote(id);
      for (const auto* name : {"assignment", "reference", "key", "from", "to", "reason", "cause"}) {
        const auto value = line.text_or_null(name);
        row += value ? core::json_quote(*value) : "null";
      }
      ++report_.transitions;
      const auto found = transitions_.find(id);
      if (found == transitions_.end() || found->second != row) {
        problem(fmt::format("transition {}: is not what the chain says", id));
      } else {
        transitions_.erase(found);
      }
      const auto subject =
          line.text("assignment") + "\n" + line.text("reference") + "\n" + line.text("key");
      last_[subject] = {line.integer("transition"),
                        line.integer("cycle"),
                        line.text_or_null("to"),
                        line.text("reason")};
    });
    for (const auto& [id, row] : transitions_) {
      problem(fmt::format("transition {}: is in the chain, but not in the pack", id));
    }
  }

  void verdicts() {
    each_line("verdicts.jsonl", [&](const std::string& text) {
      const Line line = parse(text);
      const auto subject =
          line.text("assignment") + "\n" + line.text("reference") + "\n" + line.text("key");
      ++report_.verdicts;
      const auto found = last_.find(subject);
      if (found == last_.end()) {
        ++report_.older_verdicts;
        if (line.integer("since_cycle") >= report_.first_cycle ||
            !in_scope(line.text("key"), scope_)) {
          problem(fmt::format("a verdict about {}: no transition says so", line.text("key")));
        }
        return;
      }
      const auto& last = found->second;
      if (last.state != std::optional(line.text("state")) || last.reason != line.text("reason") ||
          last.cycle != line.integer("since_cycle") || last.id != line.integer("transition")) {
        problem(fmt::format("a verdict about {}: is not what its last transition says",
                            line.text("key")));
      }
      last_.erase(found);
    });
    for (const auto& [subject, last] : last_) {
      if (last.state) {
        problem(fmt::format("transition {}: its verdict is not in the pack", last.id));
      }
    }
  }

  struct Last {
    std::int64_t id = 0;
    std::int64_t cycle = 0;
    std::optional<std::string> state;
    std::string reason;
  };

  std::string directory_;
  std::string public_key_;
  EvidenceReport report_;
  simdjson::dom::parser parser_;
  std::string manifest_;
  std::string scope_;
  std::string link_;
  std::map<std::string, std::string> versions_;
  std::map<std::string, std::string> ends_;
  std::map<std::string, std::string> transitions_;
  std::map<std::string, Last> last_;
};

}  // namespace

Result<EvidenceReport> write_evidence(const EvidenceRequest& request) {
  auto connection = open_readable(request.store);
  if (!connection) {
    return connection.error();
  }
  if (auto begun = (*connection)->execute("PRAGMA query_only=ON; PRAGMA mmap_size=0; BEGIN");
      !begun) {
    return begun.error().with_context(request.store);
  }
  return Writer(request, **connection).run();
}

Result<EvidenceReport> verify_evidence(const std::string& directory,
                                       const std::string& public_key) {
  return Checker(directory, public_key).run();
}

bool is_evidence(const std::string& path) {
  std::error_code ignored;
  return fs::is_regular_file(path_in(path, "manifest.json"), ignored);
}

}  // namespace plumbline::storage
