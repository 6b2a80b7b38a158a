#include "executors/rootfs/shortcuts/host_keys.h"

#include "absl/strings/ascii.h"
#include "tests/executors/rootfs/shortcuts/shortcut_tree.h"

namespace rootwright {
namespace {

namespace fs = std::filesystem;

class HostKeysTest : public ShortcutTree {
 protected:
  HostKeysTest() {
    plan_.packages.push_back({"openssh-server", "1:9.2p1-2", "amd64", "", 1, 1, "", ""});
    fs::create_directories(tree() / "etc/ssh");
  }
};

TEST_F(HostKeysTest, MakesThreePairsAsThePackageWould) {
  const auto used = Apply(MakeHostKeys());
  ASSERT_TRUE(used.ok()) << used.status();
  ASSERT_TRUE(used->has_value());
  EXPECT_EQ((*used)->name, "ssh-host-keys");
  // clean_up removes them like the script's own.
  EXPECT_EQ((*used)->undo, "");
  for (const std::string type : {"rsa", "ecdsa", "ed25519"}) {
    const fs::path key = tree() / absl::StrCat("etc/ssh/ssh_host_", type, "_key");
    EXPECT_EQ(fs::status(key).permissions(), fs::perms::owner_read | fs::perms::owner_write) << type;
    // The type and the key; ssh-keygen writes a comment behind them, here an empty one.
    const SubprocessResult of_key = Execute({"ssh-keygen", "-y", "-f", key.string()});
    EXPECT_TRUE(of_key.ok()) << of_key.error_output;
    EXPECT_EQ(absl::StripAsciiWhitespace(of_key.output),
              absl::StripAsciiWhitespace(ReadFile(key.string() + ".pub").value_or("")));
  }
}

TEST_F(HostKeysTest, KeepsKeysThatAreThere) {
  Put("etc/ssh/ssh_host_rsa_key", "mine");
  const auto used = Apply(MakeHostKeys());
  ASSERT_TRUE(used.ok() && used->has_value());
  EXPECT_EQ(Get("etc/ssh/ssh_host_rsa_key"), "mine");
  EXPECT_FALSE(fs::exists(tree() / "etc/ssh/ssh_host_rsa_key.pub"));
  EXPECT_TRUE(fs::exists(tree() / "etc/ssh/ssh_host_ed25519_key"));
}

TEST_F(HostKeysTest, IsIdleWithoutTheServer) {
  plan_.packages[0].name = "openssh-client";
  ExpectIdle(MakeHostKeys());
}

TEST_F(HostKeysTest, IsIdleWhereTheFolderIsALink) {
  LinkOut("etc/ssh");
  ExpectIdle(MakeHostKeys());
}

TEST_F(HostKeysTest, WritesThroughNoLink) {
  fs::create_symlink(outside() / "stolen", tree() / "etc/ssh/ssh_host_ed25519_key");
  fs::create_symlink(outside() / "stolen", tree() / "etc/ssh/ssh_host_ecdsa_key.pub");
  ASSERT_TRUE(Apply(MakeHostKeys()).ok());
  EXPECT_TRUE(fs::is_empty(outside()));
}

}  // namespace
}  // namespace rootwright
