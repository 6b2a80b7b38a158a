#include "agent/journal/event_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/journal/crc32c.h"
#include "base/status.h"

namespace rootwright {
namespace {

constexpr size_t kHeader = 8;
constexpr uint32_t kLongestEvent = 1 << 20;
constexpr int64_t kIndexStep = 64;
constexpr size_t kReadAhead = 64 * 1024;
// Disk space is asked for in pieces of this size.
constexpr int64_t kAllocateAhead = 1 << 20;

uint32_t Load32(const char* from) {
  const auto* byte = reinterpret_cast<const uint8_t*>(from);
  return uint32_t{byte[0]} | uint32_t{byte[1]} << 8 | uint32_t{byte[2]} << 16 | uint32_t{byte[3]} << 24;
}

void Store32(uint32_t value, char* to) {
  for (int i = 0; i < 4; ++i) to[i] = static_cast<char>(value >> (8 * i));
}

// Walks the records of a file between two offsets, reading ahead.
class RecordWalk {
 public:
  RecordWalk(int fd, int64_t offset, int64_t end) : fd_(fd), offset_(offset), end_(end) {}

  // The next record's event, empty when no whole one follows. Valid until the next call.
  absl::StatusOr<absl::string_view> Next() {
    absl::StatusOr<absl::string_view> header = Peek(kHeader);
    if (!header.ok() || header->size() < kHeader) return Nothing(header.status());
    const uint32_t length = Load32(header->data());
    const uint32_t crc = Load32(header->data() + 4);
    if (length == 0 || length > kLongestEvent) return absl::string_view();
    absl::StatusOr<absl::string_view> record = Peek(kHeader + length);
    if (!record.ok() || record->size() < kHeader + length) return Nothing(record.status());
    const absl::string_view event = record->substr(kHeader);
    if (Crc32c(event) != crc) return absl::string_view();
    offset_ += static_cast<int64_t>(kHeader + length);
    return event;
  }

  // Behind the last whole record.
  int64_t offset() const { return offset_; }

 private:
  static absl::StatusOr<absl::string_view> Nothing(const absl::Status& status) {
    if (!status.ok()) return status;
    return absl::string_view();
  }

  // `count` bytes from offset_, or fewer at the end.
  absl::StatusOr<absl::string_view> Peek(size_t count) {
    const int64_t have_end = buffer_start_ + static_cast<int64_t>(buffer_.size());
    if (offset_ < buffer_start_ || offset_ + static_cast<int64_t>(count) > have_end) {
      const int64_t wanted =
          std::min<int64_t>(end_ - offset_, static_cast<int64_t>(std::max(count, kReadAhead)));
      buffer_.resize(static_cast<size_t>(std::max<int64_t>(wanted, 0)));
      buffer_start_ = offset_;
      size_t filled = 0;
      while (filled < buffer_.size()) {
        const ssize_t got = pread(fd_, buffer_.data() + filled, buffer_.size() - filled,
                                  offset_ + static_cast<off_t>(filled));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return ErrnoStatus(errno, "read", "events");
        if (got == 0) break;
        filled += static_cast<size_t>(got);
      }
      buffer_.resize(filled);
    }
    return absl::string_view(buffer_).substr(static_cast<size_t>(offset_ - buffer_start_), count);
  }

