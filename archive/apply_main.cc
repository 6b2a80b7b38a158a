// rootwright-apply: lays what a machine changed, a tar archive on descriptor 3, over a tree; with --unpack,
// makes a tree of a whole root filesystem's archive. It shuts itself into the tree before it reads a byte of
// the archive. jailed_changes.h has its arguments and its answer.

#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "archive/jailed_changes.h"
#include "archive/tree_jail.h"
#include "base/status.h"

namespace rootwright {
namespace {

constexpr int kArchive = 3;
constexpr int kBadArguments = 2;
// Enough for every archive of a real build; one that is made to need more ends with this process.
constexpr rlim_t kMemory = rlim_t{1} << 30;

void TellProgress(int64_t bytes) {
  std::printf("%lld\n", static_cast<long long>(bytes));
  std::fflush(stdout);
}

absl::StatusOr<std::array<int64_t, 3>> Run(bool unpack, const char* tree, const OverlayLimits& limits) {
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // their shadow alone is larger
  const rlimit memory = {kMemory, kMemory};
  if (setrlimit(RLIMIT_AS, &memory) != 0)
    return ErrnoStatus(errno, "limit the memory of", "rootwright-apply");
#endif
  RW_RETURN_IF_ERROR(EnterTreeJail(tree));
  if (unpack) {
    RW_ASSIGN_OR_RETURN(
        const UnpackedTree made,
        UnpackTree(kArchive, "the archive", "/", limits, TellProgress, Deadline::Never(), std::stop_token()));
    return std::array{made.entries, made.devices_left_out, made.content_bytes};
  }
  RW_ASSIGN_OR_RETURN(
      const OverlayChanges changes,
      ApplyOverlayChanges(kArchive, "changes.tar", "/", limits, Deadline::Never(), std::stop_token()));
  return std::array{changes.written, changes.removed, changes.content_bytes};
}

}  // namespace
}  // namespace rootwright

int main(int argc, char** argv) {
  using namespace rootwright;
  OverlayLimits limits;
  std::vector<std::string> words(argv + 1, argv + argc);
  const bool unpack = !words.empty() && words.front() == "--unpack";
  if (unpack) words.erase(words.begin());
  if (words.size() != 4 || !absl::SimpleAtoi(words[1], &limits.entries) ||
      !absl::SimpleAtoi(words[2], &limits.name_bytes) || !absl::SimpleAtoi(words[3], &limits.content_bytes)) {
    std::fputs("usage: rootwright-apply [--unpack] TREE ENTRIES NAME_BYTES CONTENT_BYTES 3< ARCHIVE\n",
               stderr);
    return kBadArguments;
  }
  const auto figures = Run(unpack, words[0].c_str(), limits);
  if (figures.ok()) {
    const auto [first, second, third] = *figures;
    std::printf("%lld %lld %lld\n", static_cast<long long>(first), static_cast<long long>(second),
                static_cast<long long>(third));
  } else {
    std::fprintf(stderr, "%s\n", std::string(figures.status().message()).c_str());
  }
  // Nothing is left to end in order, and what runs at exit (a leak checker) would look for /proc.
  std::fflush(nullptr);
  _exit(figures.ok() ? 0 : kFirstErrorExit + static_cast<int>(figures.status().code()));
}
