#include "executors/qemu/machine_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <system_error>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/file.h"
#include "base/size_text.h"
#include "base/status.h"
#include "base/unique_fd.h"
#include "executors/libvirt/let_pass.h"
#include "executors/qemu/domain_xml.h"
#include "vmimages/overlay.h"

namespace rootwright {
namespace {

constexpr int64_t kMiB = 1 << 20;
constexpr size_t kTailBytes = 2048;
constexpr size_t kTailLines = 20;

absl::Status MakeSparse(const std::filesystem::path& path, int64_t bytes) {
  const UniqueFd fd(open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!fd) return ErrnoStatus(errno, "make disk", path.string());
  if (ftruncate(fd.get(), bytes) != 0) return ErrnoStatus(errno, "size disk", path.string());
  return absl::OkStatus();
}

absl::Status Copy(const std::filesystem::path& from, const std::filesystem::path& to) {
  std::error_code error;
  std::filesystem::copy_file(from, to, error);
  if (error) return ErrnoStatus(error.value(), "copy to " + to.string(), from.string());
  if (chmod(to.c_str(), 0644) != 0) return ErrnoStatus(errno, "set the mode of", to.string());
  return absl::OkStatus();
}

absl::StatusOr<int64_t> SizeOf(const std::filesystem::path& path) {
  struct stat info;
  if (stat(path.c_str(), &info) != 0) return ErrnoStatus(errno, "look at", path.string());
  return static_cast<int64_t>(info.st_size);
}

}  // namespace

absl::Status MachineFiles::Make(const EnvironmentSpec& spec, const MachineImage& image, Deadline deadline) {
  if (socket().string().size() > kMaxSocketPath) {
    return absl::FailedPreconditionError(absl::StrCat(
        "make the machine's files: ", socket().string(), ": ", socket().string().size(),
        " bytes, a socket's path has at most ", kMaxSocketPath, ": choose a shorter work folder"));
  }
  RW_ASSIGN_OR_RETURN(const int64_t kernel_bytes, SizeOf(image.kernel));
  RW_ASSIGN_OR_RETURN(const int64_t initrd_bytes, SizeOf(image.initrd));
  const int64_t needed = spec.disk_bytes + kernel_bytes + initrd_bytes;
  RW_ASSIGN_OR_RETURN(const int64_t free, FreeBytes(folder_));
  if (free < needed) {
    return absl::ResourceExhaustedError(absl::StrCat("make the machine's files: ", folder_.string(), ": ",
                                                     SizeText(needed), " needed, ", SizeText(free),
                                                     " free: free some, or let the build write less"));
  }
  RW_RETURN_IF_ERROR(LetPass(folder_, "QEMU's user"));
  RW_RETURN_IF_ERROR(Copy(image.kernel, kernel()));
  RW_RETURN_IF_ERROR(Copy(image.initrd, initrd()));
  RW_RETURN_IF_ERROR(MakeSparse(tree_disk(), spec.disk_bytes));
  for (int i = 0; i < Environment::kMostInputs; ++i)
    RW_RETURN_IF_ERROR(MakeSparse(input_disk(i), spec.disk_bytes));
  // An archive is a little larger than what is in it.
  RW_RETURN_IF_ERROR(MakeSparse(out_disk(), spec.disk_bytes + spec.disk_bytes / 8 + 64 * kMiB));
  RW_RETURN_IF_ERROR(
      CreateOverlay(image.root_disk, image.root_format, root_disk(), deadline, std::stop_token()));
  if (chmod(root_disk().c_str(), 0600) != 0)
    return ErrnoStatus(errno, "set the mode of", root_disk().string());
  return absl::OkStatus();
}

std::string MachineFiles::ConsoleTail() const {
  const UniqueFd fd(open(console().c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return "  (no console)";
  const off_t size = lseek(fd.get(), 0, SEEK_END);
  std::string text(kTailBytes, '\0');
  const ssize_t got =
      pread(fd.get(), text.data(), text.size(), std::max<off_t>(0, size - static_cast<off_t>(kTailBytes)));
  text.resize(got > 0 ? static_cast<size_t>(got) : 0);
  for (char& c : text) {
    if (c != '\n' && (c < 0x20 || c == 0x7f)) c = c == '\r' ? ' ' : '?';
  }
  std::vector<std::string> lines = absl::StrSplit(text, '\n', absl::SkipWhitespace());
  if (lines.empty()) return "  (the console is empty)";
  if (lines.size() > kTailLines) lines.erase(lines.begin(), lines.end() - kTailLines);
  return absl::StrCat("  ", absl::StrJoin(lines, "\n  "));
}

}  // namespace rootwright
