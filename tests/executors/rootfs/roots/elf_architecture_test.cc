#include "executors/rootfs/roots/elf_architecture.h"

#include <elf.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "base/file.h"

namespace rootwright {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

std::string Header(char wide, uint16_t machine, uint32_t flags = 0) {
  std::string header(64, '\0');
  header.replace(0, 4, ELFMAG);
  header[EI_CLASS] = wide;
  header[EI_DATA] = ELFDATA2LSB;
  header[18] = static_cast<char>(machine & 0xff);
  header[19] = static_cast<char>(machine >> 8);
  for (int i = 0; i < 4; ++i) header[36 + static_cast<size_t>(i)] = static_cast<char>(flags >> (8 * i));
  return header;
}

TEST(ElfArchitecture, IsInTheHeader) {
  EXPECT_EQ(*ArchitectureOfElf(Header(ELFCLASS64, EM_X86_64)), Architecture::kAmd64);
  EXPECT_EQ(*ArchitectureOfElf(Header(ELFCLASS64, EM_AARCH64)), Architecture::kArm64);
  EXPECT_EQ(*ArchitectureOfElf(Header(ELFCLASS64, EM_RISCV)), Architecture::kRiscv64);
  EXPECT_EQ(*ArchitectureOfElf(Header(ELFCLASS32, EM_ARM, 0x05000400)), Architecture::kArmhf);
  EXPECT_EQ(*ArchitectureOfElf(Header(ELFCLASS32, EM_ARM, 0x05000200)), Architecture::kArmel);
}

TEST(ElfArchitecture, OthersAreRefused) {
  for (const std::string& bad : {std::string("#!/bin/sh\n"), std::string(), Header(ELFCLASS32, EM_386),
                                 Header(ELFCLASS32, EM_X86_64), Header(ELFCLASS64, EM_X86_64).substr(0, 20)})
    EXPECT_TRUE(absl::IsInvalidArgument(ArchitectureOfElf(bad).status()));
  std::string big = Header(ELFCLASS64, EM_AARCH64);
  big[EI_DATA] = ELFDATA2MSB;
  EXPECT_FALSE(ArchitectureOfElf(big).ok());
}

TEST(ElfArchitecture, LinksInATreeStayInIt) {
  const ScopedFolder folder = *ScopedFolder::Create(testing::TempDir(), "elf-");
  const fs::path tree = folder.path() / "tree";
  fs::create_directories(tree / "usr/bin");
  EXPECT_THAT(std::string(ArchitectureOfTree(tree).status().message()), HasSubstr("no /bin/sh"));
  fs::create_directory_symlink("/usr/bin", tree / "bin");
  fs::create_symlink("/usr/bin/shell", tree / "usr/bin/sh");
  ASSERT_TRUE(WriteFileAtomically(tree / "usr/bin/shell", Header(ELFCLASS64, EM_RISCV)).ok());
  EXPECT_EQ(*ArchitectureOfTree(tree), Architecture::kRiscv64) << "absolute links are the tree's own";
  fs::remove(tree / "usr/bin/sh");
  fs::create_symlink("../../../outside", tree / "usr/bin/sh");
  ASSERT_TRUE(WriteFileAtomically(folder.path() / "outside", Header(ELFCLASS64, EM_AARCH64)).ok());
  EXPECT_FALSE(ArchitectureOfTree(tree).ok());
}

}  // namespace
}  // namespace rootwright
