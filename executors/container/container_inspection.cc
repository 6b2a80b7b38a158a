#include "executors/container/container_inspection.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

#include <cerrno>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/file.h"
#include "base/find_program.h"
#include "base/random.h"
#include "base/status.h"
#include "base/unique_fd.h"
#include "executors/container/cgroup_layout.h"
#include "executors/container/container_executor.h"
#include "executors/libvirt/let_pass.h"

namespace rootwright {
namespace {

constexpr absl::Duration kProbeLimit = absl::Seconds(10);
constexpr char kName[] = "containers";

// What a failed probe is known to come from. No remedy: libvirtd does not see the agent's mounts.
struct KnownCause {
  const char* words;
  const char* remedy;
};
constexpr KnownCause kKnown[] = {
    {"/sys/fs/cgroup/unified",
     "libvirt cannot use version 2 beside version 1 here: start libvirtd where /sys/fs/cgroup/unified is not "
     "mounted, as ci/private-libvirtd does"},
    {"init path", nullptr},
    {".oldroot", nullptr},
    {"idmapped mounts", "put state_folder and image_folder on ext4, xfs or btrfs, with Linux 5.12 or later"},
    {"no connection driver", "apt-get install libvirt-daemon-driver-lxc"},
};

// A file without a name in the folder, made if need be.
absl::StatusOr<UniqueFd> UnnamedFile(const std::filesystem::path& folder) {
  RW_RETURN_IF_ERROR(MakeFolders(folder));
  UniqueFd file(open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (!file) return ErrnoStatus(errno, "make a file in", folder.string());
  return file;
}

// Whether a file of one folder can share its blocks with one of the other.
absl::StatusOr<bool> SharesBlocks(const std::filesystem::path& from, const std::filesystem::path& to) {
  RW_ASSIGN_OR_RETURN(const UniqueFd source, UnnamedFile(from));
  RW_ASSIGN_OR_RETURN(const UniqueFd copy, UnnamedFile(to));
  RW_RETURN_IF_ERROR(WriteAll(source.get(), std::string(1 << 16, 'x'), from));
  return ioctl(copy.get(), FICLONE, source.get()) == 0;
}

}  // namespace

HostCheck CheckContainerTools() {
  std::vector<std::string> missing;
  for (const char* tool : {"prlimit", "tar"}) {
    if (FindProgram(tool).empty()) missing.push_back(tool);
  }
  if (missing.empty()) return {"container tools", HostCheck::Result::kOk, "prlimit, tar", ""};
  return {"container tools", HostCheck::Result::kFailed,
          absl::StrCat(absl::StrJoin(missing, ", "), ": missing"), "apt-get install util-linux tar"};
}

HostCheck DescribeCgroups() {
  const absl::StatusOr<std::string> mounts = ReadFile("/proc/self/mountinfo");
  if (!mounts.ok())
    return {"control groups", HostCheck::Result::kFailed, std::string(mounts.status().message()), ""};
  const CgroupLayout layout = CgroupLayout::Parse(*mounts);
  HostCheck check{"control groups", HostCheck::Result::kOk, layout.Describe(), ""};
  std::vector<std::string> missing;
  const std::string offered =
      layout.unified.empty() ? "" : ReadFile(layout.unified / "cgroup.controllers").value_or("");
  for (const char* controller : {"cpu", "memory", "pids"}) {
    const bool there = layout.legacy.contains(controller) || absl::StrContains(offered, controller);
    if (!there) missing.push_back(controller);
  }
  if (missing.empty()) return check;
  check.result = HostCheck::Result::kFailed;
  absl::StrAppend(&check.finding, "; missing: ", absl::StrJoin(missing, ", "));
  check.remedy = "mount control groups version 2, or boot with cgroup_enable=memory";
  return check;
}

HostCheck DescribeCopyOnWrite(const ContainerSettings& settings) {
  constexpr char kCheck[] = "copy on write";
  const absl::StatusOr<bool> shares = SharesBlocks(settings.image_folder, settings.work_folder);
  if (!shares.ok())
    return {kCheck, HostCheck::Result::kFailed, std::string(shares.status().message()), "make it writable"};
  return {kCheck, HostCheck::Result::kOk,
          absl::StrCat("overlayfs; a file that a build changes ",
                       *shares ? "shares its blocks with the image" : "is copied whole"),
          ""};
}

absl::Status ProbeContainer(ContainerExecutor& executor, const std::filesystem::path& work_folder,
                            std::stop_token stop) {
  RW_RETURN_IF_ERROR(MakeFolders(work_folder));
  RW_ASSIGN_OR_RETURN(const ScopedFolder folder, ScopedFolder::Create(work_folder, "probe-"));
  RW_RETURN_IF_ERROR(LetPass(folder.path(), "a container's user"));
  for (const char* name : {"dev", "proc", "run", "sys"})
    RW_RETURN_IF_ERROR(MakeFolders(folder.path() / "root" / name));
  EnvironmentSpec spec;
  spec.build_id = absl::StrCat("probe-", RandomHex(8));
  spec.architecture = HostArchitecture();
  spec.memory_bytes = 64 << 20;
  spec.disk_bytes = 1 << 20;
  spec.processes = 16;
  spec.work_folder = folder.path();
  RW_ASSIGN_OR_RETURN(const std::unique_ptr<Environment> probe,
                      executor.CreateEnvironmentOn(folder.path() / "root", spec));
  absl::Status status = probe->Reach(Deadline::In(kProbeLimit), std::move(stop));
  // Also what cannot be ended makes the host unfit.
  status.Update(probe->End(kProbeLimit));
  return status;
}

HostCheck DescribeProbe(const absl::Status& probed, const ContainerSettings& settings) {
  if (probed.ok()) return {kName, HostCheck::Result::kOk, "a test container started", ""};
  HostCheck check{kName, HostCheck::Result::kFailed, std::string(probed.message()), "see libvirt's log"};
  for (const KnownCause& cause : kKnown) {
    if (!absl::StrContains(probed.message(), cause.words)) continue;
    check.remedy = cause.remedy != nullptr
                       ? cause.remedy
                       : absl::StrCat(
                             "libvirtd does not see what the agent mounts: start it in the agent's mount "
                             "namespace, or with ci/private-libvirtd --share ",
                             settings.work_folder.parent_path().string(), " DIR");
    break;
  }
  return check;
}

}  // namespace rootwright
