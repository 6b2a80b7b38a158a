#include "ci/master/store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"

namespace rootwright::master {
namespace {

class StoreTest : public ::testing::Test {
 protected:
  StoreTest() : folder_(*ScopedFolder::Create(std::filesystem::temp_directory_path(), "store-")) { Reopen(); }
  void Reopen() {
    store_ = nullptr;
    auto store = Store::Open(folder_.path() / "master.db");
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
  }
  void AddBuild(const std::string& id, v1::BuildState state = v1::BUILD_STATE_QUEUED) {
    Batch batch;
    batch.builds[id].build.set_id(id);
    batch.builds[id].build.set_state(state);
    ASSERT_TRUE(store_->Write(batch).ok());
  }
  static EventRecord Event(int64_t sequence, const std::string& log = "") {
    auto event = std::make_shared<v1::BuildEvent>();
    event->set_sequence(sequence);
    event->set_attempt(1);
    if (!log.empty()) event->mutable_log_chunk()->set_data(log);
    return {"aaaa0000", event};
  }

  ScopedFolder folder_;
  std::unique_ptr<Store> store_;
};

TEST_F(StoreTest, KeepsBuildsInOrderOfSubmissionAcrossOpens) {
  AddBuild("bbbb0000");
  AddBuild("aaaa0000");
  AddBuild("cccc0000", v1::BUILD_STATE_FINISHED);
  AddBuild("bbbb0000");
  Reopen();
  const auto unfinished = *store_->UnfinishedBuilds();
  ASSERT_EQ(unfinished.size(), 2u);
  EXPECT_EQ(unfinished[0].build.id(), "bbbb0000");
  EXPECT_EQ(store_->ListBuilds({}, 0, 10)->front().second.id(), "cccc0000");
  EXPECT_EQ(store_->ListBuilds({v1::BUILD_STATE_QUEUED}, 0, 10)->size(), 2u);
}

TEST_F(StoreTest, ResolvesPrefixesThatFitOneBuild) {
  AddBuild("aaaa0000");
  AddBuild("aaaa1111");
  EXPECT_EQ(*store_->ResolveId("aaaa1"), "aaaa1111");
  EXPECT_EQ(store_->ResolveId("aaaa").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(store_->ResolveId("b").status().code(), absl::StatusCode::kNotFound);
}

TEST_F(StoreTest, EventsComeBackWithoutLogBytesAndRewound) {
  Batch batch;
  batch.events = {Event(1), Event(2, "bytes"), Event(3)};
  ASSERT_TRUE(store_->Write(batch).ok());
  const auto all = *store_->ReadEvents("aaaa0000", {1, 0}, Store::Chunks::kKeep, 10);
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[1].log_size, 5);
  EXPECT_TRUE(all[1].event.log_chunk().data().empty());
  EXPECT_EQ(store_->ReadEvents("aaaa0000", {1, 0}, Store::Chunks::kOmit, 10)->size(), 2u);
  Batch rewind;
  rewind.events = {Event(2), Event(3)};
  rewind.Rewind("aaaa0000", {1, 1});
  EXPECT_TRUE(rewind.events.empty());
  ASSERT_TRUE(store_->Write(rewind).ok());
  EXPECT_EQ(store_->ReadEvents("aaaa0000", {1, 0}, Store::Chunks::kKeep, 10)->size(), 1u);
}

TEST_F(StoreTest, RefusesADatabaseOfAnotherVersion) {
  store_ = nullptr;
  {
    auto database = Database::Open(folder_.path() / "master.db", Database::Mode::kReadWrite);
    ASSERT_TRUE(database->Execute("PRAGMA user_version = 99").ok());
  }
  EXPECT_EQ(Store::Open(folder_.path() / "master.db").status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(StoreTest, LeasesEnd) {
  Batch batch;
  batch.leases["one"] = LeaseRecord{"one", "aaaa0000", "builder-1", 2};
  ASSERT_TRUE(store_->Write(batch).ok());
  ASSERT_EQ(store_->Leases()->size(), 1u);
  EXPECT_EQ(store_->Leases()->front().attempt, 2);
  batch.leases["one"] = std::nullopt;
  ASSERT_TRUE(store_->Write(batch).ok());
  EXPECT_TRUE(store_->Leases()->empty());
}

}  // namespace
}  // namespace rootwright::master
