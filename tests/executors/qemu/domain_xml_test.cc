#include "executors/qemu/domain_xml.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "base/file.h"

namespace rootwright {
namespace {

DomainSpec Arm64Machine() {
  DomainSpec spec;
  spec.name = "rootwright-7f3a";
  spec.architecture = Architecture::kArm64;
  spec.vcpus = 2;
  spec.memory_bytes = 512 << 20;
  spec.translation_buffer_bytes = 256 << 20;
  spec.kernel = "/work/7f3a/kernel";
  spec.initrd = "/work/7f3a/initrd";
  spec.command_line = "console=ttyAMA0 quiet";
  spec.disks = {
      {std::string(kRootDisk), DiskFormat::kQcow2, "/work/7f3a/root.qcow2", "/images/arm64/disk.qcow2",
       DiskFormat::kQcow2},
      {std::string(kTreeDisk), DiskFormat::kRaw, "/work/7f3a/tree.raw", std::nullopt, DiskFormat::kRaw},
      {std::string(kOutDisk), DiskFormat::kRaw, "/work/7f3a/out.raw", std::nullopt, DiskFormat::kRaw}};
  spec.console_file = "/work/7f3a/console.log";
  spec.guest_socket = "/work/7f3a/guest.sock";
  spec.shell_socket = "/work/7f3a/shell.sock";
  return spec;
}

// Set ROOTWRIGHT_UPDATE_GOLDEN to write the files anew, then read the difference.
void ExpectGolden(const std::string& xml, const std::string& name) {
  const std::filesystem::path path =
      std::filesystem::path(std::getenv("ROOTWRIGHT_SOURCE")) / "tests/executors/qemu/golden" / name;
  if (std::getenv("ROOTWRIGHT_UPDATE_GOLDEN") != nullptr) {
    ASSERT_TRUE(WriteFileAtomically(path, xml).ok());
  }
  const absl::StatusOr<std::string> golden = ReadFile(path);
  ASSERT_TRUE(golden.ok()) << golden.status();
  EXPECT_EQ(xml, *golden);
}

TEST(DomainXml, EmulatedArm64Machine) { ExpectGolden(DomainXml(Arm64Machine()), "arm64.xml"); }

TEST(DomainXml, MachineWithANetworkCard) {
  DomainSpec spec = Arm64Machine();
  spec.network_socket = "/work/7f3a, a comma/network.sock";
  ExpectGolden(DomainXml(spec), "arm64-network.xml");
}

TEST(DomainXml, EmulatedAmd64Machine) {
  DomainSpec spec = Arm64Machine();
  spec.architecture = Architecture::kAmd64;
  spec.command_line = "console=ttyS0";
  ExpectGolden(DomainXml(spec), "amd64.xml");
}

TEST(DomainXml, AcceleratedAmd64MachineHasHostCpuAndNoTranslationBuffer) {
  DomainSpec spec = Arm64Machine();
  spec.architecture = Architecture::kAmd64;
  spec.accelerator = DomainSpec::Accelerator::kKvm;
  spec.cpu_model = "host";
  ExpectGolden(DomainXml(spec), "amd64-kvm.xml");
}

TEST(DomainXml, EmulatedRiscv64Machine) {
  DomainSpec spec = Arm64Machine();
  spec.architecture = Architecture::kRiscv64;
  ExpectGolden(DomainXml(spec), "riscv64.xml");
}

TEST(DomainXml, EscapesEverythingThatComesFromOutside) {
  DomainSpec spec = Arm64Machine();
  const std::string evil = "'/><a b=\"&\">]]>";
  spec.name = spec.cpu_model = spec.command_line = evil;
  spec.kernel = spec.initrd = spec.console_file = spec.guest_socket = spec.shell_socket = evil;
  for (DomainDisk& disk : spec.disks) disk.file = disk.serial = evil;
  spec.disks[0].base = evil;
  const std::string xml = DomainXml(spec);
  EXPECT_EQ(xml.find(evil), std::string::npos);
  EXPECT_EQ(xml.find("<a b"), std::string::npos);
}

TEST(DomainXml, RoundsMemoryAndBufferUp) {
  DomainSpec spec = Arm64Machine();
  spec.memory_bytes = (512 << 20) + 1;
  spec.translation_buffer_bytes = (64 << 20) + 1;
  const std::string xml = DomainXml(spec);
  EXPECT_NE(xml.find("<memory unit='KiB'>524289</memory>"), std::string::npos);
  EXPECT_NE(xml.find("<tb-cache unit='MiB'>65</tb-cache>"), std::string::npos);
}

}  // namespace
}  // namespace rootwright
