#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "ci/master/store.h"

namespace rootwright::master {

// How long things last. A lease outlives a session's silence, or a build could be given away while its agent
// is merely reconnecting: Create refuses anything else.
class LeaseTimes {
 public:
  static absl::StatusOr<LeaseTimes> Create(absl::Duration heartbeat, absl::Duration session_timeout,
                                           absl::Duration lease,
                                           absl::Duration retry_wait = absl::Seconds(5));
  absl::Duration heartbeat() const { return heartbeat_; }
  absl::Duration session_timeout() const { return session_timeout_; }
  absl::Duration lease() const { return lease_; }
  // From the end of the attempt before `attempt`, so that a short outage does not use up all of them. Zero
  // before the first.
  absl::Duration WaitBefore(int attempt) const;

 private:
  LeaseTimes(absl::Duration heartbeat, absl::Duration session_timeout, absl::Duration lease,
             absl::Duration retry_wait)
      : heartbeat_(heartbeat), session_timeout_(session_timeout), lease_(lease), retry_wait_(retry_wait) {}
  absl::Duration heartbeat_, session_timeout_, lease_, retry_wait_;
};

// Which agent has which build, and until when on the monotonic clock. Ids are 128 random bits: none is ever
// used again, also not after a restart. Not thread-safe: the Farm's mutex guards it.
class Leases {
 public:
  explicit Leases(absl::Duration length) : length_(length) {}

  // The new lease starts now.
  const LeaseRecord& Grant(const std::string& build_id, const std::string& agent, int attempt, Instant now);
  // A lease from before a restart; runs for its whole length again, as its agent counts from the last
  // renewal that it saw.
  void Restore(LeaseRecord record, Instant now);
  // False when it is not in force.
  bool Renew(absl::string_view id, Instant now);
  void End(absl::string_view id);

  // Null when not in force.
  const LeaseRecord* Find(absl::string_view id) const;
  std::vector<LeaseRecord> OfAgent(absl::string_view agent) const;
  int CountOfAgent(absl::string_view agent) const;
  // Ids of those whose time is over; they stay in force until End.
  std::vector<std::string> Expired(Instant now) const;

 private:
  struct Entry {
    LeaseRecord record;
    Instant expires_at;
  };
  const absl::Duration length_;
  std::map<std::string, Entry, std::less<>> entries_;
};

}  // namespace rootwright::master
