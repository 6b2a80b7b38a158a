#include "executors/container/cgroup_layout.h"

#include <gtest/gtest.h>

namespace rootwright {
namespace {

constexpr char kHybrid[] =
    "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
    "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
    "39 31 0:36 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids\n"
    "40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd\n"
    "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n";
constexpr char kUnified[] = "41 31 0:38 / /sys/fs/cgroup rw,relatime - cgroup2 cgroup2 rw,nsdelegate\n";

constexpr char kProcess[] =
    "9:name=systemd:/\n8:pids:/\n4:memory:/machine/lxc-1-a:b.libvirt-lxc\n2:cpu,cpuacct:/machine/x\n0::/"
    "user\n";

TEST(CgroupLayout, KnowsAHybridHost) {
  const CgroupLayout layout = CgroupLayout::Parse(kHybrid);
  EXPECT_EQ(layout.kind, CgroupLayout::Kind::kHybrid);
  EXPECT_EQ(layout.unified, "/sys/fs/cgroup/unified");
  EXPECT_EQ(layout.Describe(),
            "control groups version 1 (cpu, cpuacct, memory, pids) with version 2 beside it");
  EXPECT_EQ(CgroupOf(layout, kProcess, "memory"), "/sys/fs/cgroup/memory/machine/lxc-1-a:b.libvirt-lxc");
  EXPECT_EQ(CgroupOf(layout, kProcess, "cpuacct"), "/sys/fs/cgroup/cpu,cpuacct/machine/x");
  EXPECT_EQ(CgroupOf(layout, kProcess, "pids"), "/sys/fs/cgroup/pids/");
}

TEST(CgroupLayout, KnowsAUnifiedHost) {
  const CgroupLayout layout = CgroupLayout::Parse(kUnified);
  EXPECT_EQ(layout.kind, CgroupLayout::Kind::kUnified);
  EXPECT_EQ(layout.Describe(), "control groups version 2");
  EXPECT_EQ(CgroupOf(layout, "0::/machine.slice/one", "memory"), "/sys/fs/cgroup/machine.slice/one");
}

TEST(CgroupLayout, TakesTheUnifiedGroupForAControllerThatHasNoHierarchyOfItsOwn) {
  EXPECT_EQ(CgroupOf(CgroupLayout::Parse(kHybrid), kProcess, "io"), "/sys/fs/cgroup/unified/user");
}

TEST(CgroupLayout, SaysThatThereIsNone) {
  const CgroupLayout layout = CgroupLayout::Parse("27 1 254:0 / / rw - ext4 /dev/vda rw\n");
  EXPECT_EQ(layout.kind, CgroupLayout::Kind::kNone);
  EXPECT_TRUE(CgroupOf(layout, kProcess, "memory").empty());
}

}  // namespace
}  // namespace rootwright
