#include "agent/journal/build_journal.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/journal/paths.h"
#include "base/file.h"
#include "base/log.h"
#include "base/status.h"

namespace rootwright {
namespace {

constexpr int64_t kLargestLease = 4 << 20;

absl::StatusOr<UniqueFd> OpenFile(const std::filesystem::path& path, int flags) {
  UniqueFd file(open(path.c_str(), O_RDWR | O_CLOEXEC | flags, 0600));
  if (!file) return ErrnoStatus(errno, "open", path.string());
  return file;
}

int64_t LoadNumber(int file) {
  std::array<uint8_t, 8> bytes{};
  if (pread(file, bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) return 0;
  uint64_t number = 0;
  for (size_t i = 0; i < bytes.size(); ++i) number |= uint64_t{bytes[i]} << (8 * i);
  return static_cast<int64_t>(number);
}

// Lost with the power: the master tells its own number anyway when the agent comes back.
void StoreNumber(int file, int64_t number) {
  std::array<uint8_t, 8> bytes;
  for (size_t i = 0; i < bytes.size(); ++i)
    bytes[i] = static_cast<uint8_t>(static_cast<uint64_t>(number) >> (8 * i));
  [[maybe_unused]] const ssize_t put = pwrite(file, bytes.data(), bytes.size(), 0);
}

absl::Time TimeOf(const v1::BuildEvent& event) {
  return absl::FromUnixSeconds(event.time().seconds()) + absl::Nanoseconds(event.time().nanos());
}

}  // namespace

BuildJournal::BuildJournal(std::filesystem::path folder, v1::Lease lease, EventFile events,
                           UniqueFd acknowledged, Doorbell& doorbell)
    : folder_(std::move(folder)),
      lease_(std::move(lease)),
      doorbell_(doorbell),
      events_descriptor_(events.descriptor()),
      events_(std::move(events)),
      acknowledged_file_(std::move(acknowledged)) {}

absl::StatusOr<std::shared_ptr<BuildJournal>> BuildJournal::Create(const std::filesystem::path& folder,
                                                                   const v1::Lease& lease, Doorbell& doorbell,
                                                                   EventFileOptions options) {
  std::error_code error;
  if (!std::filesystem::create_directory(folder, error)) {
    return ErrnoStatus(error ? error.value() : EEXIST, "make folder", folder.string());
  }
  const auto open_files = [&]() -> absl::StatusOr<std::shared_ptr<BuildJournal>> {
    RW_RETURN_IF_ERROR(WriteFileAtomically(folder / kLeaseFile, lease.SerializeAsString(), 0600));
    RW_RETURN_IF_ERROR(SyncFolder(folder.parent_path()));
    return Open(folder, doorbell, std::move(options));
  };
  auto journal = open_files();
  if (!journal.ok()) std::filesystem::remove_all(folder, error);
  return journal;
}

absl::StatusOr<std::shared_ptr<BuildJournal>> BuildJournal::Open(const std::filesystem::path& folder,
                                                                 Doorbell& doorbell,
                                                                 EventFileOptions options) {
  RW_ASSIGN_OR_RETURN(const std::string bytes, ReadFile(folder / kLeaseFile, kLargestLease));
  v1::Lease lease;
  if (!lease.ParseFromString(bytes)) {
    return absl::DataLossError(absl::StrCat("read: ", (folder / kLeaseFile).string(), ": not a lease"));
  }
  RW_ASSIGN_OR_RETURN(UniqueFd events_file, OpenFile(folder / kEventsFile, O_CREAT));
  RW_ASSIGN_OR_RETURN(UniqueFd acknowledged, OpenFile(folder / kAcknowledgedFile, O_CREAT));
  RW_ASSIGN_OR_RETURN(EventFile events,
                      EventFile::Open(std::move(events_file), folder / kEventsFile, std::move(options)));
  if (events.cut_bytes() > 0)
    spdlog::warn("{}: cut {} torn bytes at its end", folder.string(), events.cut_bytes());
  std::shared_ptr<BuildJournal> journal(
      new BuildJournal(folder, std::move(lease), std::move(events), std::move(acknowledged), doorbell));
  RW_RETURN_IF_ERROR(journal->ReadEnds());
  return journal;
}

absl::Status BuildJournal::ReadEnds() {
  MutexLock lock(mutex_);
  acknowledged_ = std::clamp<int64_t>(LoadNumber(acknowledged_file_.get()), 0, events_.last_sequence());
  google::protobuf::RepeatedPtrField<v1::BuildEvent> found;
  if (events_.last_sequence() == 0) return absl::OkStatus();
  EventCursor cursor;
  RW_RETURN_IF_ERROR(events_.Read(cursor, 0, events_.size(), 1, &found));
  started_at_ = TimeOf(found[0]);
  cursor = events_.Seek(events_.last_sequence() - 1);
  found.Clear();
  RW_RETURN_IF_ERROR(events_.Read(cursor, events_.last_sequence() - 1, events_.size(), 1, &found));
  finished_ = found[0].has_build_finished();
  return absl::OkStatus();
}

absl::Status BuildJournal::Append(v1::BuildEvent event) {
  {
    MutexLock lock(mutex_);
    if (finished_)
      return absl::FailedPreconditionError(absl::StrCat("append: ", folder_.string(), ": it is finished"));
    const bool last = event.has_build_finished();
    event.set_sequence(events_.last_sequence() + 1);
    event.set_attempt(lease_.attempt());
    RW_RETURN_IF_ERROR(
        events_.Append(event, last ? EventFile::Room::kLastWords : EventFile::Room::kOrdinary));
    finished_ = last;
    if (!started_at_) started_at_ = TimeOf(event);
  }
  doorbell_.Ring();
  return absl::OkStatus();
}

absl::Status BuildJournal::Sync() {
  // Not under the lock: a slow disk must not hold back what is already written.
  if (fdatasync(events_descriptor_) != 0) return ErrnoStatus(errno, "sync", (folder_ / kEventsFile).string());
  return absl::OkStatus();
}

absl::Status BuildJournal::Read(int64_t after, size_t max_bytes, EventCursor& cursor,
                                google::protobuf::RepeatedPtrField<v1::BuildEvent>* events) const {
  MutexLock lock(mutex_);
  if (after >= events_.last_sequence()) return absl::OkStatus();
  // A reader that goes on where it was needs no search.
  if (cursor.sequence != after + 1) cursor = events_.Seek(after);
  return events_.Read(cursor, after, events_.size(), max_bytes, events);
}

void BuildJournal::Acknowledge(int64_t sequence) {
  MutexLock lock(mutex_);
  acknowledged_ = std::clamp<int64_t>(sequence, 0, events_.last_sequence());
  StoreNumber(acknowledged_file_.get(), acknowledged_);
}

int64_t BuildJournal::last_sequence() const {
  MutexLock lock(mutex_);
  return events_.last_sequence();
}

int64_t BuildJournal::acknowledged() const {
  MutexLock lock(mutex_);
  return acknowledged_;
}

bool BuildJournal::finished() const {
  MutexLock lock(mutex_);
  return finished_;
}

bool BuildJournal::delivered() const {
  MutexLock lock(mutex_);
  return finished_ && acknowledged_ >= events_.last_sequence();
}

std::optional<absl::Time> BuildJournal::started_at() const {
  MutexLock lock(mutex_);
  return started_at_;
}

}  // namespace rootwright
