#include "agent/link/artifact_uploader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>

#include "base/file.h"
#include "base/sha256.h"

namespace rootwright {
namespace {

// A master's artifact store on a wire that breaks where the test says.
class FakeWire : public ArtifactWire {
 public:
  absl::StatusOr<v1::QueryArtifactResponse> Query(const v1::QueryArtifactRequest&, std::stop_token) override {
    ++queries;
    if (!query_errors.empty()) {
      const absl::Status error = query_errors.front();
      query_errors.pop_front();
      return error;
    }
    v1::QueryArtifactResponse response;
    response.set_committed_bytes(static_cast<int64_t>(stored.size()));
    response.set_complete(complete);
    return response;
  }
  absl::StatusOr<v1::UploadArtifactResponse> Upload(const NextChunk& next, std::stop_token) override {
    ++uploads;
    for (int chunks = 0;; ++chunks) {
      const auto chunk = next();
      if (!chunk.ok()) return chunk.status();
      if (chunk->ByteSizeLong() == 0) break;
      EXPECT_EQ(chunks == 0, chunk->has_artifact());
      EXPECT_EQ(chunk->offset(), static_cast<int64_t>(stored.size()));
      EXPECT_LE(chunk->data().size(), 256u * 1024);
      if (uploads <= breaks && chunks == 1) return absl::UnavailableError("cut");
      stored += chunk->data();
    }
    v1::UploadArtifactResponse response;
    response.set_committed_bytes(static_cast<int64_t>(stored.size()));
    return response;
  }

  std::string stored;
  bool complete = false;
  int breaks = 0;
  int queries = 0;
  int uploads = 0;
  std::deque<absl::Status> query_errors;
};

class ArtifactUploaderTest : public testing::Test {
 protected:
  ArtifactUploaderTest() { SetContent(std::string(700'000, 'a') + "end"); }
  void SetContent(const std::string& content) {
    content_ = content;
    ASSERT_TRUE(WriteFileAtomically(file_.path, content).ok());
    file_.size_bytes = static_cast<int64_t>(content.size());
    file_.sha256 = Sha256::Of(content);
  }
  absl::Status Publish() {
    return uploader_.Publish(
        "7f3a", "lease", file_, [](const ProgressUpdate&) {}, Deadline::Never(), stop_.get_token());
  }

  ScopedFolder folder_ = *ScopedFolder::Create(testing::TempDir(), "upload-");
  std::string content_;
  ArtifactFile file_{"a.bin", folder_.path() / "a.bin", 0, "", "application/octet-stream"};
  FakeWire wire_;
  std::stop_source stop_;
  int pauses_ = 0;
  ArtifactUploader uploader_{wire_, [this](absl::Duration, std::stop_token stop) {
                               ++pauses_;
                               return stop.stop_requested() ? absl::CancelledError("stopped")
                                                            : absl::OkStatus();
                             }};
};

TEST_F(ArtifactUploaderTest, SendsTheWholeFile) {
  EXPECT_TRUE(Publish().ok());
  EXPECT_EQ(wire_.stored, content_);
}

TEST_F(ArtifactUploaderTest, GoesOnWhereTheWireBroke) {
  wire_.breaks = 2;
  EXPECT_TRUE(Publish().ok());
  EXPECT_EQ(wire_.stored, content_);
  EXPECT_EQ(wire_.uploads, 3);
  EXPECT_EQ(pauses_, 2);
}

TEST_F(ArtifactUploaderTest, SendsNothingThatTheMasterHas) {
  wire_.complete = true;
  EXPECT_TRUE(Publish().ok());
  EXPECT_EQ(wire_.uploads, 0);
}

TEST_F(ArtifactUploaderTest, SendsAnEmptyFile) {
  SetContent("");
  EXPECT_TRUE(Publish().ok());
  EXPECT_EQ(wire_.uploads, 1);
}

TEST_F(ArtifactUploaderTest, WaitsForAMasterThatIsAway) {
  wire_.query_errors = {absl::UnavailableError("away"), absl::UnavailableError("away")};
  EXPECT_TRUE(Publish().ok());
  EXPECT_EQ(pauses_, 2);
}

TEST_F(ArtifactUploaderTest, GivesUpWhenTheLeaseIsNotItsOwn) {
  wire_.query_errors = {absl::PermissionDeniedError("lease")};
  EXPECT_TRUE(absl::IsPermissionDenied(Publish()));
  EXPECT_EQ(pauses_, 0);
}

TEST_F(ArtifactUploaderTest, TriesABadDigestOnceMore) {
  wire_.query_errors = {absl::DataLossError("digest"), absl::DataLossError("digest")};
  EXPECT_TRUE(absl::IsDataLoss(Publish()));
  EXPECT_EQ(wire_.queries, 2);
}

TEST_F(ArtifactUploaderTest, StopIsCancelled) {
  wire_.query_errors = {absl::UnavailableError("away")};
  stop_.request_stop();
  EXPECT_TRUE(absl::IsCancelled(Publish()));
}

}  // namespace
}  // namespace rootwright
