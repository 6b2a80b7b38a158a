#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/unique_fd.h"
#include "rootwright/v1/event.pb.h"

namespace rootwright {

// Where a reader of an event file is: the next event is `sequence`, and its record starts at `offset`.
struct EventCursor {
  int64_t sequence = 1;
  int64_t offset = 0;
};

// How an event file keeps its promise that the last words fit even on a full disk.
struct EventFileOptions {
  // Disk space that ordinary events never use up; what follows a full disk is written into it.
  int64_t reserve_bytes = 256 * 1024;
  // fallocate(2), or a test's disk. Returns 0 or sets errno.
  std::function<int(int fd, int mode, off_t offset, off_t length)> allocate;
};

// The events of one attempt, one record after the other:
//
//   0  length   4 bytes, little endian, of the event; 1 to 1 MiB
//   4  crc32c   4 bytes, little endian, of the event
//   8  event    rootwright.v1.BuildEvent, serialized; sequences count from 1 without gaps
//
// Append has handed the record to the kernel when it returns: the agent may die, the record stays.
// Not thread-safe, except that Read may run beside Append for an `end` taken before.
class EventFile {
 public:
  // Whether an event may use the space kept for last words.
  enum class Room { kOrdinary, kLastWords };

  // Takes over a file opened for reading and writing, finds its last whole record and cuts what is torn
  // behind it. `path` is for messages.
  static absl::StatusOr<EventFile> Open(UniqueFd file, std::filesystem::path path,
                                        EventFileOptions options = {});

  // The event's sequence must be last_sequence() + 1. ResourceExhausted when the disk is full; the file is
  // then as it was before.
  absl::Status Append(const v1::BuildEvent& event, Room room);
  // The reader's place for the event after `sequence`, as near as the index knows it.
  EventCursor Seek(int64_t sequence) const;
  // Adds the events from the cursor to `end` (a value of size()), skipping those up to and with `after`,
  // until they come to `max_bytes`; at least one if there is one. DataLoss when a record has rotted.
  absl::Status Read(EventCursor& cursor, int64_t after, int64_t end, size_t max_bytes,
                    google::protobuf::RepeatedPtrField<v1::BuildEvent>* events) const;

  // Stays open as long as this object, or what it is moved to, lives.
  int descriptor() const { return file_.get(); }
  int64_t size() const { return size_; }
  int64_t last_sequence() const { return last_sequence_; }
  // Bytes of a torn record that Open cut.
  int64_t cut_bytes() const { return cut_bytes_; }

 private:
  EventFile(UniqueFd file, std::filesystem::path path, EventFileOptions options);
  absl::Status Scan();
  absl::Status KeepReserve(int64_t size);
  void Note(int64_t sequence, int64_t offset);

  UniqueFd file_;
  std::filesystem::path path_;
  EventFileOptions options_;
  int64_t size_ = 0;
  int64_t allocated_ = 0;
  int64_t last_sequence_ = 0;
  int64_t cut_bytes_ = 0;
  // Offsets of events 1, 65, 129, …
  std::vector<int64_t> index_;
  std::string record_;
};

}  // namespace rootwright
