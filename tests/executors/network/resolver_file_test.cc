#include "executors/network/resolver_file.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "base/file.h"
#include "base/subprocess.h"

namespace rootwright {
namespace {

namespace fs = std::filesystem;

class ResolverFile : public testing::Test {
 protected:
  ResolverFile() : folder_(*ScopedFolder::Create(fs::temp_directory_path(), "rootwright-resolver-")) {}

  void Do(const EnvironmentCommand& command) {
    SubprocessSpec spec{.argv = command.argv, .environment = command.variables, .input = command.input};
    const auto ran = CheckSubprocess(spec, Deadline::In(absl::Minutes(1)), {});
    EXPECT_TRUE(ran.ok()) << ran.status();
  }
  void Lend() { Do(LendResolver(folder_.path().string())); }
  void Return() { Do(ReturnResolver(folder_.path().string())); }
  fs::path file() const { return folder_.path() / "etc/resolv.conf"; }
  void Write(const std::string& text) {
    ASSERT_TRUE(MakeFolders(file().parent_path()).ok());
    ASSERT_TRUE(WriteFileAtomically(file(), text, 0600).ok());
  }

  ScopedFolder folder_;
};

TEST_F(ResolverFile, IsThereAndGoneAgain) {
  Lend();
  EXPECT_EQ(*ReadFile(file()), "nameserver 10.0.2.3\n");
  Return();
  EXPECT_TRUE(fs::is_empty(file().parent_path()));
}

TEST_F(ResolverFile, PutsBackWhatWasThereWithItsMode) {
  Write("nameserver 192.0.2.7\n");
  Lend();
  EXPECT_EQ(*ReadFile(file()), "nameserver 10.0.2.3\n");
  Return();
  EXPECT_EQ(*ReadFile(file()), "nameserver 192.0.2.7\n");
  EXPECT_EQ(fs::status(file()).permissions(), fs::perms::owner_read | fs::perms::owner_write);
}

TEST_F(ResolverFile, PutsBackALinkThatLeadsNowhere) {
  fs::create_directories(file().parent_path());
  fs::create_symlink("../run/systemd/resolve/stub-resolv.conf", file());
  Lend();
  EXPECT_EQ(*ReadFile(file()), "nameserver 10.0.2.3\n");
  Return();
  EXPECT_EQ(fs::read_symlink(file()), "../run/systemd/resolve/stub-resolv.conf");
}

TEST_F(ResolverFile, KeepsWhatTheBuildItselfWrote) {
  Write("nameserver 192.0.2.7\n");
  Lend();
  Write("nameserver 192.0.2.8\n");
  Return();
  EXPECT_EQ(*ReadFile(file()), "nameserver 192.0.2.8\n");
  EXPECT_EQ(std::distance(fs::directory_iterator(file().parent_path()), {}), 1);
}

}  // namespace
}  // namespace rootwright
