#include "executors/container/container_cgroup.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <set>
#include <system_error>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/file.h"
#include "base/sha256.h"
#include "base/status.h"
#include "base/unique_fd.h"
#include "executors/container/cgroup_layout.h"

namespace rootwright {
namespace {

// Groups of one level, so that nothing stays when the last of them goes.
std::string GroupPrefix(const std::string& agent) { return absl::StrCat("rootwright-", agent, "-"); }

// The kernel's files take one write each and cannot be replaced.
absl::Status WriteControl(const std::filesystem::path& path, const std::string& text) {
  const UniqueFd fd(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd) return ErrnoStatus(errno, "open", path.string());
  if (write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()))
    return ErrnoStatus(errno, absl::StrCat("write ", text, " to"), path.string());
  return absl::OkStatus();
}

// The number behind `key` in lines of "key number"; 0 when it is not there.
int64_t CountIn(const std::filesystem::path& path, absl::string_view key) {
  const absl::StatusOr<std::string> text = path.empty() ? std::string() : ReadFile(path);
  if (!text.ok()) return 0;
  for (absl::string_view line : absl::StrSplit(*text, '\n', absl::SkipEmpty())) {
    const std::vector<absl::string_view> words = absl::StrSplit(line, ' ');
    int64_t count = 0;
    if (words.size() == 2 && words[0] == key && absl::SimpleAtoi(words[1], &count)) return count;
  }
  return 0;
}

// A group of version 2 has a controller's files once every group above it hands the controller down.
absl::Status HandDown(const std::filesystem::path& top, const std::filesystem::path& group,
                      const std::string& controller) {
  std::filesystem::path at = top;
  for (const std::filesystem::path& part : group.lexically_relative(top)) {
    RW_RETURN_IF_ERROR(WriteControl(at / "cgroup.subtree_control", absl::StrCat("+", controller)));
    at /= part;
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ContainerCgroup> ContainerCgroup::Create(pid_t init, const std::string& agent,
                                                        const std::string& name, int processes) {
  RW_ASSIGN_OR_RETURN(const std::string mounts, ReadFile("/proc/self/mountinfo"));
  RW_ASSIGN_OR_RETURN(const std::string groups, ReadFile(absl::StrCat("/proc/", init, "/cgroup")));
  const CgroupLayout layout = CgroupLayout::Parse(mounts);
  ContainerCgroup made;
  const std::filesystem::path memory = CgroupOf(layout, groups, "memory");
  const bool legacy_memory = layout.legacy.contains("memory");
  made.memory_events_ = memory / (legacy_memory ? "memory.oom_control" : "memory.events");
  // Without swap accounting there are no such files: then there is no limit to set.
  if (legacy_memory) {
    const absl::StatusOr<std::string> limit = ReadFile(memory / "memory.limit_in_bytes");
    if (limit.ok()) WriteControl(memory / "memory.memsw.limit_in_bytes", *limit).IgnoreError();
  } else {
    WriteControl(memory / "memory.swap.max", "0").IgnoreError();
  }

  const auto legacy = layout.legacy.find("pids");
  std::filesystem::path group;
  if (legacy != layout.legacy.end()) {
    group = made.own_ = legacy->second / absl::StrCat(GroupPrefix(agent), name);
    RW_RETURN_IF_ERROR(MakeFolders(group));
  } else {
    group = CgroupOf(layout, groups, "pids");
    if (group.empty())
      return absl::FailedPreconditionError("limit processes: this host has no control groups for that");
    RW_RETURN_IF_ERROR(HandDown(layout.unified, group, "pids"));
  }
  made.process_events_ = group / "pids.events";
  RW_RETURN_IF_ERROR(WriteControl(group / "pids.max", absl::StrCat(processes)));
  if (!made.own_.empty()) RW_RETURN_IF_ERROR(WriteControl(group / "cgroup.procs", absl::StrCat(init)));
  return made;
}

int64_t ContainerCgroup::memory_kills() const { return CountIn(memory_events_, "oom_kill"); }
int64_t ContainerCgroup::refused_forks() const { return CountIn(process_events_, "max"); }

absl::Status ContainerCgroup::Remove() {
  if (own_.empty() || rmdir(own_.c_str()) == 0 || errno == ENOENT) {
    own_.clear();
    return absl::OkStatus();
  }
  return ErrnoStatus(errno, "remove control group", own_.string());
}

void ContainerCgroup::RemoveLeftovers(const std::string& agent) {
  const absl::StatusOr<std::string> mounts = ReadFile("/proc/self/mountinfo");
  if (!mounts.ok()) return;
  const CgroupLayout layout = CgroupLayout::Parse(*mounts);
  const auto legacy = layout.legacy.find("pids");
  if (legacy == layout.legacy.end()) return;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(legacy->second, error)) {
    if (absl::StartsWith(entry.path().filename().string(), GroupPrefix(agent))) rmdir(entry.path().c_str());
  }
}

void ContainerCgroup::RemoveOfLibvirt(const std::string& name) {
  const absl::StatusOr<std::string> mounts = ReadFile("/proc/self/mountinfo");
  if (!mounts.ok()) return;
  const CgroupLayout layout = CgroupLayout::Parse(*mounts);
  std::set<std::filesystem::path> hierarchies = {layout.unified};
  for (const auto& [controller, at] : layout.legacy) hierarchies.insert(at);
  // "lxc-<process>-<name>.libvirt-lxc"
  const std::string end = absl::StrCat("-", name, ".libvirt-lxc");
  for (const std::filesystem::path& at : hierarchies) {
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(at / "machine", error)) {
      const std::string group = entry.path().filename().string();
      if (absl::StartsWith(group, "lxc-") && absl::EndsWith(group, end)) rmdir(entry.path().c_str());
    }
  }
}

std::string CgroupAgentName(const std::filesystem::path& work_folder) {
  return Sha256::Of(work_folder.string()).substr(0, 12);
}

}  // namespace rootwright
