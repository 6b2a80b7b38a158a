#include "executors/qemu/change_archive.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/size_text.h"
#include "base/status.h"
#include "base/unique_fd.h"

namespace rootwright {
namespace {

constexpr int64_t kBlock = 512;
// Between two looks at deadline and stop.
constexpr int64_t kCopyAtOnce = int64_t{64} << 20;
constexpr size_t kMaxSaid = 64 << 10;

// $1 is the folder, $2 the disk's serial. tar says how much it wrote only with --totals, on
// standard error; records of 256 KiB suit the disk.
constexpr char kScript[] = R"(
device=
for block in /sys/block/*; do
  read -r serial < "$block/serial" || [ -n "$serial" ] || continue
  [ "$serial" = "$2" ] && device=/dev/${block##*/}
  serial=
done 2>/dev/null
[ -n "$device" ] || { echo "no disk with serial $2" >&2; exit 1; }
tar --create --file="$device" --directory="$1" --blocking-factor=512 --totals --numeric-owner --format=posix \
  --xattrs --xattrs-include='trusted.overlay.opaque' --xattrs-include='security.capability' \
  --xattrs-include='user.*' --warning=no-file-changed . || [ $? = 1 ] || exit 1
sync "$device"
)";

// "Total bytes written: 262144 (256KiB, 9.8MiB/s)"
absl::StatusOr<int64_t> ParseTotal(absl::string_view said) {
  constexpr absl::string_view kTotal = "Total bytes written: ";
  const size_t at = said.rfind(kTotal);
  int64_t size = 0;
  if (at != absl::string_view::npos) {
    absl::string_view number = said.substr(at + kTotal.size());
    number = number.substr(0, number.find_first_not_of("0123456789"));
    if (absl::SimpleAtoi(number, &size)) return size;
  }
  return absl::DataLossError(absl::StrCat("tar did not say how much it wrote: ", said));
}

absl::Status CopyBytes(int from, int to, int64_t size, const std::filesystem::path& archive,
                       Deadline deadline, const std::stop_token& stop) {
  loff_t offset = 0;
  while (offset < size) {
    if (stop.stop_requested()) return absl::CancelledError("copy the archive: stopped");
    if (deadline.Passed()) return absl::DeadlineExceededError("copy the archive: not done in time");
    const int64_t piece = std::min(size - offset, kCopyAtOnce);
    const ssize_t copied = copy_file_range(from, &offset, to, nullptr, static_cast<size_t>(piece), 0);
    if (copied < 0) return ErrnoStatus(errno, "copy the archive to", archive.string());
    if (copied == 0)
      return absl::DataLossError(absl::StrCat("copy the archive to: ", archive.string(), ": too short"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<int64_t> WriteChangeArchive(GuestChannel& channel, const std::string& upper,
                                           absl::string_view disk, Deadline deadline, std::stop_token stop) {
  EnvironmentCommand command;
  command.argv = {"/bin/sh", "-c", kScript, "sh", upper, std::string(disk)};
  command.variables = {{"PATH", "/usr/sbin:/usr/bin:/sbin:/bin"}, {"LC_ALL", "C"}};
  std::string said;
  const auto sink = [&said](OutputStream, absl::string_view data) {
    said.append(data.data(), data.size());
    if (said.size() > kMaxSaid) said.erase(0, said.size() - kMaxSaid / 2);
  };
  RW_ASSIGN_OR_RETURN(const CommandResult result, channel.Run(command, sink, deadline, stop));
  if (!result.ok()) {
    return absl::InternalError(absl::StrCat("tar in the machine failed: ", absl::StripAsciiWhitespace(said)));
  }
  RW_RETURN_IF_ERROR(channel.Sync(deadline, stop));
  return ParseTotal(said);
}

absl::Status CopyChangeArchive(const std::filesystem::path& disk_file, int64_t size,
                               const std::filesystem::path& archive, Deadline deadline,
                               std::stop_token stop) {
  const auto refuse = [&](absl::string_view why) {
    return absl::DataLossError(
        absl::StrCat("copy the archive from: ", disk_file.string(), ": ", size, " bytes: ", why));
  };
  const UniqueFd disk(open(disk_file.c_str(), O_RDONLY | O_CLOEXEC));
  if (!disk) return ErrnoStatus(errno, "open", disk_file.string());
  struct stat info;
  if (fstat(disk.get(), &info) != 0) return ErrnoStatus(errno, "look at", disk_file.string());
  if (size < 2 * kBlock || size % kBlock != 0) return refuse("no archive has that size");
  if (size > info.st_size) return refuse("more than the disk holds");
  char tail[2 * kBlock];
  if (pread(disk.get(), tail, sizeof tail, size - 2 * kBlock) != static_cast<ssize_t>(sizeof tail)) {
    return ErrnoStatus(errno, "read", disk_file.string());
  }
  if (std::any_of(tail, tail + sizeof tail, [](char c) { return c != 0; }))
    return refuse("it does not end there");
  RW_ASSIGN_OR_RETURN(const int64_t free, FreeBytes(archive.parent_path()));
  if (size > free) {
    return absl::ResourceExhaustedError(absl::StrCat("copy the archive to: ", archive.string(), ": ",
                                                     SizeText(size), " needed, ", SizeText(free), " free"));
  }
  const UniqueFd to(open(archive.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!to) return ErrnoStatus(errno, "create", archive.string());
  const absl::Status copied = CopyBytes(disk.get(), to.get(), size, archive, deadline, stop);
  if (!copied.ok()) unlink(archive.c_str());
  return copied;
}

}  // namespace rootwright
