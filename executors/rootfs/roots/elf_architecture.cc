#include "executors/rootfs/roots/elf_architecture.h"

#include <elf.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/unique_fd.h"

namespace rootwright {
namespace {

// Of a little-endian file.
template <typename Number>
Number At(absl::string_view bytes, size_t offset) {
  Number number = 0;
  for (size_t i = 0; i < sizeof(Number); ++i)
    number |=
        static_cast<Number>(static_cast<Number>(static_cast<unsigned char>(bytes[offset + i])) << (8 * i));
  return number;
}

}  // namespace

absl::StatusOr<Architecture> ArchitectureOfElf(absl::string_view header) {
  if (header.size() < sizeof(Elf32_Ehdr) || std::memcmp(header.data(), ELFMAG, SELFMAG) != 0)
    return absl::InvalidArgumentError("not a program (ELF)");
  const bool wide = header[EI_CLASS] == ELFCLASS64;
  if (header[EI_DATA] != ELFDATA2LSB) return absl::InvalidArgumentError("for a big-endian machine");
  const auto machine = At<uint16_t>(header, offsetof(Elf32_Ehdr, e_machine));
  if (machine == EM_X86_64 && wide) return Architecture::kAmd64;
  if (machine == EM_AARCH64 && wide) return Architecture::kArm64;
  if (machine == EM_RISCV && wide) return Architecture::kRiscv64;
  if (machine == EM_ARM && !wide) {
    const auto flags = At<uint32_t>(header, offsetof(Elf32_Ehdr, e_flags));
    return (flags & EF_ARM_ABI_FLOAT_HARD) != 0 ? Architecture::kArmhf : Architecture::kArmel;
  }
  return absl::InvalidArgumentError(absl::StrCat("for a machine that is not known here (ELF ", machine,
                                                 wide ? ", 64 bits)" : ", 32 bits)"));
}

absl::StatusOr<Architecture> ArchitectureOfTree(const std::filesystem::path& tree) {
  const UniqueFd root(open(tree.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!root) return ErrnoStatus(errno, "open folder", tree.string());
  open_how how{};
  // A fifo of that name must not hold us up.
  how.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  const UniqueFd shell(static_cast<int>(syscall(SYS_openat2, root.get(), "bin/sh", &how, sizeof how)));
  if (!shell)
    return absl::InvalidArgumentError("there is no /bin/sh in it: it is not a root filesystem with programs");
  std::array<char, sizeof(Elf64_Ehdr)> header{};
  const ssize_t got = read(shell.get(), header.data(), header.size());
  const auto found = ArchitectureOfElf({header.data(), got < 0 ? 0 : static_cast<size_t>(got)});
  if (!found.ok()) return Annotate(found.status(), "/bin/sh");
  return found;
}

}  // namespace rootwright
