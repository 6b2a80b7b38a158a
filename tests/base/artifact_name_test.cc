#include "base/artifact_name.h"

#include <gtest/gtest.h>

#include <string>

namespace rootwright {
namespace {

TEST(IsArtifactName, TakesPlainFileNames) {
  EXPECT_TRUE(IsArtifactName("rootfs.tar.zst"));
  EXPECT_TRUE(IsArtifactName("SHA256SUMS"));
  EXPECT_TRUE(IsArtifactName(std::string(128, 'a')));
}

TEST(IsArtifactName, RefusesFoldersHiddenFilesAndSpaces) {
  for (const char* name : {"", ".", "..", ".config", "a/b", "my file", "\n", "\xc3\xa4"}) {
    EXPECT_FALSE(IsArtifactName(name)) << name;
  }
  EXPECT_FALSE(IsArtifactName(std::string(129, 'a')));
}

}  // namespace
}  // namespace rootwright
