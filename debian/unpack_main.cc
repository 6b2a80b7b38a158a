// rootwright-unpack: unpacks Debian packages into a new root from within it. It opens the
// packages, shuts itself into the tree, and only then reads a byte of them.
// unpack_protocol.h has its arguments.

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "archive/deb.h"
#include "archive/tree_jail.h"
#include "base/status.h"
#include "base/unique_fd.h"
#include "debian/dpkg_database.h"
#include "debian/package_unpacker.h"
#include "debian/unpack_protocol.h"

namespace rootwright {
namespace {

struct Arguments {
  std::filesystem::path tree;
  Architecture architecture = Architecture::kAmd64;
  int jobs = 1;
  bool database = true;
};

bool Parse(int argc, char** argv, Arguments& arguments) {
  if (argc < 4 || argc > 5) return false;
  arguments.tree = argv[1];
  const auto architecture = ArchitectureFromDebianName(argv[2]);
  if (!architecture || !absl::SimpleAtoi(argv[3], &arguments.jobs)) return false;
  if (arguments.jobs < 1 || arguments.jobs > 64) return false;
  arguments.architecture = *architecture;
  arguments.database = argc == 4;
  return argc == 4 || std::string(argv[4]) == "--no-database";
}

absl::StatusOr<std::vector<std::pair<UniqueFd, std::string>>> OpenPackages() {
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  const std::string input((std::istreambuf_iterator<char>(std::cin)), std::istreambuf_iterator<char>());
  std::vector<std::pair<UniqueFd, std::string>> opened;
  for (const std::string& path : std::vector<std::string>(absl::StrSplit(input, '\0', absl::SkipEmpty()))) {
    UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) return ErrnoStatus(errno, "open the package", path);
    opened.emplace_back(std::move(fd), std::filesystem::path(path).filename().string());
  }
  return opened;
}

absl::Status Run(const Arguments& arguments) {
  const auto packages_opened = OpenPackages();
  // Not the package's fault.
  if (!packages_opened.ok()) return absl::InternalError(packages_opened.status().message());
  const auto& opened = *packages_opened;
  RW_RETURN_IF_ERROR(EnterTreeJail(arguments.tree));
  UnpackJob job;
  job.architecture = arguments.architecture;
  job.threads = arguments.jobs;
  job.on_done = [](size_t package) {
    const std::string line = absl::StrCat("done ", package, "\n");
    [[maybe_unused]] const ssize_t told = write(STDOUT_FILENO, line.data(), line.size());
  };
  for (const auto& [fd, name] : opened) {
    RW_ASSIGN_OR_RETURN(DebFile deb, DebFile::Open(fd.get(), name));
    job.packages.push_back(std::move(deb));
  }
  RW_ASSIGN_OR_RETURN(const std::vector<UnpackedPackage> packages, UnpackInto("/", job));
  if (!arguments.database) return absl::OkStatus();
  return WriteDpkgDatabase("/", arguments.architecture, packages);
}

int ExitCodeOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return kUnpacked;
    case absl::StatusCode::kDataLoss:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kNotFound:
      return kUnpackDamaged;
    case absl::StatusCode::kResourceExhausted:
      return kUnpackExhausted;
    default:
      return kUnpackFailed;
  }
}

}  // namespace
}  // namespace rootwright

int main(int argc, char** argv) {
  rootwright::Arguments arguments;
  if (!rootwright::Parse(argc, argv, arguments)) {
    std::fputs("usage: rootwright-unpack TREE ARCHITECTURE JOBS [--no-database] < PATHS\n", stderr);
    return rootwright::kUnpackBadArguments;
  }
  const absl::Status status = rootwright::Run(arguments);
  if (!status.ok()) std::fprintf(stderr, "%s\n", std::string(status.message()).c_str());
  // Nothing is left to end in order, and what runs at exit (a leak checker) would look for
  // /proc, which is not in the tree.
  std::fflush(nullptr);
  _exit(rootwright::ExitCodeOf(status));
}
