#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "ci/master/database.h"
#include "ci/master/log_store.h"
#include "rootwright/v1/agent.pb.h"
#include "rootwright/v1/build.pb.h"
#include "rootwright/v1/event.pb.h"

namespace rootwright::master {

// A build as it is kept: what the world sees, and what only the master knows of it.
struct BuildRecord {
  v1::Build build;
  // Set once somebody asked for its end; the reason may be empty.
  std::optional<std::string> cancel_reason;
};

struct EventRecord {
  std::string build_id;
  // Shared with those who deliver it live. The bytes of a LogChunk are not in the database: LogStore has
  // them.
  std::shared_ptr<const v1::BuildEvent> event;
};

// An agent that registered once, and what an operator wants of it.
struct AgentRecord {
  v1::Agent agent;
  // Unix time in seconds; 0: not drained by an operator.
  int64_t drained_at = 0;
};

struct LeaseRecord {
  std::string id, build_id, agent;
  int attempt = 1;
};

// Position of an event within a build: attempts follow each other, sequences count within one.
struct EventPosition {
  int attempt = 1;
  int64_t sequence = 0;
  auto operator<=>(const EventPosition&) const = default;
};

// What goes to the disk in one transaction. Later values of the same object replace earlier ones.
struct Batch {
  std::map<std::string, BuildRecord> builds;
  // Events behind a position are taken back before `events` are added.
  std::map<std::string, EventPosition> rewinds;
  std::vector<EventRecord> events;
  // Logs that a rewind made void; emptied before the bytes of `events` are written.
  std::vector<LogKey> emptied_logs;
  std::map<std::string, AgentRecord> agents;
  // By lease id; no value: the lease ended.
  std::map<std::string, std::optional<LeaseRecord>> leases;
  // Key → build id.
  std::map<std::string, std::string> idempotency_keys;

  // Takes back the events of a build behind a position, here and in the database.
  void Rewind(const std::string& build_id, EventPosition position);

  bool empty() const {
    return builds.empty() && rewinds.empty() && events.empty() && agents.empty() && leases.empty() &&
           idempotency_keys.empty();
  }
};

// The master's memory that outlives it: builds, events, agents, leases, idempotency keys in
// FOLDER/master.db. Thread-safe: one connection writes, another reads, neither waits for the other.
class Store {
 public:
  // Makes the schema on first start. FailedPrecondition when the file is of a newer version.
  static absl::StatusOr<std::unique_ptr<Store>> Open(const std::filesystem::path& path);

  // All of it or nothing; durable when it returns OK.
  absl::Status Write(const Batch& batch);

  // NotFound when there is none.
  absl::StatusOr<BuildRecord> ReadBuild(absl::string_view id) const;
  // The full id. NotFound when no id starts with the prefix, InvalidArgument when several do.
  absl::StatusOr<std::string> ResolveId(absl::string_view prefix) const;
  // Newest first, below the row `before` (0: from the newest). Each with its row.
  absl::StatusOr<std::vector<std::pair<int64_t, v1::Build>>> ListBuilds(
      const std::vector<v1::BuildState>& states, int64_t before, int limit) const;
  // All that are not FINISHED, oldest first.
  absl::StatusOr<std::vector<BuildRecord>> UnfinishedBuilds() const;

  enum class Chunks { kKeep, kOmit };
  // Up to `limit` events behind `after`, without the bytes of log chunks: log_size tells how many
  // there are.
  struct StoredEvent {
    v1::BuildEvent event;
    int64_t log_size = 0;
  };
  absl::StatusOr<std::vector<StoredEvent>> ReadEvents(absl::string_view build_id, EventPosition after,
                                                      Chunks chunks, int limit) const;

  absl::StatusOr<std::vector<AgentRecord>> Agents() const;
  absl::StatusOr<std::vector<LeaseRecord>> Leases() const;
  // The build made under this key; empty when there is none.
  absl::StatusOr<std::string> BuildOfKey(absl::string_view key) const;

 private:
  Store(Database writer, Database reader) : writer_(std::move(writer)), reader_(std::move(reader)) {}
  absl::Status WriteRows(const Batch& batch) RW_REQUIRES(write_mutex_);
  absl::Status WriteEvents(const Batch& batch) RW_REQUIRES(write_mutex_);

  Mutex write_mutex_;
  Database writer_ RW_GUARDED_BY(write_mutex_);
  mutable Mutex read_mutex_;
  mutable Database reader_ RW_GUARDED_BY(read_mutex_);
};

}  // namespace rootwright::master
