// The way of a real package: from the mirror of Debian into a tree.
#include <gmock/gmock.h>
#include <unistd.h>

#include <cstdlib>

#include "base/file.h"
#include "debian/apt.h"
#include "debian/unpack.h"

namespace rootwright {
namespace {

TEST(Busybox, IsResolvedFetchedAndUnpackedForArm64) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  const auto folder = ScopedFolder::Create(std::filesystem::temp_directory_path(), "rootwright-test-");
  Apt apt(folder->path() / "apt", Architecture::kArm64,
          {{"http://deb.debian.org/debian",
            "bookworm",
            {"main"},
            "/usr/share/keyrings/debian-archive-keyring.gpg"}});
  const Deadline deadline = Deadline::In(absl::Minutes(4));
  const absl::Status updated = apt.Update(deadline, {});
  ASSERT_TRUE(updated.ok()) << updated;
  const auto plan = apt.Resolve({}, {"busybox"}, deadline, {});
  ASSERT_TRUE(plan.ok()) << plan.status();
  const auto debs = apt.Download(*plan, nullptr, deadline, {});
  ASSERT_TRUE(debs.ok()) << debs.status();
  UnpackOptions options;
  options.tree = folder->path() / "tree";
  options.architecture = Architecture::kArm64;
  options.unpack_program = std::filesystem::path(std::getenv("ROOTWRIGHT_BIN")) / "rootwright-unpack";
  const absl::Status unpacked = UnpackPackages(*plan, *debs, options, nullptr, deadline, {});
  ASSERT_TRUE(unpacked.ok()) << unpacked;
  const auto program = ReadFile(options.tree / "usr/bin/busybox");
  ASSERT_TRUE(program.ok()) << program.status();
  EXPECT_EQ(program->substr(0, 4),
            "\x7f"
            "ELF");
  // EM_AARCH64.
  EXPECT_EQ((*program)[18], '\xb7');
  EXPECT_THAT(*ReadFile(options.tree / "var/lib/dpkg/status"),
              ::testing::HasSubstr("Package: busybox\nStatus: install ok unpacked\n"));
}

}  // namespace
}  // namespace rootwright
