#include "ci/master/store.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status.h"

namespace rootwright::master {
namespace {

constexpr int kSchemaVersion = 1;

// Messages are kept as they are; a column of its own has only what is looked for.
constexpr char kSchema[] = R"sql(
BEGIN;
CREATE TABLE builds(
  number INTEGER PRIMARY KEY,  -- order of submission
  id TEXT NOT NULL UNIQUE,
  state INTEGER NOT NULL,
  build BLOB NOT NULL,
  cancel_reason TEXT);
CREATE INDEX builds_by_state ON builds(state, number);
CREATE TABLE events(
  build_id TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  sequence INTEGER NOT NULL,
  log_size INTEGER,  -- bytes of a log chunk, which are in the log files; NULL for other events
  event BLOB NOT NULL,
  PRIMARY KEY(build_id, attempt, sequence)) WITHOUT ROWID;
CREATE TABLE agents(name TEXT PRIMARY KEY, agent BLOB NOT NULL, drained_at INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE leases(
  id TEXT PRIMARY KEY,
  build_id TEXT NOT NULL,
  agent TEXT NOT NULL,
  attempt INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE idempotency_keys(key TEXT PRIMARY KEY, build_id TEXT NOT NULL) WITHOUT ROWID;
PRAGMA user_version = 1;
COMMIT;
)sql";

std::string WithoutLogBytes(const v1::BuildEvent& event) {
  if (!event.has_log_chunk()) return event.SerializeAsString();
  const v1::LogChunk& chunk = event.log_chunk();
  v1::BuildEvent stripped;
  stripped.set_sequence(event.sequence());
  *stripped.mutable_time() = event.time();
  stripped.set_attempt(event.attempt());
  stripped.mutable_log_chunk()->set_step(chunk.step());
  stripped.mutable_log_chunk()->set_stream(chunk.stream());
  stripped.mutable_log_chunk()->set_offset(chunk.offset());
  stripped.mutable_log_chunk()->set_omitted_bytes(chunk.omitted_bytes());
  return stripped.SerializeAsString();
}

template <class Message>
absl::Status Parse(absl::string_view bytes, absl::string_view what, Message* message) {
  if (message->ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat("read database: ", what, ": not a message of ours"));
}

absl::StatusOr<BuildRecord> BuildOfRow(const Statement& row, int build_column, int cancel_column) {
  BuildRecord record;
  RW_RETURN_IF_ERROR(Parse(row.Bytes(build_column), "build", &record.build));
  if (!row.IsNull(cancel_column)) record.cancel_reason = std::string(row.Bytes(cancel_column));
  return record;
}

}  // namespace

void Batch::Rewind(const std::string& build_id, EventPosition position) {
  const auto behind = [&](const EventRecord& record) {
    return record.build_id == build_id &&
           EventPosition{record.event->attempt(), record.event->sequence()} > position;
  };
  std::erase_if(events, behind);
  auto [known, added] = rewinds.emplace(build_id, position);
  if (!added && position < known->second) known->second = position;
}

absl::StatusOr<std::unique_ptr<Store>> Store::Open(const std::filesystem::path& path) {
  RW_ASSIGN_OR_RETURN(Database writer, Database::Open(path, Database::Mode::kReadWrite));
  int64_t version = 0;
  {
    RW_ASSIGN_OR_RETURN(Statement read, writer.Prepare("PRAGMA user_version"));
    RW_ASSIGN_OR_RETURN([[maybe_unused]] const bool row, read.Step());
    version = read.Integer(0);
  }
  if (version == 0) {
    RW_RETURN_IF_ERROR(writer.Execute(kSchema));
  } else if (version != kSchemaVersion) {
    return absl::FailedPreconditionError(
        absl::StrCat("open database: ", path.string(), ": it has schema version ", version,
                     ", this program knows ", kSchemaVersion, "; use the program that wrote it"));
  }
  RW_ASSIGN_OR_RETURN(Database reader, Database::Open(path, Database::Mode::kReadOnly));
  return std::unique_ptr<Store>(new Store(std::move(writer), std::move(reader)));
}

absl::Status Store::Write(const Batch& batch) {
  MutexLock lock(write_mutex_);
  RW_RETURN_IF_ERROR(writer_.Execute("BEGIN IMMEDIATE"));
  absl::Status written = WriteRows(batch);
  if (written.ok()) written = WriteEvents(batch);
  if (written.ok()) written = writer_.Execute("COMMIT");
  // A rollback that fails too adds nothing to what is told.
  if (!written.ok()) writer_.Execute("ROLLBACK").IgnoreError();
  return written;
}

absl::Status Store::WriteRows(const Batch& batch) {
  for (const auto& [id, record] : batch.builds) {
    RW_ASSIGN_OR_RETURN(
        Statement put,
        writer_.Prepare("INSERT INTO builds(id, state, build, cancel_reason) VALUES(?, ?, ?, ?) "
                        "ON CONFLICT(id) DO UPDATE SET state = excluded.state, "
                        "build = excluded.build, cancel_reason = excluded.cancel_reason"));
    put.Bind(id).Bind(record.build.state()).BindBlob(record.build.SerializeAsString());
    record.cancel_reason ? put.Bind(*record.cancel_reason) : put.BindNull();
    RW_RETURN_IF_ERROR(put.Run());
  }
  for (const auto& [name, record] : batch.agents) {
    RW_ASSIGN_OR_RETURN(Statement put,
                        writer_.Prepare("INSERT OR REPLACE INTO agents(name, agent, drained_at) "
                                        "VALUES(?, ?, ?)"));
    RW_RETURN_IF_ERROR(
        put.Bind(name).BindBlob(record.agent.SerializeAsString()).Bind(record.drained_at).Run());
  }
  for (const auto& [id, lease] : batch.leases) {
    if (!lease) {
      RW_ASSIGN_OR_RETURN(Statement drop, writer_.Prepare("DELETE FROM leases WHERE id = ?"));
      RW_RETURN_IF_ERROR(drop.Bind(id).Run());
      continue;
    }
    RW_ASSIGN_OR_RETURN(
        Statement put,
        writer_.Prepare("INSERT OR REPLACE INTO leases(id, build_id, agent, attempt) VALUES(?, ?, ?, ?)"));
    RW_RETURN_IF_ERROR(put.Bind(id).Bind(lease->build_id).Bind(lease->agent).Bind(lease->attempt).Run());
  }
  for (const auto& [key, build_id] : batch.idempotency_keys) {
    RW_ASSIGN_OR_RETURN(
        Statement put, writer_.Prepare("INSERT OR IGNORE INTO idempotency_keys(key, build_id) VALUES(?, ?)"));
    RW_RETURN_IF_ERROR(put.Bind(key).Bind(build_id).Run());
  }
  return absl::OkStatus();
}

absl::Status Store::WriteEvents(const Batch& batch) {
  for (const auto& [build_id, position] : batch.rewinds) {
    RW_ASSIGN_OR_RETURN(
        Statement drop,
        writer_.Prepare("DELETE FROM events WHERE build_id = ? AND (attempt, sequence) > (?, ?)"));
    RW_RETURN_IF_ERROR(drop.Bind(build_id).Bind(position.attempt).Bind(position.sequence).Run());
  }
  for (const EventRecord& record : batch.events) {
    const v1::BuildEvent& event = *record.event;
    // Replaced: after a rewind the same sequence may come twice within one batch.
    RW_ASSIGN_OR_RETURN(Statement put,
                        writer_.Prepare("INSERT OR REPLACE INTO events(build_id, attempt, sequence, "
                                        "log_size, event) VALUES(?, ?, ?, ?, ?)"));
    put.Bind(record.build_id).Bind(event.attempt()).Bind(event.sequence());
    event.has_log_chunk() ? put.Bind(static_cast<int64_t>(event.log_chunk().data().size())) : put.BindNull();
    RW_RETURN_IF_ERROR(put.BindBlob(WithoutLogBytes(event)).Run());
  }
  return absl::OkStatus();
}

absl::StatusOr<BuildRecord> Store::ReadBuild(absl::string_view id) const {
  MutexLock lock(read_mutex_);
  RW_ASSIGN_OR_RETURN(Statement read,
                      reader_.Prepare("SELECT build, cancel_reason FROM builds WHERE id = ?"));
  RW_ASSIGN_OR_RETURN(const bool row, read.Bind(id).Step());
  if (!row) return absl::NotFoundError(absl::StrCat("no build has the id ", id));
  return BuildOfRow(read, 0, 1);
}

absl::StatusOr<std::string> Store::ResolveId(absl::string_view prefix) const {
  MutexLock lock(read_mutex_);
  RW_ASSIGN_OR_RETURN(Statement read,
                      reader_.Prepare("SELECT id FROM builds WHERE id >= ? AND id < ? ORDER BY id LIMIT 6"));
  // 'g' follows the last hexadecimal digit.
  RW_ASSIGN_OR_RETURN(bool row, read.Bind(prefix).Bind(absl::StrCat(prefix, "g")).Step());
  std::vector<std::string> ids;
  while (row) {
    ids.emplace_back(read.Bytes(0));
    RW_ASSIGN_OR_RETURN(row, read.Step());
  }
  if (ids.empty()) return absl::NotFoundError(absl::StrCat("no build's id starts with '", prefix, "'"));
  if (ids.size() == 1 || ids.front() == prefix) return ids.front();
  return absl::InvalidArgumentError(
      absl::StrCat("several builds' ids start with '", prefix, "': ", absl::StrJoin(ids, ", ")));
}

absl::StatusOr<std::vector<std::pair<int64_t, v1::Build>>> Store::ListBuilds(
    const std::vector<v1::BuildState>& states, int64_t before, int limit) const {
  int64_t mask = 0;
  for (const v1::BuildState state : states) mask |= int64_t{1} << state;
  MutexLock lock(read_mutex_);
  RW_ASSIGN_OR_RETURN(Statement read,
                      reader_.Prepare("SELECT number, build FROM builds WHERE (?1 = 0 OR (?1 >> state) & 1) "
                                      "AND (?2 = 0 OR number < ?2) ORDER BY number DESC LIMIT ?3"));
  RW_ASSIGN_OR_RETURN(bool row, read.Bind(mask).Bind(before).Bind(limit).Step());
  std::vector<std::pair<int64_t, v1::Build>> builds;
  while (row) {
    builds.emplace_back(read.Integer(0), v1::Build());
    RW_RETURN_IF_ERROR(Parse(read.Bytes(1), "build", &builds.back().second));
    RW_ASSIGN_OR_RETURN(row, read.Step());
  }
  return builds;
}

absl::StatusOr<std::vector<BuildRecord>> Store::UnfinishedBuilds() const {
  MutexLock lock(read_mutex_);
  RW_ASSIGN_OR_RETURN(
      Statement read,
      reader_.Prepare("SELECT build, cancel_reason FROM builds WHERE state != ? ORDER BY number"));
  RW_ASSIGN_OR_RETURN(bool row, read.Bind(v1::BUILD_STATE_FINISHED).Step());
  std::vector<BuildRecord> records;
  while (row) {
    RW_ASSIGN_OR_RETURN(BuildRecord record, BuildOfRow(read, 0, 1));
    records.push_back(std::move(record));
    RW_ASSIGN_OR_RETURN(row, read.Step());
  }
  return records;
}

absl::StatusOr<std::vector<Store::StoredEvent>> Store::ReadEvents(absl::string_view build_id,
                                                                  EventPosition after, Chunks chunks,
                                                                  int limit) const {
  MutexLock lock(read_mutex_);
  RW_ASSIGN_OR_RETURN(
      Statement read,
      reader_.Prepare(
          "SELECT event, log_size FROM events WHERE build_id = ?1 AND (attempt, sequence) > (?2, ?3) "
          "AND (?4 = 0 OR log_size IS NULL) ORDER BY attempt, sequence LIMIT ?5"));
  read.Bind(build_id).Bind(after.attempt).Bind(after.sequence).Bind(chunks == Chunks::kOmit).Bind(limit);
  RW_ASSIGN_OR_RETURN(bool row, read.Step());
  std::vector<StoredEvent> events;
  while (row) {
    StoredEvent& stored = events.emplace_back();
    RW_RETURN_IF_ERROR(Parse(read.Bytes(0), "event", &stored.event));
    stored.log_size = read.Integer(1);
    RW_ASSIGN_OR_RETURN(row, read.Step());
  }
  return events;
}

absl::StatusOr<std::vector<AgentRecord>> Store::Agents() const {
  MutexLock lock(read_mutex_);
  RW_ASSIGN_OR_RETURN(Statement read, reader_.Prepare("SELECT agent, drained_at FROM agents ORDER BY name"));
  RW_ASSIGN_OR_RETURN(bool row, read.Step());
  std::vector<AgentRecord> agents;
  while (row) {
    AgentRecord& record = agents.emplace_back();
    RW_RETURN_IF_ERROR(Parse(read.Bytes(0), "agent", &record.agent));
    record.drained_at = read.Integer(1);
    RW_ASSIGN_OR_RETURN(row, read.Step());
  }
  return agents;
}

absl::StatusOr<std::vector<LeaseRecord>> Store::Leases() const {
  MutexLock lock(read_mutex_);
  RW_ASSIGN_OR_RETURN(Statement read, reader_.Prepare("SELECT id, build_id, agent, attempt FROM leases"));
  RW_ASSIGN_OR_RETURN(bool row, read.Step());
  std::vector<LeaseRecord> leases;
  while (row) {
    leases.push_back({std::string(read.Bytes(0)), std::string(read.Bytes(1)), std::string(read.Bytes(2)),
                      static_cast<int>(read.Integer(3))});
    RW_ASSIGN_OR_RETURN(row, read.Step());
  }
  return leases;
}

absl::StatusOr<std::string> Store::BuildOfKey(absl::string_view key) const {
  MutexLock lock(read_mutex_);
  RW_ASSIGN_OR_RETURN(Statement read, reader_.Prepare("SELECT build_id FROM idempotency_keys WHERE key = ?"));
  RW_ASSIGN_OR_RETURN(const bool row, read.Bind(key).Step());
  return row ? std::string(read.Bytes(0)) : std::string();
}

}  // namespace rootwright::master