  const int fd_;
  int64_t offset_;
  const int64_t end_;
  int64_t buffer_start_ = 0;
  std::string buffer_;
};

}  // namespace

EventFile::EventFile(UniqueFd file, std::filesystem::path path, EventFileOptions options)
    : file_(std::move(file)), path_(std::move(path)), options_(std::move(options)) {
  if (!options_.allocate) options_.allocate = fallocate;
}

absl::StatusOr<EventFile> EventFile::Open(UniqueFd file, std::filesystem::path path,
                                          EventFileOptions options) {
  EventFile events(std::move(file), std::move(path), std::move(options));
  RW_RETURN_IF_ERROR(events.Scan());
  return events;
}

absl::Status EventFile::Scan() {
  struct stat info;
  if (fstat(file_.get(), &info) != 0) return ErrnoStatus(errno, "look at", path_.string());
  RecordWalk walk(file_.get(), 0, info.st_size);
  v1::BuildEvent event;
  for (;;) {
    RW_ASSIGN_OR_RETURN(const absl::string_view bytes, walk.Next());
    if (bytes.empty()) break;
    if (!event.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) break;
    if (event.sequence() != last_sequence_ + 1) break;
    Note(event.sequence(), size_);
    last_sequence_ = event.sequence();
    size_ = walk.offset();
  }
  cut_bytes_ = info.st_size - size_;
  if (cut_bytes_ > 0 && ftruncate(file_.get(), size_) != 0) return ErrnoStatus(errno, "cut", path_.string());
  allocated_ = size_;
  return absl::OkStatus();
}

void EventFile::Note(int64_t sequence, int64_t offset) {
  if ((sequence - 1) % kIndexStep == 0) index_.push_back(offset);
}

absl::Status EventFile::KeepReserve(int64_t size) {
  const int64_t wanted = size + options_.reserve_bytes;
  if (wanted <= allocated_) return absl::OkStatus();
  for (const int64_t ahead : {kAllocateAhead, int64_t{0}}) {
    const int64_t length = wanted + ahead - allocated_;
    if (options_.allocate(file_.get(), FALLOC_FL_KEEP_SIZE, allocated_, length) == 0) {
      allocated_ = wanted + ahead;
      return absl::OkStatus();
    }
    // A file system without it makes no promise.
    if (errno == EOPNOTSUPP || errno == ENOSYS) return absl::OkStatus();
  }
  return ErrnoStatus(errno, "make room in", path_.string());
}

absl::Status EventFile::Append(const v1::BuildEvent& event, Room room) {
  record_.assign(kHeader, '\0');
  if (!event.AppendToString(&record_) || record_.size() - kHeader > kLongestEvent) {
    return absl::InternalError(
        absl::StrCat("append: ", path_.string(), ": an event of ", record_.size(), " bytes"));
  }
  Store32(static_cast<uint32_t>(record_.size() - kHeader), record_.data());
  Store32(Crc32c(absl::string_view(record_).substr(kHeader)), record_.data() + 4);
  const int64_t end = size_ + static_cast<int64_t>(record_.size());
  if (room == Room::kOrdinary) RW_RETURN_IF_ERROR(KeepReserve(end));
  for (size_t done = 0; done < record_.size();) {
    const ssize_t put =
        pwrite(file_.get(), record_.data() + done, record_.size() - done, size_ + static_cast<off_t>(done));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) {
      const absl::Status status = ErrnoStatus(errno, "append to", path_.string());
      // Best effort: Open would cut it as well.
      if (done > 0 && ftruncate(file_.get(), size_) == 0) allocated_ = size_;
      return status;
    }
    done += static_cast<size_t>(put);
  }
  Note(event.sequence(), size_);
  last_sequence_ = event.sequence();
  size_ = end;
  return absl::OkStatus();
}

EventCursor EventFile::Seek(int64_t sequence) const {
  if (sequence < 0 || index_.empty()) return {};
  if (sequence >= last_sequence_) return {last_sequence_ + 1, size_};
  const auto entry = std::min(static_cast<size_t>(sequence / kIndexStep), index_.size() - 1);
  return {static_cast<int64_t>(entry) * kIndexStep + 1, index_[entry]};
}

absl::Status EventFile::Read(EventCursor& cursor, int64_t after, int64_t end, size_t max_bytes,
                             google::protobuf::RepeatedPtrField<v1::BuildEvent>* events) const {
  RecordWalk walk(file_.get(), cursor.offset, end);
  size_t bytes = 0;
  while (cursor.offset < end) {
    RW_ASSIGN_OR_RETURN(const absl::string_view record, walk.Next());
    if (record.empty()) {
      return absl::DataLossError(
          absl::StrCat("read: ", path_.string(), ": event ", cursor.sequence, " is damaged"));
    }
    if (cursor.sequence > after) {
      if (bytes > 0 && bytes + record.size() > max_bytes) return absl::OkStatus();
      if (!events->Add()->ParseFromArray(record.data(), static_cast<int>(record.size()))) {
        events->RemoveLast();
        return absl::DataLossError(
            absl::StrCat("read: ", path_.string(), ": event ", cursor.sequence, " is damaged"));
      }
      bytes += record.size() + 8;
    }
    ++cursor.sequence;
    cursor.offset = walk.offset();
  }
  return absl::OkStatus();
}

}  // namespace rootwright
