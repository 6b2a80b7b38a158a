#include "ci/cli/download.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "base/sha256.h"
#include "ci/cli/master_client.h"
#include "tests/ci/cli/fake_master.h"

namespace rootwright::cli {
namespace {

class DownloadTest : public testing::Test {
 protected:
  DownloadTest()
      : client_(DialMaster(master_.address()).value(), master_.address()),
        folder_(ScopedFolder::Create(std::filesystem::temp_directory_path(), "cli-get-").value()),
        content_(10000, 'x') {
    content_[5000] = 'y';
    artifact_.set_name("rootfs.tar.zst");
    artifact_.set_size_bytes(static_cast<int64_t>(content_.size()));
    artifact_.set_sha256(Sha256::Of(content_));
    options_.build_id = "7f3a";
    options_.folder = folder_.path() / "out";
    options_.first_pause = absl::Milliseconds(1);
    master_.SetBytes(content_);
  }
  absl::StatusOr<std::filesystem::path> Get() { return DownloadArtifact(client_, artifact_, options_, {}); }
  std::filesystem::path Partial() const { return options_.folder / ".rootfs.tar.zst.partial"; }

  FakeMaster master_;
  BuildClient client_;
  ScopedFolder folder_;
  std::string content_;
  v1::Artifact artifact_;
  DownloadOptions options_;
};

TEST_F(DownloadTest, PutsVerifiedFileInPlace) {
  const auto path = Get();
  ASSERT_TRUE(path.ok()) << path.status();
  EXPECT_EQ(ReadFile(*path).value(), content_);
  EXPECT_FALSE(std::filesystem::exists(Partial()));
}

TEST_F(DownloadTest, GoesOnWhereLinkBroke) {
  master_.SetBytes(content_, 3000);
  ASSERT_TRUE(Get().ok());
  EXPECT_EQ(master_.offsets(), (std::vector<int64_t>{0, 3000}));
}

TEST_F(DownloadTest, GoesOnWithWhatAnEarlierCallLeft) {
  ASSERT_TRUE(MakeFolders(options_.folder).ok());
  ASSERT_TRUE(WriteFileAtomically(Partial(), content_.substr(0, 7000)).ok());
  ASSERT_TRUE(Get().ok());
  EXPECT_EQ(master_.offsets(), (std::vector<int64_t>{7000}));
}

TEST_F(DownloadTest, BeginsAnewWhenWhatWasLeftIsOfSomethingElse) {
  ASSERT_TRUE(MakeFolders(options_.folder).ok());
  ASSERT_TRUE(WriteFileAtomically(Partial(), std::string(7000, 'z')).ok());
  const auto path = Get();
  ASSERT_TRUE(path.ok()) << path.status();
  EXPECT_EQ(ReadFile(*path).value(), content_);
}

TEST_F(DownloadTest, KeepsNothingWhenDigestDiffers) {
  artifact_.set_sha256(Sha256::Of("other"));
  EXPECT_EQ(Get().status().code(), absl::StatusCode::kDataLoss);
  EXPECT_TRUE(std::filesystem::is_empty(options_.folder));
}

TEST_F(DownloadTest, RefusesBytesBeyondTheSize) {
  artifact_.set_size_bytes(500);
  EXPECT_EQ(Get().status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(DownloadTest, LeavesGoodFileAlone) {
  ASSERT_TRUE(Get().ok());
  ASSERT_TRUE(Get().ok());
  EXPECT_EQ(master_.offsets().size(), 1u);
}

TEST_F(DownloadTest, RefusesNameThatIsAPath) {
  for (const char* name : {"../evil", "/etc/passwd", ".hidden", "", "a/b"}) {
    artifact_.set_name(name);
    EXPECT_EQ(Get().status().code(), absl::StatusCode::kInvalidArgument) << name;
  }
}

}  // namespace
}  // namespace rootwright::cli
