#include "ci/master/leases.h"

#include <sys/random.h>

#include <algorithm>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/random.h"

namespace rootwright::master {
namespace {

constexpr int kRetryGrowth = 6;

}  // namespace

absl::StatusOr<LeaseTimes> LeaseTimes::Create(absl::Duration heartbeat, absl::Duration session_timeout,
                                              absl::Duration lease, absl::Duration retry_wait) {
  if (heartbeat <= absl::ZeroDuration() || session_timeout < 2 * heartbeat) {
    return absl::InvalidArgumentError(
        absl::StrCat("session timeout of ", absl::FormatDuration(session_timeout),
                     ": must be at least twice the heartbeat of ", absl::FormatDuration(heartbeat),
                     ", or one late heartbeat ends a session"));
  }
  if (lease <= session_timeout) {
    return absl::InvalidArgumentError(absl::StrCat(
        "lease of ", absl::FormatDuration(lease), ": must be longer than the session timeout of ",
        absl::FormatDuration(session_timeout), ", or a build is given away while its agent reconnects"));
  }
  return LeaseTimes(heartbeat, session_timeout, lease, retry_wait);
}

absl::Duration LeaseTimes::WaitBefore(int attempt) const {
  absl::Duration wait = attempt < 2 ? absl::ZeroDuration() : retry_wait_;
  for (int before = 2; before < attempt; ++before) wait *= kRetryGrowth;
  return wait;
}

const LeaseRecord& Leases::Grant(const std::string& build_id, const std::string& agent, int attempt,
                                 Instant now) {
  LeaseRecord record{RandomHex(32), build_id, agent, attempt};
  std::string id = record.id;
  auto [entry, added] = entries_.emplace(id, Entry{std::move(record), Deadline::In(length_, now).instant()});
  return entry->second.record;
}

void Leases::Restore(LeaseRecord record, Instant now) {
  std::string id = record.id;
  entries_[id] = Entry{std::move(record), Deadline::In(length_, now).instant()};
}

bool Leases::Renew(absl::string_view id, Instant now) {
  const auto entry = entries_.find(std::string(id));
  if (entry == entries_.end()) return false;
  entry->second.expires_at = Deadline::In(length_, now).instant();
  return true;
}

void Leases::End(absl::string_view id) { entries_.erase(std::string(id)); }

const LeaseRecord* Leases::Find(absl::string_view id) const {
  const auto entry = entries_.find(std::string(id));
  return entry == entries_.end() ? nullptr : &entry->second.record;
}

std::vector<LeaseRecord> Leases::OfAgent(absl::string_view agent) const {
  std::vector<LeaseRecord> records;
  for (const auto& [id, entry] : entries_) {
    if (entry.record.agent == agent) records.push_back(entry.record);
  }
  return records;
}

int Leases::CountOfAgent(absl::string_view agent) const {
  return static_cast<int>(std::count_if(entries_.begin(), entries_.end(), [&](const auto& entry) {
    return entry.second.record.agent == agent;
  }));
}

std::vector<std::string> Leases::Expired(Instant now) const {
  std::vector<std::string> ids;
  for (const auto& [id, entry] : entries_) {
    if (entry.expires_at <= now) ids.push_back(id);
  }
  return ids;
}

}  // namespace rootwright::master
