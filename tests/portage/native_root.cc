#include "tests/portage/native_root.h"

#include "base/status.h"

namespace rootwright {
namespace {

// $1 the root, $2 our folder, $3 how many pairs of folders follow (inside, outside), then the command.
constexpr char kEnter[] = R"(set -e
lower=$1 folder=$2 pairs=$3
shift 3
root=$folder/root
mount -t overlay -o "lowerdir=$lower,upperdir=$folder/upper,workdir=$folder/work" overlay "$root"
while [ "$pairs" -gt 0 ]; do
  mkdir -p "$root$1"
  mount --bind "$2" "$root$1"
  mount -o remount,bind,ro "$root$1"
  shift 2
  pairs=$((pairs - 1))
done
mount -t proc proc "$root/proc"
mount -t tmpfs -o mode=755 dev "$root/dev"
for device in null zero full random urandom tty; do
  : >"$root/dev/$device"
  mount --bind "/dev/$device" "$root/dev/$device"
done
ln -s /proc/self/fd "$root/dev/fd"
for number in 0:stdin 1:stdout 2:stderr; do ln -s "/proc/self/fd/${number%:*}" "$root/dev/${number#*:}"; done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
mount -t tmpfs -o mode=755 run "$root/run"
exec chroot "$root" "$@"
)";

}  // namespace

absl::StatusOr<NativeRoot> NativeRoot::Create(const std::filesystem::path& root,
                                              const std::filesystem::path& parent) {
  RW_ASSIGN_OR_RETURN(ScopedFolder folder, ScopedFolder::Create(parent, "native-root-"));
  for (const char* name : {"root", "upper", "work"}) RW_RETURN_IF_ERROR(MakeFolders(folder.path() / name));
  return NativeRoot(root, std::move(folder));
}

absl::StatusOr<SubprocessResult> NativeRoot::Run(const Command& command) const {
  SubprocessSpec spec;
  spec.argv = {"unshare",
               "--mount",
               "--pid",
               "--net",
               "--ipc",
               "--uts",
               "--fork",
               "--kill-child",
               "--propagation",
               "private",
               "/bin/sh",
               "-c",
               kEnter,
               "enter",
               root_.string(),
               folder_.path().string(),
               std::to_string(command.folders.size())};
  for (const auto& [inside, outside] : command.folders)
    spec.argv.insert(spec.argv.end(), {inside, outside.string()});
  spec.argv.insert(spec.argv.end(), command.argv.begin(), command.argv.end());
  spec.environment = command.variables;
  spec.environment->try_emplace("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
  spec.input = command.input;
  spec.on_stdout = command.on_stdout;
  return RunSubprocess(spec, Deadline::In(absl::Minutes(15)), {});
}

absl::StatusOr<std::string> NativeRoot::Read(const std::string& path) const {
  return ReadFile(Written() / path.substr(1));
}

}  // namespace rootwright
