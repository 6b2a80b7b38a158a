#include "agent/journal/journals.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "agent/journal/crc32c.h"
#include "base/file.h"

namespace rootwright {
namespace {

v1::Lease LeaseOf(const std::string& build, int attempt = 1) {
  v1::Lease lease;
  lease.set_build_id(build);
  lease.set_attempt(attempt);
  lease.set_lease_id(build + "-lease-" + std::to_string(attempt));
  return lease;
}

v1::BuildEvent Line(const std::string& text) {
  v1::BuildEvent event;
  event.mutable_log_chunk()->set_data(text);
  return event;
}

v1::BuildEvent Finished() {
  v1::BuildEvent event;
  event.mutable_build_finished()->set_outcome(v1::OUTCOME_SUCCEEDED);
  return event;
}

class JournalsTest : public testing::Test {
 protected:
  std::unique_ptr<Journals> Open() {
    auto journals = Journals::Open(paths_, doorbell_);
    EXPECT_TRUE(journals.ok()) << journals.status();
    return *std::move(journals);
  }

  ScopedFolder folder_ = *ScopedFolder::Create(testing::TempDir(), "journals-");
  const StatePaths paths_{folder_.path()};
  Doorbell doorbell_;
};

TEST_F(JournalsTest, FindsBuildsOfAnEarlierLife) {
  {
    const auto journals = Open();
    const auto journal = *journals->Create(LeaseOf("7f3a", 2));
    ASSERT_TRUE(journal->Append(Line("a")).ok());
    ASSERT_TRUE(journal->Append(Finished()).ok());
    journal->Acknowledge(1);
  }
  const auto journals = Open();
  ASSERT_EQ(journals->All().size(), 1u);
  const auto journal = journals->FindLease("7f3a-lease-2");
  ASSERT_NE(journal, nullptr);
  EXPECT_EQ(journal->last_sequence(), 2);
  EXPECT_EQ(journal->acknowledged(), 1);
  EXPECT_TRUE(journal->finished());
  EXPECT_FALSE(journal->delivered());
}

TEST_F(JournalsTest, EventsGetSequencesWithoutGapsAndTheAttempt) {
  const auto journals = Open();
  const auto journal = *journals->Create(LeaseOf("7f3a", 3));
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(journal->Append(Line("x")).ok());
  EventCursor cursor;
  google::protobuf::RepeatedPtrField<v1::BuildEvent> events;
  ASSERT_TRUE(journal->Read(0, 1 << 20, cursor, &events).ok());
  ASSERT_EQ(events.size(), 3);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(events[i].sequence(), i + 1);
    EXPECT_EQ(events[i].attempt(), 3);
  }
}

TEST_F(JournalsTest, NothingFollowsTheEnd) {
  const auto journals = Open();
  const auto journal = *journals->Create(LeaseOf("7f3a"));
  ASSERT_TRUE(journal->Append(Finished()).ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(journal->Append(Line("late"))));
}

TEST_F(JournalsTest, FolderWithoutALeaseIsRemoved) {
  ASSERT_TRUE(MakeFolders(paths_.build("dead", 1)).ok());
  EXPECT_TRUE(Open()->All().empty());
  EXPECT_FALSE(std::filesystem::exists(paths_.build("dead", 1)));
}

TEST_F(JournalsTest, UnreadableLeaseIsLeftForPeople) {
  ASSERT_TRUE(MakeFolders(paths_.build("dead", 1)).ok());
  ASSERT_TRUE(WriteFileAtomically(paths_.build("dead", 1) / kLeaseFile, "\xff\xff").ok());
  EXPECT_TRUE(Open()->All().empty());
  EXPECT_TRUE(std::filesystem::exists(paths_.build("dead", 1)));
}

TEST_F(JournalsTest, RemovedJournalIsGoneFromTheDisk) {
  const auto journals = Open();
  const auto journal = *journals->Create(LeaseOf("7f3a"));
  journals->Remove(*journal);
  EXPECT_TRUE(journals->All().empty());
  EXPECT_FALSE(std::filesystem::exists(paths_.build("7f3a", 1)));
  EXPECT_TRUE(Open()->All().empty());
}

TEST_F(JournalsTest, RefusesIdsThatAreNotBuildIds) {
  const auto journals = Open();
  for (const char* id : {"", "../x", "a/b", "-a", "A", "a b"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(journals->Create(LeaseOf(id)).status())) << id;
  }
  EXPECT_TRUE(absl::IsInvalidArgument(journals->Create(LeaseOf("a", 0)).status()));
}

TEST_F(JournalsTest, LatestAttemptIsFound) {
  const auto journals = Open();
  ASSERT_TRUE(journals->Create(LeaseOf("a", 2)).ok());
  ASSERT_TRUE(journals->Create(LeaseOf("a", 10)).ok());
  ASSERT_TRUE(journals->Create(LeaseOf("b", 1)).ok());
  EXPECT_EQ(journals->Find("a")->lease().attempt(), 10);
  EXPECT_EQ(journals->Find("c"), nullptr);
  EXPECT_TRUE(absl::IsAlreadyExists(journals->Create(LeaseOf("b", 1)).status()));
}

TEST_F(JournalsTest, ReaderBesideAWriterSeesEveryEventInOrder) {
  constexpr int64_t kEvents = 3000;
  const auto journals = Open();
  const auto journal = *journals->Create(LeaseOf("7f3a"));
  std::jthread writer([&] {
    for (int64_t i = 1; i < kEvents; ++i) ASSERT_TRUE(journal->Append(Line(std::to_string(i))).ok());
    ASSERT_TRUE(journal->Append(Finished()).ok());
  });
  EventCursor cursor;
  int64_t seen = 0;
  while (seen < kEvents) {
    const uint64_t rings = doorbell_.rings();
    google::protobuf::RepeatedPtrField<v1::BuildEvent> events;
    ASSERT_TRUE(journal->Read(seen, 4096, cursor, &events).ok());
    for (const auto& event : events) ASSERT_EQ(event.sequence(), ++seen);
    if (events.empty() && seen < kEvents) doorbell_.Wait(rings, Deadline::Never(), {});
  }
  EXPECT_TRUE(journal->finished());
}

TEST(Crc32c, GivesThePublishedValues) {
  // RFC 3720, appendix B.4.
  EXPECT_EQ(Crc32c(std::string(32, '\0')), 0x8a9136aau);
  EXPECT_EQ(Crc32c(std::string(32, '\xff')), 0x62a8ab43u);
  EXPECT_EQ(Crc32c("123456789"), 0xe3069283u);
}

}  // namespace
}  // namespace rootwright
