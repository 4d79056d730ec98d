#include "storage/verify.hpp"

#include "storage/body_codec.hpp"
#include "storage/chain.hpp"
#include "storage/ranked_states.hpp"
#include "storage/schema.hpp"
#include "storage/sqlite.hpp"

#include <fmt/format.h>

#include <string_view>

namespace plumbline::storage {

using core::Errc;
using core::Error;
using core::Result;
using core::Status;

namespace {

constexpr std::size_t kMostProblems = 100;

class Verifier {
 public:
  explicit Verifier(Connection& connection) : connection_(&connection) {}

  Result<VerifyReport> run(bool full) {
    using Step = Status (Verifier::*)();
    std::vector<Step> steps = {&Verifier::chain, &Verifier::bodies, &Verifier::verdicts};
    if (full) {
      steps.insert(steps.begin(), {&Verifier::integrity, &Verifier::foreign_keys});
    } else {
      steps.insert(steps.begin(), &Verifier::structure);
    }
    for (const auto step : steps) {
      auto done = (this->*step)();
      if (!done && done.error().code == Errc::kCorrupt) {
        problem(done.error().message);
      } else if (!done) {
        return done.error();
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

  Status structure() { return quick_check(*connection_); }

  Status integrity() {
    const Use use(connection_->prepare("PRAGMA integrity_check(20)"));
    return each_row(*use, [&](const Statement& row) {
      if (row.text(0) != "ok") {
        problem(fmt::format("the database is damaged: {}", row.text(0)));
      }
    });
  }

  Status foreign_keys() {
    const Use use(connection_->prepare("PRAGMA foreign_key_check"));
    return each_row(*use, [&](const Statement& row) {
      problem(fmt::format(
          "row {} of {} refers to a {} that is not there", row.text(1), row.text(0), row.text(2)));
    });
  }

  Status chain() {
    const auto found = check_chain(*connection_);
    if (!found) {
      return found.error();
    }
    report_.cycles_checked = found->checked;
    report_.cycles_not_chained = found->not_chained;
    report_.cycles_beyond_horizon = found->beyond_horizon;
    report_.first_misfit = found->first_misfit;
    if (found->first_misfit) {
      problem(fmt::format("cycle {} is not what was committed: its link in the chain does not fit",
                          *found->first_misfit));
    }
    return Status::ok();
  }

  Status bodies() {
    const Use use(connection_->prepare(
        "SELECT v.id, r.key, v.checksum, v.body, v.to_cycle IS NULL, r.version_id "
        "FROM version v JOIN resource r ON r.id = v.resource_id"));
    std::int64_t live = 0;
    auto read = each_row(*use, [&](const Statement& row) {
      if (auto body = read_body(row.blob(3), row.blob(2)); !body) {
        problem(
            fmt::format("version {} of {}: {}", row.integer(0), row.text(1), body.error().message));
      }
      const bool current = !row.is_null(5) && row.integer(5) == row.integer(0);
      if (current != (row.integer(4) != 0)) {
        problem(fmt::format("version {} of {}: its end and the resource's current version disagree",
                            row.integer(0),
                            row.text(1)));
      }
      live += current ? 1 : 0;
      ++report_.bodies_checked;
    });
    if (!read) {
      return read;
    }
    const auto current =
        connection_->query_integer("SELECT count(*) FROM resource WHERE version_id IS NOT NULL");
    if (!current) {
      return current.error();
    }
    if (*current != live) {
      problem(fmt::format(
          "{} resources have a current version, but {} such versions are there", *current, live));
    }
    return Status::ok();
  }

  /// A verdict is its last transition, which the chain covers.
  Status verdicts() {
    const Use use(connection_->prepare(
        "SELECT c.assignment, c.reference, r.key FROM verdict v "
        "JOIN policy_check c ON c.id = v.check_id JOIN resource r ON r.id = v.resource_id "
        "LEFT JOIN transition t ON t.id = (SELECT max(u.id) FROM transition u "
        "WHERE u.resource_id = v.resource_id AND u.check_id = v.check_id) "
        "WHERE t.to_state IS NOT v.state OR t.reason IS NOT v.reason OR t.cause IS NOT v.cause "
        "OR t.cycle IS NOT v.since_cycle"));
    if (auto read = each_row(*use,
                             [&](const Statement& row) {
                               problem(fmt::format(
                                   "the verdict of {} {} about {} is not what its last transition "
                                   "says",
                                   row.text(0),
                                   row.text(1),
                                   row.text(2)));
                             });
        !read) {
      return read;
    }
    const auto held = connection_->query_integer("SELECT count(*) FROM verdict");
    const auto told = connection_->query_integer(
        "SELECT count(*) FROM transition t JOIN policy_check c ON c.id = t.check_id "
        "WHERE c.retired = 0 AND t.to_state IS NOT NULL AND NOT EXISTS (SELECT 1 FROM transition u "
        "WHERE u.resource_id = t.resource_id AND u.check_id = t.check_id AND u.id > t.id)");
    if (!held || !told) {
      return !held ? held.error() : told.error();
    }
    const auto miscounted = connection_->query_integer(
        "SELECT count(*) FROM (SELECT check_id, state, subscription, sum(n) FROM ("
        "SELECT v.check_id, v.state, r.subscription, 1 AS n FROM verdict v "
        "JOIN resource r ON r.id = v.resource_id UNION ALL "
        "SELECT check_id, state, subscription, -count FROM verdict_count) "
        "GROUP BY check_id, state, subscription HAVING sum(n) <> 0)");
    if (!miscounted) {
      return miscounted.error();
    }
    const auto misrolled = connection_->query_integer(
        fmt::format("WITH ranked (state, rank) AS (VALUES {}) "
                    "SELECT count(*) FROM (SELECT assignment, state, sum(n) FROM ("
                    "SELECT assignment, state, 1 AS n FROM "
                    "(SELECT c.assignment, v.state, min(ranked.rank) FROM verdict v "
                    "JOIN policy_check c ON c.id = v.check_id JOIN ranked USING (state) "
                    "GROUP BY v.resource_id, c.assignment) UNION ALL "
                    "SELECT assignment, state, -count FROM resource_count) "
                    "GROUP BY assignment, state HAVING sum(n) <> 0)",
                    ranked_states()));
    if (!misrolled) {
      return misrolled.error();
    }
    if (*miscounted > 0) {
      problem(fmt::format("{} of the kept counts are not those of the verdicts", *miscounted));
    }
    if (*misrolled > 0) {
      problem(fmt::format("{} of the kept counts of resources are not those of their verdicts",
                          *misrolled));
    }
    report_.verdicts_checked = *held;
    if (*held != *told) {
      problem(fmt::format("there are {} verdicts, but transitions tell of {}", *held, *told));
    }
    return Status::ok();
  }

  Connection* connection_;
  VerifyReport report_;
};

}  // namespace

Result<VerifyReport> verify_store(const std::string& path, bool full, const Stopped& stopped) {
  auto connection = open_readable(path);
  if (!connection) {
    return connection.error();
  }
  (*connection)->interrupt_when(stopped);
  // One state, whatever is committed meanwhile.
  if (auto begun = (*connection)->execute("PRAGMA query_only=ON; PRAGMA mmap_size=0; BEGIN");
      !begun) {
    return begun.error().with_context(path);
  }
  auto report = Verifier(**connection).run(full);
  return report ? std::move(report) : Result<VerifyReport>(report.error().with_context(path));
}

}  // namespace plumbline::storage
