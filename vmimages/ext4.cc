#include "vmimages/ext4.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/subprocess.h"
#include "base/unique_fd.h"

namespace rootwright {
namespace {

// Of the file system and its directory hashes; they mean nothing on a disk of ours, and
// random ones would make equal content different.
constexpr char kUuid[] = "7c9e2f64-5a0d-4f0e-9d3b-6f1a5e0c2b71";

// mke2fs can only make holes inside a file.
absl::Status HaveSize(const std::filesystem::path& image, int64_t size_bytes) {
  const UniqueFd fd(open(image.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  if (!fd) return ErrnoStatus(errno, "open", image.string());
  struct stat info;
  if (fstat(fd.get(), &info) != 0) return ErrnoStatus(errno, "look at", image.string());
  if (info.st_size < size_bytes && ftruncate(fd.get(), size_bytes) != 0) {
    return ErrnoStatus(errno, "set the size of", image.string());
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status MakeExt4(const std::filesystem::path& folder, const std::filesystem::path& image,
                      int64_t size_bytes, absl::string_view label, Deadline deadline, std::stop_token stop) {
  RW_RETURN_IF_ERROR(HaveSize(image, size_bytes));
  // Discarding (on by default) makes holes, and thereby known zeros: the inode tables count
  // as written, and the guest's kernel has nothing left to initialise in the background.
  // Metadata checksums cost an emulated CPU time, and guard against nothing here.
  SubprocessSpec spec{.argv = {"mke2fs",
                               "-q",
                               "-F",
                               "-t",
                               "ext4",
                               "-b",
                               "4096",
                               "-m",
                               "0",
                               "-O",
                               "^has_journal,^metadata_csum,uninit_bg",
                               "-U",
                               kUuid,
                               "-E",
                               absl::StrCat("hash_seed=", kUuid),
                               "-L",
                               std::string(label),
                               "-d",
                               folder.string(),
                               image.string(),
                               absl::StrCat(size_bytes / 1024, "k")}};
  spec.environment = {{"PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
                      {"LC_ALL", "C.UTF-8"},
                      // Time stamps of the file system itself, for both programs; those of files come
                      // from the files.
                      {"E2FSPROGS_FAKE_TIME", "1"}};
  RW_ASSIGN_OR_RETURN(const SubprocessResult result, RunSubprocess(spec, deadline, stop));
  if (result.ok()) {
    // What e2fsck would need; the folder does not have it.
    const SubprocessSpec tidy{.argv = {"debugfs", "-w", "-R", "rmdir /lost+found", image.string()},
                              .environment = spec.environment};
    return Annotate(CheckSubprocess(tidy, deadline, std::move(stop)).status(), "make ext4");
  }
  const std::string what = absl::StrCat("make ext4: ", image.string(), ": ");
  const std::string said(absl::StripAsciiWhitespace(result.error_output));
  if (absl::StrContains(said, "Could not allocate") || absl::StrContains(said, "No free space") ||
      absl::StrContains(said, "No space left")) {
    return absl::ResourceExhaustedError(absl::StrCat(what, folder.string(), " does not fit into ", size_bytes,
                                                     " bytes, or the host's disk is full: ", said));
  }
  return absl::InternalError(absl::StrCat(what, said.empty() ? "mke2fs failed" : said));
}

}  // namespace rootwright
