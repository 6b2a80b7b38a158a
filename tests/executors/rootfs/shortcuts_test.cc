#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "base/file.h"
#include "base/subprocess.h"
#include "executors/rootfs/shortcuts/idle_preinsts.h"
#include "executors/rootfs/shortcuts/shortcut.h"
#include "executors/rootfs/shortcuts/stand_in.h"
#include "executors/rootfs/shortcuts/systemd_helper.h"

namespace rootwright {
namespace {

namespace fs = std::filesystem;
using ::testing::Contains;
using ::testing::HasSubstr;

TEST(IdlePreinst, HelperCallsAndUpgradeBlocksAreIdle) {
  EXPECT_TRUE(IsIdlePreinst(
      "#!/bin/sh\nset -e\n# comment\ndpkg-maintscript-helper rm_conffile /etc/x 1\\~ -- \"$@\"\nexit 0\n"));
  EXPECT_TRUE(IsIdlePreinst(
      "#!/bin/sh\nset -e\nif [ \"$1\" = \"install\" ] && [ -n \"$2\" ] && [ -e \"/etc/init.d/x\" ] ; then\n"
      "\tchmod +x \"/etc/init.d/x\" >/dev/null || true\nfi\n"));
}

TEST(IdlePreinst, AnythingElseIsNot) {
  EXPECT_FALSE(IsIdlePreinst("#!/bin/sh\nset -e\ntouch /etc/x\n"));
  EXPECT_FALSE(IsIdlePreinst("#!/bin/sh\nif [ \"$1\" = \"install\" ] ; then\ntouch /x\nfi\n"));
  EXPECT_FALSE(IsIdlePreinst("#!/bin/sh\ndpkg-maintscript-helper rm_conffile /x; touch /y -- \"$@\"\n"));
  EXPECT_FALSE(IsIdlePreinst("#!/usr/bin/perl\nexit 0\n"));
  EXPECT_FALSE(IsIdlePreinst(
      "#!/bin/sh\nif [ \"$1\" = \"install\" ] && [ -n \"$2\" ] ; then\nif true; then\nfi\ntouch /x\nfi\n"));
  EXPECT_FALSE(
      IsIdlePreinst("\x7f"
                    "ELF"));
}

TEST(Shortcuts, HaveNames) {
  EXPECT_THAT(ShortcutNames(), Contains("ssh-host-keys"));
  EXPECT_THAT(ShortcutNames(), Contains("systemd-helper"));
}

class SystemdHelperStandIn : public testing::Test {
 protected:
  SystemdHelperStandIn() : folder_(*ScopedFolder::Create(fs::temp_directory_path(), "helper-")) {
    fs::create_directories(tree() / "usr/bin");
    fs::create_directories(tree() / ".rootwright/original");
    EXPECT_TRUE(
        WriteFileAtomically(tree() / "usr/bin/deb-systemd-helper", "#!/bin/sh\necho original \"$@\"\n", 0755)
            .ok());
    const AptPlan plan;
    const Specification specification;
    const ShortcutContext context{tree(), Architecture::kAmd64, plan, specification, "",
                                  {},     Deadline::Never(),    {}};
    absl::StatusOr<std::optional<UsedShortcut>> used = MakeSystemdHelper()->Apply(context);
    EXPECT_TRUE(used.ok() && used->has_value());
  }
  fs::path tree() const { return folder_.path() / "tree"; }

  ScopedFolder folder_;
};

TEST_F(SystemdHelperStandIn, IsAValidShellScript) {
  SubprocessSpec spec;
  spec.argv = {"sh", "-n", (tree() / "usr/bin/deb-systemd-helper").string()};
  const absl::StatusOr<SubprocessResult> result = RunSubprocess(spec, Deadline::In(absl::Seconds(20)), {});
  ASSERT_TRUE(result.ok());
  EXPECT_TRUE(result->ok()) << result->error_output;
}

TEST_F(SystemdHelperStandIn, OriginalWaitsWhereTheScriptLooks) {
  EXPECT_THAT(*ReadFile(tree() / "usr/bin/deb-systemd-helper"),
              HasSubstr(OriginalOf("/usr/bin/deb-systemd-helper")));
  EXPECT_THAT(*ReadFile(tree() / OriginalOf("/usr/bin/deb-systemd-helper").substr(1)),
              HasSubstr("echo original"));
}

}  // namespace
}  // namespace rootwright
