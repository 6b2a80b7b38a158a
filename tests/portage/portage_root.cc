// Builds a specification for this host's own architecture, without machine or container, and leaves the tree:
//
//   portage-root SPECIFICATION ARCHIVE
//
// SPECIFICATION is a git repository, ARCHIVE the .tar.zst to be made. The routine is the product's; its
// commands run in the tests' own environment. For tests that need a Portage root before anything else works.
// Needs root.
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <memory>
#include <string>
#include <system_error>

#include "base/file.h"
#include "base/status.h"
#include "executors/rootfs/routine/rootfs_routine.h"
#include "tests/executors/fake_environment.h"
#include "tests/executors/routine_run.h"

namespace rootwright {
namespace {

namespace fs = std::filesystem;

std::string Variable(const char* name, const std::string& otherwise) {
  const char* value = getenv(name);
  return value == nullptr ? otherwise : value;
}

absl::Status Build(const fs::path& specification, const fs::path& archive) {
  RW_ASSIGN_OR_RETURN(const ScopedFolder folder,
                      ScopedFolder::Create(Variable("TMPDIR", "/var/tmp"), "portage-root-"));
  RootfsRequest request;
  request.environment.build_id = "0000cccc";
  request.environment.architecture = Architecture::kAmd64;
  request.environment.work_folder = folder.path() / "build";
  request.environment.disk_bytes = int64_t{8} << 30;
  request.boot_limit = absl::Seconds(60);
  request.source.url = fs::absolute(specification).string();
  request.outputs = {PackFormat::kTarZst};
  RW_RETURN_IF_ERROR(MakeFolders(request.environment.work_folder));
  RootfsHost host;
  host.package_cache = Variable("ROOTWRIGHT_CACHE", "/var/cache/rootwright") + "/packages";
  host.apt_mirror = "http://deb.debian.org/debian";
  host.apt_keyring = "/usr/share/keyrings/debian-archive-keyring.gpg";
  host.programs = Variable("ROOTWRIGHT_BIN", "bin");
  FakeExecutor executor;
  RW_ASSIGN_OR_RETURN(const std::unique_ptr<Routine> routine, MakeRootfsRoutine(request, host, executor));
  RoutineRun run;
  RunRoutine(*routine, run);
  if (!run.ok()) return absl::InternalError(run.Describe());
  std::error_code error;
  for (const ArtifactFile& artifact : routine->artifacts()) {
    if (artifact.name != "rootfs.tar.zst") continue;
    fs::copy_file(artifact.path, archive, fs::copy_options::overwrite_existing, error);
    return error ? absl::InternalError(archive.string() + ": " + error.message()) : absl::OkStatus();
  }
  return absl::InternalError("the build made no rootfs.tar.zst");
}

}  // namespace
}  // namespace rootwright

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: portage-root SPECIFICATION ARCHIVE\n";
    return 2;
  }
  const absl::Status built = rootwright::Build(argv[1], argv[2]);
  if (built.ok()) return 0;
  std::cerr << "portage-root: " << built.ToString() << "\n";
  return 1;
}
