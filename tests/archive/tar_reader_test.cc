#include "archive/tar_reader.h"

#include <gmock/gmock.h>

#include "tests/archive/test_tree.h"

namespace rootwright {
namespace {

TEST(NormalTarPath, DropsWhatMeansNothingAndKeepsWhatMatters) {
  EXPECT_EQ(NormalTarPath("./usr//bin/"), "usr/bin");
  EXPECT_EQ(NormalTarPath("./"), "");
  EXPECT_EQ(NormalTarPath("/etc/x"), "/etc/x");
  EXPECT_EQ(NormalTarPath("a/../b"), "a/../b");
}

TEST(TarReader, GivesContentInPieces) {
  const std::string tar = TarOf({FileEntry("a", std::string(1000, 'x'))});
  auto reader = TarReader::OfBytes(tar, TarReader::Compression::kNone, "test");
  TarEntry entry;
  ASSERT_TRUE(*reader->Next(entry));
  std::vector<char> piece(300);
  size_t total = 0;
  while (const size_t got = *reader->Read(piece)) total += got;
  EXPECT_EQ(total, 1000u);
  EXPECT_FALSE(*reader->Next(entry));
}

TEST(TarReader, NamesTheArchiveInErrors) {
  const std::string nonsense(1024, 'z');
  auto reader = TarReader::OfBytes(nonsense, TarReader::Compression::kNone, "odd.tar");
  TarEntry entry;
  const absl::Status status = reader.ok() ? reader->Next(entry).status() : reader.status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()), ::testing::HasSubstr("odd.tar"));
}

}  // namespace
}  // namespace rootwright
