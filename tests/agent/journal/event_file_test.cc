#include "agent/journal/event_file.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <memory>

#include "base/file.h"

namespace rootwright {
namespace {

using Events = google::protobuf::RepeatedPtrField<v1::BuildEvent>;

v1::BuildEvent Line(int64_t sequence, const std::string& text) {
  v1::BuildEvent event;
  event.set_sequence(sequence);
  event.mutable_log_chunk()->set_data(text);
  return event;
}

class EventFileTest : public testing::Test {
 protected:
  EventFile Open(EventFileOptions options = {}) {
    UniqueFd fd(open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    auto file = EventFile::Open(std::move(fd), path_, std::move(options));
    EXPECT_TRUE(file.ok()) << file.status();
    return *std::move(file);
  }
  void Fill(int64_t count) {
    EventFile file = Open();
    for (int64_t i = 1; i <= count; ++i) {
      ASSERT_TRUE(file.Append(Line(i, "line " + std::to_string(i)), EventFile::Room::kOrdinary).ok());
    }
  }
  static std::vector<int64_t> Sequences(const EventFile& file, int64_t after, size_t max_bytes = 1 << 20) {
    EventCursor cursor = file.Seek(after);
    Events events;
    EXPECT_TRUE(file.Read(cursor, after, file.size(), max_bytes, &events).ok());
    std::vector<int64_t> sequences;
    for (const auto& event : events) sequences.push_back(event.sequence());
    return sequences;
  }

  ScopedFolder folder_ = *ScopedFolder::Create(testing::TempDir(), "events-");
  const std::filesystem::path path_ = folder_.path() / "events";
};

TEST_F(EventFileTest, ReadsBackWhatWasAppendedAfterReopening) {
  Fill(200);
  const EventFile file = Open();
  EXPECT_EQ(file.last_sequence(), 200);
  EXPECT_EQ(file.cut_bytes(), 0);
  EXPECT_EQ(Sequences(file, 197), (std::vector<int64_t>{198, 199, 200}));
}

TEST_F(EventFileTest, ReplaysFromAnySequence) {
  Fill(200);
  const EventFile file = Open();
  for (const int64_t after : {0, 1, 63, 64, 65, 127, 128, 199}) {
    const auto sequences = Sequences(file, after);
    ASSERT_EQ(sequences.size(), static_cast<size_t>(200 - after)) << after;
    EXPECT_EQ(sequences.front(), after + 1);
  }
  EXPECT_TRUE(Sequences(file, 200).empty());
}

TEST_F(EventFileTest, CutsATornTailWhereverItIsTorn) {
  Fill(3);
  const auto whole = std::filesystem::file_size(path_);
  Fill(0);
  const std::string bytes = *ReadFile(path_);
  const auto two = [&] {
    // Where the third record starts: the size after two.
    std::filesystem::remove(path_);
    Fill(2);
    return std::filesystem::file_size(path_);
  }();
  for (auto size = two; size < whole; ++size) {
    ASSERT_TRUE(WriteFileAtomically(path_, absl::string_view(bytes).substr(0, size)).ok());
    EventFile file = Open();
    EXPECT_EQ(file.last_sequence(), 2) << size;
    EXPECT_EQ(std::filesystem::file_size(path_), two);
    ASSERT_TRUE(file.Append(Line(3, "anew"), EventFile::Room::kOrdinary).ok());
    EXPECT_EQ(Sequences(file, 0), (std::vector<int64_t>{1, 2, 3}));
  }
}

TEST_F(EventFileTest, CutsFromTheFirstRecordWithAFlippedBit) {
  Fill(3);
  std::string bytes = *ReadFile(path_);
  bytes[bytes.size() - 1] ^= 1;
  ASSERT_TRUE(WriteFileAtomically(path_, bytes).ok());
  EXPECT_EQ(Open().last_sequence(), 2);
}

TEST_F(EventFileTest, TellsOfARecordThatRotsWhileOpen) {
  Fill(3);
  EventFile file = Open();
  const UniqueFd other(open(path_.c_str(), O_RDWR | O_CLOEXEC));
  ASSERT_EQ(pwrite(other.get(), "x", 1, file.size() - 1), 1);
  EventCursor cursor;
  Events events;
  EXPECT_TRUE(absl::IsDataLoss(file.Read(cursor, 0, file.size(), 1 << 20, &events)));
  EXPECT_EQ(events.size(), 2);
}

TEST_F(EventFileTest, ReadsAtMostSoManyBytesButAlwaysOneEvent) {
  Fill(10);
  const EventFile file = Open();
  EXPECT_EQ(Sequences(file, 0, 1).size(), 1u);
  EXPECT_LT(Sequences(file, 0, 100).size(), 10u);
}

TEST_F(EventFileTest, KeepsRoomForLastWordsOnAFullDisk) {
  bool full = false;
  EventFileOptions options;
  options.allocate = [&](int, int, off_t, off_t) {
    errno = ENOSPC;
    return full ? -1 : 0;
  };
  EventFile file = Open(std::move(options));
  ASSERT_TRUE(file.Append(Line(1, "a"), EventFile::Room::kOrdinary).ok());
  full = true;
  absl::Status status;
  int64_t next = 2;
  while ((status = file.Append(Line(next, std::string(60000, 'x')), EventFile::Room::kOrdinary)).ok()) ++next;
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_EQ(file.last_sequence(), next - 1);
  EXPECT_TRUE(file.Append(Line(next, "the end"), EventFile::Room::kLastWords).ok());
  EXPECT_EQ(Sequences(file, next - 1), std::vector<int64_t>{next});
}

}  // namespace
}  // namespace rootwright
