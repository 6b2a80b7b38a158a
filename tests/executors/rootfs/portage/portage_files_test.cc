#include "executors/rootfs/portage/portage_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"

namespace rootwright {
namespace {

namespace fs = std::filesystem;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

EmergeSettings Some() {
  EmergeSettings settings;
  settings.profile = "default/linux/amd64/23.0";
  settings.repositories = {{"gentoo", "/var/db/repos/gentoo"}, {"ours", "/var/db/repos/ours"}};
  settings.jobs = 3;
  return settings;
}

TEST(PortageFiles, AreWhatTheSettingsSay) {
  const absl::StatusOr<std::vector<PortageFile>> files = PortageFiles(Some());
  ASSERT_TRUE(files.ok()) << files.status();
  ASSERT_THAT(*files, SizeIs(2));
  EXPECT_EQ((*files)[0].path, "/etc/portage/repos.conf/rootwright.conf");
  EXPECT_EQ((*files)[0].content,
            "[DEFAULT]\nmain-repo = gentoo\n"
            "\n[gentoo]\nlocation = /var/db/repos/gentoo\nauto-sync = no\n"
            "\n[ours]\nlocation = /var/db/repos/ours\nauto-sync = no\n");
  EXPECT_EQ((*files)[1].path, "/etc/portage/make.profile");
  EXPECT_EQ((*files)[1].link_target, "/var/db/repos/gentoo/profiles/default/linux/amd64/23.0");
}

TEST(PortageFiles, ASettingThatAFileCannotHoldIsNamed) {
  const std::vector<std::pair<void (*)(EmergeSettings&), const char*>> cases = {
      {[](EmergeSettings& s) { s.profile = "../../../etc"; }, "profile"},
      {[](EmergeSettings& s) { s.repositories.clear(); }, "repository"},
      {[](EmergeSettings& s) { s.repositories[1].name = "a]\n[b"; }, "repository"},
      {[](EmergeSettings& s) { s.repositories[1].location = "var"; }, "repository"},
      {[](EmergeSettings& s) { s.separate_root = "/a/../.."; }, "separate root"}};
  for (const auto& [spoil, word] : cases) {
    EmergeSettings settings = Some();
    spoil(settings);
    const absl::Status status = PortageFiles(settings).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << word;
    EXPECT_THAT(std::string(status.message()), HasSubstr(word));
  }
}

TEST(PortageFiles, SeveralPackagesAreMergedAtATimeWhenNoneIsCompiled) {
  EmergeSettings settings = Some();
  settings.use_binary_packages = true;
  EXPECT_THAT(EmergeOptions(settings), Contains("--jobs=1"));
  EXPECT_THAT(PortageVariables(settings)["FEATURES"], Not(HasSubstr("parallel-install")));
  settings.merges_binaries_alone = true;
  EXPECT_THAT(EmergeOptions(settings), Contains("--jobs=4"));
  EXPECT_THAT(PortageVariables(settings)["FEATURES"], HasSubstr("parallel-install"));
  EXPECT_THAT(PortageVariables(settings)["FEATURES"], Not(HasSubstr("-ebuild-locks")));
  settings.functions_never_meet = true;
  EXPECT_THAT(PortageVariables(settings)["FEATURES"], HasSubstr("-ebuild-locks"));
}

TEST(PortageFiles, VariablesFollowTheRootMode) {
  EmergeSettings settings = Some();
  std::map<std::string, std::string> variables = PortageVariables(settings);
  EXPECT_EQ(variables["ROOT"], "/target");
  EXPECT_EQ(variables["SYSROOT"], "/target");
  EXPECT_EQ(variables["LIBRARY_PATH"], "/target/usr/lib");
  EXPECT_EQ(variables["MAKEOPTS"], "-j3");
  EXPECT_EQ(variables["LC_ALL"], "C.UTF-8");
  EXPECT_THAT(variables["FEATURES"], HasSubstr("observability"));
  EXPECT_THAT(variables["FEATURES"], HasSubstr("collision-protect"));
  EXPECT_THAT(variables["FEATURES"], HasSubstr("-buildpkg"));

  // A Gentoo stage has what is compiled against in its own root.
  settings.debian_root = false;
  variables = PortageVariables(settings);
  EXPECT_EQ(variables["ROOT"], "/target");
  EXPECT_EQ(variables.count("SYSROOT"), 0U);
  EXPECT_THAT(variables["FEATURES"], Not(HasSubstr("collision-protect")));

  settings.root_mode = RootMode::kInPlace;
  EXPECT_EQ(PortageVariables(settings).count("ROOT"), 0U);
}

TEST(PortageFiles, OptionsFollowTheBinaryPackages) {
  EmergeSettings settings = Some();
  EXPECT_THAT(EmergeOptions(settings), Not(Contains("--usepkg=y")));
  settings.use_binary_packages = true;
  settings.keep_going = true;
  EXPECT_THAT(EmergeOptions(settings), Contains("--usepkg=y"));
  EXPECT_THAT(EmergeOptions(settings), Contains("--binpkg-changed-deps=n"));
  EXPECT_THAT(EmergeOptions(settings), Contains("--keep-going=y"));
}

TEST(PortageFiles, AreWrittenAsAnOverlay) {
  const absl::StatusOr<ScopedFolder> folder =
      ScopedFolder::Create(fs::temp_directory_path(), "portage-files-");
  ASSERT_TRUE(folder.ok());
  const absl::StatusOr<std::vector<PortageFile>> files = PortageFiles(Some());
  ASSERT_TRUE(files.ok());
  const absl::Status written = WritePortageFiles(*files, folder->path());
  ASSERT_TRUE(written.ok()) << written;
  EXPECT_EQ(*ReadFile(folder->path() / "etc/portage/repos.conf/rootwright.conf"), (*files)[0].content);
  EXPECT_EQ(fs::read_symlink(folder->path() / "etc/portage/make.profile"), (*files)[1].link_target);
}

}  // namespace
}  // namespace rootwright
