// rootwright-apply: lays what a machine changed, a tar archive on descriptor 3, over a tree. It shuts itself
// into the tree before it reads a byte of the archive. jailed_changes.h has its arguments and its answer.

#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <string>

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

absl::StatusOr<OverlayChanges> Run(const char* tree, const OverlayLimits& limits) {
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // their shadow alone is larger
  const rlimit memory = {kMemory, kMemory};
  if (setrlimit(RLIMIT_AS, &memory) != 0)
    return ErrnoStatus(errno, "limit the memory of", "rootwright-apply");
#endif
  RW_RETURN_IF_ERROR(EnterTreeJail(tree));
  return ApplyOverlayChanges(kArchive, "changes.tar", "/", limits, Deadline::Never(), std::stop_token());
}

}  // namespace
}  // namespace rootwright

int main(int argc, char** argv) {
  using namespace rootwright;
  OverlayLimits limits;
  if (argc != 5 || !absl::SimpleAtoi(argv[2], &limits.entries) ||
      !absl::SimpleAtoi(argv[3], &limits.name_bytes) || !absl::SimpleAtoi(argv[4], &limits.content_bytes)) {
    std::fputs("usage: rootwright-apply TREE ENTRIES NAME_BYTES CONTENT_BYTES 3< ARCHIVE\n", stderr);
    return kBadArguments;
  }
  const absl::StatusOr<OverlayChanges> changes = Run(argv[1], limits);
  if (changes.ok()) {
    std::printf("%lld %lld %lld\n", static_cast<long long>(changes->written),
                static_cast<long long>(changes->removed), static_cast<long long>(changes->content_bytes));
  } else {
    std::fprintf(stderr, "%s\n", std::string(changes.status().message()).c_str());
  }
  // Nothing is left to end in order, and what runs at exit (a leak checker) would look for /proc.
  std::fflush(nullptr);
  _exit(changes.ok() ? 0 : kFirstErrorExit + static_cast<int>(changes.status().code()));
}
