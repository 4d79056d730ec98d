#include "storage/schema.hpp"

#include <fmt/format.h>

#include <array>
#include <filesystem>
#include <string>

namespace plumbline::storage {

using core::Errc;
using core::Error;
using core::Status;

namespace {

// Migration i brings user_version i to i + 1.
constexpr std::array<const char*, kSchemaVersion> kMigrations = {R"sql(
CREATE TABLE cycle (
  number INTEGER PRIMARY KEY,
  kind TEXT NOT NULL,
  scope TEXT NOT NULL,
  started_at INTEGER NOT NULL,
  committed_at INTEGER NOT NULL,
  complete INTEGER NOT NULL,
  observed INTEGER NOT NULL,
  changed INTEGER NOT NULL,
  deleted INTEGER NOT NULL,
  evaluated INTEGER NOT NULL,
  transitions INTEGER NOT NULL
) STRICT;

CREATE TABLE resource (
  id INTEGER PRIMARY KEY,
  key TEXT NOT NULL UNIQUE,
  display_id TEXT NOT NULL,
  type TEXT NOT NULL,
  subscription TEXT NOT NULL,
  is_detail INTEGER NOT NULL,
  source TEXT NOT NULL,
  version_id INTEGER REFERENCES version(id),
  observed_at INTEGER NOT NULL,
  first_cycle INTEGER NOT NULL REFERENCES cycle(number) DEFERRABLE INITIALLY DEFERRED
) STRICT;
CREATE INDEX resource_by_type ON resource(type, key) WHERE version_id IS NOT NULL;
CREATE INDEX resource_by_source ON resource(source) WHERE version_id IS NOT NULL;

CREATE TABLE version (
  id INTEGER PRIMARY KEY,
  resource_id INTEGER NOT NULL REFERENCES resource(id),
  from_cycle INTEGER NOT NULL REFERENCES cycle(number) DEFERRABLE INITIALLY DEFERRED,
  to_cycle INTEGER REFERENCES cycle(number) DEFERRABLE INITIALLY DEFERRED,
  observed_at INTEGER NOT NULL,
  normaliser INTEGER NOT NULL,
  fingerprint BLOB NOT NULL,
  checksum BLOB NOT NULL,
  body BLOB NOT NULL
) STRICT;
CREATE INDEX version_by_resource ON version(resource_id, from_cycle);

CREATE TABLE evidence (
  key TEXT PRIMARY KEY,
  complete INTEGER NOT NULL,
  reason TEXT NOT NULL,
  message TEXT NOT NULL,
  observed_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE policy_check (
  id INTEGER PRIMARY KEY,
  assignment TEXT NOT NULL,
  reference TEXT NOT NULL,
  definition_hash TEXT NOT NULL,
  parameters_hash TEXT NOT NULL,
  retired INTEGER NOT NULL DEFAULT 0,
  UNIQUE (assignment, reference)
) STRICT;

CREATE TABLE verdict (
  check_id INTEGER NOT NULL REFERENCES policy_check(id),
  resource_id INTEGER NOT NULL REFERENCES resource(id),
  state TEXT NOT NULL,
  reason TEXT NOT NULL,
  cause TEXT NOT NULL,
  version_id INTEGER NOT NULL REFERENCES version(id),
  since_cycle INTEGER NOT NULL REFERENCES cycle(number) DEFERRABLE INITIALLY DEFERRED,
  evaluated_at INTEGER NOT NULL,
  known_state TEXT,
  known_version INTEGER NOT NULL,
  PRIMARY KEY (check_id, resource_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX verdict_by_resource ON verdict(resource_id);

CREATE TABLE transition (
  id INTEGER PRIMARY KEY,
  cycle INTEGER NOT NULL REFERENCES cycle(number) DEFERRABLE INITIALLY DEFERRED,
  check_id INTEGER NOT NULL REFERENCES policy_check(id),
  resource_id INTEGER NOT NULL REFERENCES resource(id),
  from_state TEXT,
  to_state TEXT,
  reason TEXT NOT NULL,
  cause TEXT NOT NULL
) STRICT;
CREATE INDEX transition_by_resource ON transition(resource_id);

CREATE TABLE dependency (
  target TEXT NOT NULL,
  check_id INTEGER NOT NULL,
  resource_id INTEGER NOT NULL,
  PRIMARY KEY (target, check_id, resource_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX dependency_by_subject ON dependency(resource_id, check_id);

CREATE TABLE reference (
  resource_id INTEGER NOT NULL REFERENCES resource(id),
  relation TEXT NOT NULL,
  target TEXT NOT NULL,
  PRIMARY KEY (resource_id, relation, target)
) STRICT, WITHOUT ROWID;
CREATE INDEX reference_by_target ON reference(relation, target);

CREATE TABLE drift (
  id INTEGER PRIMARY KEY,
  kind TEXT NOT NULL,
  check_id INTEGER REFERENCES policy_check(id),
  resource_id INTEGER NOT NULL REFERENCES resource(id),
  path TEXT NOT NULL,
  old_value TEXT NOT NULL,
  new_value TEXT NOT NULL,
  severity TEXT NOT NULL,
  opened_cycle INTEGER NOT NULL REFERENCES cycle(number) DEFERRABLE INITIALLY DEFERRED,
  opened_at INTEGER NOT NULL,
  resolved_cycle INTEGER REFERENCES cycle(number) DEFERRABLE INITIALLY DEFERRED,
  resolved_at INTEGER
) STRICT;
CREATE INDEX drift_open ON drift(resource_id) WHERE resolved_cycle IS NULL;

-- Pages of the cycle in the making; emptied at its end and at every start.
CREATE TABLE staging (
  key TEXT PRIMARY KEY,
  display_id TEXT NOT NULL,
  type TEXT NOT NULL,
  is_detail INTEGER NOT NULL,
  source TEXT NOT NULL,
  observed_at INTEGER NOT NULL,
  fingerprint BLOB NOT NULL,
  body BLOB NOT NULL,
  checksum BLOB NOT NULL
) STRICT, WITHOUT ROWID;
)sql",
                                                                 R"sql(
-- What Azure answered and can be asked for again.
CREATE TABLE cached_document (
  name TEXT PRIMARY KEY,
  fetched_at INTEGER NOT NULL,
  checksum BLOB NOT NULL,
  body BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- How far a feed has been read.
CREATE TABLE watermark (
  source TEXT PRIMARY KEY,
  position INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE change_record (
  id INTEGER PRIMARY KEY,
  cycle INTEGER NOT NULL REFERENCES cycle(number) DEFERRABLE INITIALLY DEFERRED,
  change_id TEXT NOT NULL UNIQUE,
  resource_key TEXT NOT NULL,
  changed_at INTEGER NOT NULL,
  kind TEXT NOT NULL,
  changed_by TEXT NOT NULL,
  changed_by_type TEXT NOT NULL,
  client_type TEXT NOT NULL,
  operation TEXT NOT NULL,
  correlation_id TEXT NOT NULL,
  paths TEXT NOT NULL
) STRICT;
CREATE INDEX change_record_by_resource ON change_record(resource_key, changed_at);

ALTER TABLE policy_check ADD COLUMN exemptions_hash TEXT NOT NULL DEFAULT '';
)sql",
                                                                 R"sql(
-- SHA-256 over the previous cycle's, the row and what the cycle changed; NULL: before schema 3.
ALTER TABLE cycle ADD COLUMN chain BLOB;
-- What drift a cycle resolved.
CREATE INDEX drift_by_resolution ON drift(resolved_cycle) WHERE resolved_cycle IS NOT NULL;
-- What ended with a cycle.
CREATE INDEX version_by_end ON version(to_cycle) WHERE to_cycle IS NOT NULL;
-- When a check was no longer assigned.
ALTER TABLE policy_check ADD COLUMN retired_cycle INTEGER;
-- How far retention has reached; `chain` is the link of that cycle, from which the next is checked.
CREATE TABLE horizon (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  cycle INTEGER NOT NULL,
  at INTEGER NOT NULL,
  chain BLOB
) STRICT;
)sql",
                                                                 R"sql(
-- What a team has agreed to live with.
CREATE TABLE acceptance (
  id INTEGER PRIMARY KEY,
  cycle INTEGER NOT NULL REFERENCES cycle(number) DEFERRABLE INITIALLY DEFERRED,
  accepted_at INTEGER NOT NULL,
  name TEXT NOT NULL,
  kind TEXT NOT NULL,
  scope TEXT NOT NULL,
  type TEXT NOT NULL,
  path TEXT NOT NULL,
  assignment TEXT NOT NULL,
  reference TEXT NOT NULL,
  up_to_cycle INTEGER,
  drift_id INTEGER,
  snooze INTEGER NOT NULL,
  reason TEXT NOT NULL,
  author TEXT NOT NULL,
  expires_at INTEGER,
  ended_cycle INTEGER REFERENCES cycle(number) DEFERRABLE INITIALLY DEFERRED,
  ended_at INTEGER
) STRICT;
CREATE INDEX acceptance_by_drift ON acceptance(drift_id) WHERE drift_id IS NOT NULL;
CREATE INDEX acceptance_by_end ON acceptance(ended_cycle) WHERE ended_cycle IS NOT NULL;
ALTER TABLE drift ADD COLUMN old_version INTEGER;
ALTER TABLE drift ADD COLUMN new_version INTEGER;
ALTER TABLE drift ADD COLUMN acceptance_id INTEGER REFERENCES acceptance(id);
CREATE INDEX drift_by_resource ON drift(resource_id);
CREATE INDEX drift_by_acceptance ON drift(acceptance_id) WHERE acceptance_id IS NOT NULL;
-- Every step in the life of drift.
CREATE TABLE drift_event (
  id INTEGER PRIMARY KEY,
  cycle INTEGER NOT NULL REFERENCES cycle(number) DEFERRABLE INITIALLY DEFERRED,
  at INTEGER NOT NULL,
  step TEXT NOT NULL,
  drift_id INTEGER NOT NULL REFERENCES drift(id),
  acceptance_id INTEGER REFERENCES acceptance(id)
) STRICT;
CREATE INDEX drift_event_by_drift ON drift_event(drift_id);
)sql",
                                                                 R"sql(
-- What was found to be gone, as opposed to what is no longer asked for.
ALTER TABLE resource ADD COLUMN deleted INTEGER NOT NULL DEFAULT 0;
-- Drift that keeps coming and going: `quiet_since` when it is not there at the moment.
ALTER TABLE drift ADD COLUMN flapping INTEGER NOT NULL DEFAULT 0;
ALTER TABLE drift ADD COLUMN quiet_since INTEGER;
-- `severity` is the one it opened with; `rated` what a rule has decided since; `awaits_records` 1:
-- one still may.
ALTER TABLE drift ADD COLUMN rated TEXT;
ALTER TABLE drift ADD COLUMN awaits_records INTEGER NOT NULL DEFAULT 0;
CREATE INDEX acceptance_general ON acceptance(id)
  WHERE ended_cycle IS NULL AND drift_id IS NULL;
CREATE INDEX acceptance_expiry ON acceptance(expires_at)
  WHERE ended_cycle IS NULL AND expires_at IS NOT NULL;
CREATE INDEX drift_awaiting ON drift(id) WHERE awaits_records = 1;
CREATE INDEX drift_event_by_time ON drift_event(at);
-- By the minute in which it opened.
CREATE INDEX drift_by_minute ON drift(opened_at / 60000000);
CREATE INDEX drift_quiet ON drift(quiet_since) WHERE quiet_since IS NOT NULL;
-- How many verdicts there are, for readers that cannot count them all each time.
CREATE TABLE verdict_count (
  check_id INTEGER NOT NULL REFERENCES policy_check(id),
  state TEXT NOT NULL,
  subscription TEXT NOT NULL,
  count INTEGER NOT NULL,
  PRIMARY KEY (check_id, state, subscription)
) STRICT, WITHOUT ROWID;
INSERT INTO verdict_count SELECT v.check_id, v.state, r.subscription, count(*) FROM verdict v
  JOIN resource r ON r.id = v.resource_id GROUP BY v.check_id, v.state, r.subscription;
-- The same of resources: by assignment, and by the state that wins among those of its verdicts.
CREATE TABLE resource_count (
  assignment TEXT NOT NULL,
  state TEXT NOT NULL,
  count INTEGER NOT NULL,
  PRIMARY KEY (assignment, state)
) STRICT, WITHOUT ROWID;
WITH ranked (state, rank) AS (VALUES ('NonCompliant', 0), ('NoEvidence', 1), ('Compliant', 2),
  ('Error', 3), ('Conflict', 4), ('Protected', 5), ('Exempt', 6), ('Unknown', 7))
INSERT INTO resource_count SELECT assignment, state, count(*) FROM
  (SELECT c.assignment, v.state, min(ranked.rank) FROM verdict v
    JOIN policy_check c ON c.id = v.check_id JOIN ranked USING (state)
    GROUP BY v.resource_id, c.assignment)
  GROUP BY assignment, state;
CREATE INDEX verdict_exempt ON verdict(reason, known_state) WHERE state = 'Exempt';
CREATE INDEX evidence_missing ON evidence(key) WHERE complete = 0;
-- Up to which rows a sink has been told what happened.
CREATE TABLE sink (
  name TEXT PRIMARY KEY,
  drift_event INTEGER NOT NULL,
  transition INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
-- What a sink did not take.
CREATE TABLE dead_letter (
  id INTEGER PRIMARY KEY,
  sink TEXT NOT NULL,
  event TEXT NOT NULL,
  at INTEGER NOT NULL,
  error TEXT NOT NULL
) STRICT;
-- Pages of the cycle in the making have a file of their own.
DROP TABLE staging;
-- What many rows have in common, and what there are few of, is kept as a number: most of a store are
-- its verdicts and the names of its resources. Whoever reads finds the texts in views.
CREATE TABLE word (
  id INTEGER PRIMARY KEY,
  text TEXT NOT NULL UNIQUE
) STRICT;
INSERT INTO word (text)
  SELECT type FROM resource UNION SELECT source FROM resource UNION SELECT subscription FROM resource;
-- Lower-cased, `cased_key` is the key; `spelling` is there where an id differs in more than letters.
CREATE TABLE resource_row (
  id INTEGER PRIMARY KEY,
  cased_key TEXT NOT NULL,
  spelling TEXT,
  type_id INTEGER NOT NULL REFERENCES word(id),
  subscription_id INTEGER NOT NULL REFERENCES word(id),
  source_id INTEGER NOT NULL REFERENCES word(id),
  is_detail INTEGER NOT NULL,
  -- Of table version; no REFERENCES, for it is written first.
  version_id INTEGER,
  observed_at INTEGER NOT NULL,
  first_cycle INTEGER NOT NULL REFERENCES cycle(number) DEFERRABLE INITIALLY DEFERRED,
  deleted INTEGER NOT NULL DEFAULT 0
) STRICT;
INSERT INTO resource_row SELECT r.id,
  CASE lower(r.display_id) WHEN r.key THEN r.display_id ELSE r.key END,
  CASE lower(r.display_id) WHEN r.key THEN NULL ELSE r.display_id END, t.id, n.id, s.id, r.is_detail, r.version_id, r.observed_at, r.first_cycle, r.deleted
  FROM resource r JOIN word t ON t.text = r.type JOIN word n ON n.text = r.subscription
  JOIN word s ON s.text = r.source;
CREATE TABLE verdict_row (
  check_id INTEGER NOT NULL REFERENCES policy_check(id),
  resource_id INTEGER NOT NULL REFERENCES resource(id),
  state INTEGER NOT NULL CHECK (state BETWEEN 0 AND 7),
  reason TEXT NOT NULL,
  cause INTEGER NOT NULL CHECK (cause BETWEEN 0 AND 7),
  version_id INTEGER NOT NULL REFERENCES version(id),
  since_cycle INTEGER NOT NULL REFERENCES cycle(number) DEFERRABLE INITIALLY DEFERRED,
  evaluated_at INTEGER NOT NULL,
  known_state INTEGER CHECK (known_state BETWEEN 0 AND 7),
  known_version INTEGER NOT NULL,
  PRIMARY KEY (check_id, resource_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE transition_row (
  id INTEGER PRIMARY KEY,
  cycle INTEGER NOT NULL REFERENCES cycle(number) DEFERRABLE INITIALLY DEFERRED,
  check_id INTEGER NOT NULL REFERENCES policy_check(id),
  resource_id INTEGER NOT NULL REFERENCES resource(id),
  from_state INTEGER CHECK (from_state BETWEEN 0 AND 7),
  to_state INTEGER CHECK (to_state BETWEEN 0 AND 7),
  reason TEXT NOT NULL,
  cause INTEGER NOT NULL CHECK (cause BETWEEN 0 AND 7)
) STRICT;
CREATE TEMP TABLE name_of_state (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
INSERT INTO name_of_state VALUES (0, 'NonCompliant'), (1, 'NoEvidence'), (2, 'Compliant'),
  (3, 'Error'), (4, 'Conflict'), (5, 'Protected'), (6, 'Exempt'), (7, 'Unknown');
CREATE TEMP TABLE name_of_cause (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
INSERT INTO name_of_cause VALUES (0, 'resource'), (1, 'related'), (2, 'time'), (3, 'definition'),
  (4, 'parameters'), (5, 'exemption'), (6, 'evidence'), (7, 'normaliser');
INSERT INTO verdict_row SELECT v.check_id, v.resource_id, s.id, v.reason, c.id, v.version_id,
  v.since_cycle, v.evaluated_at, k.id, v.known_version FROM verdict v
  LEFT JOIN name_of_state s ON s.text = v.state LEFT JOIN name_of_cause c ON c.text = v.cause
  LEFT JOIN name_of_state k ON k.text = v.known_state;
INSERT INTO transition_row SELECT t.id, t.cycle, t.check_id, t.resource_id, f.id, o.id, t.reason, c.id
  FROM transition t LEFT JOIN name_of_state f ON f.text = t.from_state
  LEFT JOIN name_of_state o ON o.text = t.to_state LEFT JOIN name_of_cause c ON c.text = t.cause;
DROP TABLE name_of_state;
DROP TABLE name_of_cause;
DROP TABLE transition;
DROP TABLE verdict;
DROP TABLE resource;
-- By way of the old name, so that what refers to it follows.
ALTER TABLE resource_row RENAME TO resource;
ALTER TABLE resource RENAME TO resource_row;
CREATE UNIQUE INDEX resource_by_key ON resource_row(lower(cased_key));
CREATE INDEX resource_by_type ON resource_row(type_id, lower(cased_key))
  WHERE version_id IS NOT NULL;
CREATE INDEX resource_by_source ON resource_row(source_id) WHERE version_id IS NOT NULL;
CREATE INDEX verdict_by_resource ON verdict_row(resource_id);
CREATE INDEX verdict_exempt ON verdict_row(reason, known_state) WHERE state = 6;
CREATE INDEX transition_by_resource ON transition_row(resource_id);
CREATE VIEW resource AS SELECT id, lower(cased_key) AS key,
  coalesce(spelling, cased_key) AS display_id, type_id, subscription_id,
  source_id, (SELECT text FROM word WHERE id = type_id) AS type,
  (SELECT text FROM word WHERE id = subscription_id) AS subscription,
  (SELECT text FROM word WHERE id = source_id) AS source,
  is_detail, version_id, observed_at, first_cycle, deleted FROM resource_row;
CREATE VIEW verdict AS SELECT check_id, resource_id, CASE state WHEN 0 THEN 'NonCompliant'
  WHEN 1 THEN 'NoEvidence' WHEN 2 THEN 'Compliant' WHEN 3 THEN 'Error' WHEN 4 THEN 'Conflict'
  WHEN 5 THEN 'Protected' WHEN 6 THEN 'Exempt' WHEN 7 THEN 'Unknown' END AS state, reason,
  CASE cause WHEN 0 THEN 'resource' WHEN 1 THEN 'related' WHEN 2 THEN 'time'
  WHEN 3 THEN 'definition' WHEN 4 THEN 'parameters' WHEN 5 THEN 'exemption'
  WHEN 6 THEN 'evidence' WHEN 7 THEN 'normaliser' END AS cause, version_id, since_cycle,
  evaluated_at, CASE known_state WHEN 0 THEN 'NonCompliant' WHEN 1 THEN 'NoEvidence'
  WHEN 2 THEN 'Compliant' WHEN 3 THEN 'Error' WHEN 4 THEN 'Conflict' WHEN 5 THEN 'Protected'
  WHEN 6 THEN 'Exempt' WHEN 7 THEN 'Unknown' END AS known_state, known_version FROM verdict_row;
CREATE VIEW transition AS SELECT id, cycle, check_id, resource_id, CASE from_state
  WHEN 0 THEN 'NonCompliant' WHEN 1 THEN 'NoEvidence' WHEN 2 THEN 'Compliant' WHEN 3 THEN 'Error'
  WHEN 4 THEN 'Conflict' WHEN 5 THEN 'Protected' WHEN 6 THEN 'Exempt' WHEN 7 THEN 'Unknown' END
  AS from_state, CASE to_state WHEN 0 THEN 'NonCompliant' WHEN 1 THEN 'NoEvidence'
  WHEN 2 THEN 'Compliant' WHEN 3 THEN 'Error' WHEN 4 THEN 'Conflict' WHEN 5 THEN 'Protected'
  WHEN 6 THEN 'Exempt' WHEN 7 THEN 'Unknown' END AS to_state, reason,
  CASE cause WHEN 0 THEN 'resource' WHEN 1 THEN 'related' WHEN 2 THEN 'time'
  WHEN 3 THEN 'definition' WHEN 4 THEN 'parameters' WHEN 5 THEN 'exemption'
  WHEN 6 THEN 'evidence' WHEN 7 THEN 'normaliser' END AS cause FROM transition_row;
)sql"};

}  // namespace

Status migrate(Connection& connection) {
  const auto application = connection.query_integer("PRAGMA application_id");
  if (!application) {
    return application.error();
  }
  const auto version = connection.query_integer("PRAGMA user_version");
  if (!version) {
    return version.error();
  }
  const auto tables = connection.query_integer("SELECT count(*) FROM sqlite_schema");
  if (!tables) {
    return tables.error();
  }
  const bool empty = *tables == 0 && *application == 0 && *version == 0;
  if (!empty && *application != kApplicationId) {
    return Error{Errc::kInvalidArgument, "this SQLite database belongs to another program"};
  }
  if (*version > kSchemaVersion) {
    return Error{Errc::kNewerSchema,
                 fmt::format("the database has schema {}, this Plumbline knows {} at most: it was "
                             "written by a newer version",
                             *version,
                             kSchemaVersion)};
  }
  if (empty) {
    // Both must be set before the first table is made.
    if (auto set =
            connection.execute("PRAGMA auto_vacuum=INCREMENTAL; PRAGMA application_id=0x504C4D42;");
        !set) {
      return set;
    }
  }
  if (*version == kSchemaVersion) {
    return Status::ok();
  }
  auto transaction = Transaction::begin(connection);
  if (!transaction) {
    return transaction.error();
  }
  for (auto next = static_cast<std::size_t>(*version); next < kMigrations.size(); ++next) {
    if (auto done = connection.execute(kMigrations.at(next)); !done) {
      return done;
    }
  }
  const auto set_version = fmt::format("PRAGMA user_version={}", kSchemaVersion);
  if (auto done = connection.execute(set_version.c_str()); !done) {
    return done;
  }
  return (*transaction)->commit();
}

Status check_schema(Connection& connection) {
  const auto columns = [](Connection& of) {
    const Use use(of.prepare(
        "SELECT m.name || '|' || c.name || '|' || c.type || '|' || c.\"notnull\" || '|' || c.pk "
        "FROM sqlite_schema m, pragma_table_xinfo(m.name) c "
        "WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite%' "
        // A view that says something else would make all that reads it lie.
        "UNION ALL SELECT name || '|' || sql FROM sqlite_schema WHERE type = 'view' ORDER BY 1"));
    return all_rows<std::string>(*use,
                                 [](const Statement& row) { return std::string(row.text(0)); });
  };
  auto wanted = Connection::open(":memory:", Connection::Access::kReadWriteCreate);
  if (!wanted) {
    return wanted.error();
  }
  if (auto made = migrate(**wanted); !made) {
    return made;
  }
  const auto should_be = columns(**wanted);
  const auto are = columns(connection);
  if (!should_be || !are) {
    return !should_be ? should_be.error() : are.error();
  }
  return *should_be == *are
             ? Status::ok()
             : Status(Error{Errc::kCorrupt,
                            "the database is damaged: its tables are not those of its schema"});
}

namespace {

Status check_readable(Connection& connection) {
  const auto application = connection.query_integer("PRAGMA application_id");
  const auto version = connection.query_integer("PRAGMA user_version");
  if (!application || !version) {
    return !application ? application.error() : version.error();
  }
  if (*application != kApplicationId) {
    return Error{Errc::kInvalidArgument, "this is no database of Plumbline's"};
  }
  if (*version != kSchemaVersion) {
    return Error{*version > kSchemaVersion ? Errc::kNewerSchema : Errc::kInvalidArgument,
                 fmt::format("the database has schema {}, this Plumbline reads {}; an older one is "
                             "brought up when the daemon starts",
                             *version,
                             kSchemaVersion)};
  }
  return check_schema(connection);
}

}  // namespace

core::Result<std::unique_ptr<Connection>> open_readable(const std::string& path) {
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) {
    return Error{Errc::kNotFound, fmt::format("{}: there is no database", path)};
  }
  auto connection = Connection::open(path, Connection::Access::kReadOnly);
  if (!connection) {
    return connection.error();
  }
  if (auto readable = check_readable(**connection); !readable) {
    return readable.error().with_context(path);
  }
  return connection;
}

}  // namespace plumbline::storage
