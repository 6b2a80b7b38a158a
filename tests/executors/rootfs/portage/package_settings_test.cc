#include "executors/rootfs/portage/package_settings.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/file.h"

namespace rootwright {
namespace {

namespace fs = std::filesystem;

class PackageSettings : public testing::Test {
 protected:
  PackageSettings() : folder_(*ScopedFolder::Create(fs::temp_directory_path(), "rootwright-test-")) {}

  void Put(const std::string& path, const std::string& content) const {
    fs::create_directories((folder_.path() / path).parent_path());
    std::ofstream(folder_.path() / path) << content;
  }
  std::string Settings() const {
    return *SettingsOfPackages({folder_.path() / "before", folder_.path() / "overlay"});
  }

  ScopedFolder folder_;
};

TEST_F(PackageSettings, AreWhatCompilersAndEbuildsSee) {
  std::string last = Settings();
  for (const auto& [path, content] : std::vector<std::pair<std::string, std::string>>{
           {"before/etc/portage/make.conf", "CFLAGS=\"-O3\"\n"},
           {"overlay/etc/portage/env/fast", "x"},
           {"overlay/etc/portage/package.env", "a/a fast"},
           {"overlay/etc/portage/bashrc", "true"},
           {"overlay/usr/local/bin/gcc", "#!/bin/sh"},
           {"before/etc/portage/make.conf", "CFLAGS=\"-O2\"\n"}}) {
    Put(path, content);
    EXPECT_NE(Settings(), last) << path;
    last = Settings();
  }
  EXPECT_EQ(Settings(), last);
  fs::create_symlink("/profiles/a", folder_.path() / "before/etc/portage/make.profile");
  EXPECT_NE(Settings(), last);
}

TEST_F(PackageSettings, AreNotWhatPortageComparesAndWhatNoPackageSees) {
  Put("before/etc/portage/make.conf", "CFLAGS=\"-O3\"\n");
  const std::string last = Settings();
  for (const auto& [path, content] : std::vector<std::pair<std::string, std::string>>{
           {"before/etc/portage/make.conf",
            "# words\nUSE=\"${USE} nls\"\nACCEPT_KEYWORDS=\"~amd64\"\nCFLAGS=\"-O3\"\n"},
           {"overlay/etc/portage/package.use/mine", "a/a x"},
           {"overlay/etc/portage/patches/a/a/fix.patch", "+"},
           {"overlay/etc/motd", "hello"},
           {"overlay/var/db/repos/own/a/a/a-1.ebuild", "EAPI=8"}}) {
    Put(path, content);
    EXPECT_EQ(Settings(), last) << path;
  }
  // More than one assignment in a line, or one that goes on: everything counts.
  Put("before/etc/portage/make.conf", "USE=\"a\" CFLAGS=\"-O3\"\n");
  EXPECT_NE(Settings(), last);
}

}  // namespace
}  // namespace rootwright
