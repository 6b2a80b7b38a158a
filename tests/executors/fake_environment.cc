#include "tests/executors/fake_environment.h"

#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/subprocess.h"

namespace rootwright {
namespace {

namespace fs = std::filesystem;

// $1 the environment's folder, $2 the imported tree or "", $3 the command's root, $4 its
// working folder, $5 the inputs (lines: where, what), then the command. The namespace is gone when the
// command is.
constexpr char kEnter[] = R"(set -e
folder=$1 lower=$2 inside=$3 work=$4 inputs=$5
shift 5
root=$folder/root
for name in usr etc; do
  mount --bind "/$name" "$root/$name"
  mount -o remount,bind,ro "$root/$name"
done
mount --rbind /proc "$root/proc"
mount --bind /dev "$root/dev"
if [ -n "$lower" ]; then
  mount -t overlay -o "lowerdir=$lower,upperdir=$folder/upper,workdir=$folder/work,redirect_dir=off,metacopy=off,index=off" \
    overlay "$root/tree"
  [ ! -d "$root/tree/proc" ] || mount --rbind /proc "$root/tree/proc"
fi
while read -r at && read -r shared; do
  mkdir -p "$root$at"
  mount --bind "$shared" "$root$at"
  mount -o remount,bind,ro "$root$at"
done <<END
$inputs
END
exec unshare --root="$root$inside" --wd="$work" -- "$@"
)";

}  // namespace

FakeEnvironment::FakeEnvironment(const fs::path& parent) {
  absl::StatusOr<ScopedFolder> folder = ScopedFolder::Create(parent, "environment-");
  if (folder.ok()) folder_.emplace(*std::move(folder));
}

FakeEnvironment::~FakeEnvironment() { End(absl::ZeroDuration()).IgnoreError(); }

absl::Status FakeEnvironment::CheckUsable() const {
  if (killed_.stop_requested()) return absl::UnavailableError("fake environment: killed");
  if (!folder_.has_value()) return absl::UnavailableError("fake environment: ended");
  if (!reached_) return absl::FailedPreconditionError("fake environment: not reached");
  return absl::OkStatus();
}

absl::Status FakeEnvironment::Reach(Deadline deadline, std::stop_token stop) {
  if (stop.stop_requested()) return absl::CancelledError("reach fake environment: stopped");
  if (deadline.Passed()) return absl::DeadlineExceededError("reach fake environment: too late");
  if (!folder_.has_value()) return absl::InternalError("reach fake environment: it has no folder");
  for (const char* name : {"root/usr", "root/etc", "root/proc", "root/dev", "root/tmp", "root/root",
                           "root/tree", "root/var/tmp", "upper", "work"}) {
    RW_RETURN_IF_ERROR(MakeFolders(folder_->path() / name));
  }
  for (const char* name : {"bin", "sbin", "lib", "lib64"}) {
    std::error_code error;
    fs::create_directory_symlink(absl::StrCat("usr/", name), folder_->path() / "root" / name, error);
    if (error) return ErrnoStatus(error.value(), "make link", name);
  }
  reached_ = true;
  return absl::OkStatus();
}

absl::StatusOr<CommandResult> FakeEnvironment::RunHere(const EnvironmentCommand& command,
                                                       const OutputSink& sink, Deadline deadline,
                                                       std::stop_token stop) {
  RW_RETURN_IF_ERROR(CheckUsable());
  SubprocessSpec spec;
  spec.argv = {"/usr/bin/unshare",
               "--mount",
               "--",
               "/bin/sh",
               "-c",
               kEnter,
               "enter",
               folder_->path().string(),
               lower_.string(),
               command.root,
               command.working_directory,
               inputs_};
  spec.argv.insert(spec.argv.end(), command.argv.begin(), command.argv.end());
  spec.environment = command.variables;
  spec.environment->try_emplace("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
  spec.input = command.input;
  spec.on_stdout = [&](absl::string_view data) { sink(OutputStream::kStdout, data); };
  spec.on_stderr = [&](absl::string_view data) { sink(OutputStream::kStderr, data); };
  std::stop_source either;
  const std::stop_callback on_stop(stop, [&either] { either.request_stop(); });
  const std::stop_callback on_kill(killed_.get_token(), [&either] { either.request_stop(); });
  const absl::StatusOr<SubprocessResult> ran = RunSubprocess(spec, deadline, either.get_token());
  if (killed_.stop_requested()) return absl::UnavailableError("fake environment: killed");
  RW_RETURN_IF_ERROR(ran.status());
  cpu_ += ran->cpu;
  CommandResult result;
  result.exit_code = ran->exit_code;
  result.signal = ran->signal;
  result.wall = ran->wall;
  result.cpu = ran->cpu;
  result.peak_memory_bytes = ran->peak_memory_bytes;
  return result;
}

absl::StatusOr<CommandResult> FakeEnvironment::Run(const EnvironmentCommand& command, const OutputSink& sink,
                                                   Deadline deadline, std::stop_token stop) {
  if (command.input.size() > (1 << 20))
    return absl::InvalidArgumentError("run: the input is larger than 1 MiB");
  return RunHere(command, sink, deadline, std::move(stop));
}

absl::Status FakeEnvironment::PutFile(absl::string_view path, int mode, absl::string_view content,
                                      Deadline deadline, std::stop_token stop) {
  if (content.size() > (64 << 20)) return absl::InvalidArgumentError("put file: larger than 64 MiB");
  EnvironmentCommand command;
  const std::string target(path);
  const std::string octal = absl::StrCat((mode >> 6) & 7, (mode >> 3) & 7, mode & 7);
  command.argv = {"/bin/sh", "-ec",  "mkdir -p \"$(dirname \"$1\")\"; cat > \"$1\"; chmod \"$2\" \"$1\"",
                  "put",     target, octal};
  command.input = std::string(content);
  std::string errors;
  const OutputSink sink = [&](OutputStream, absl::string_view data) {
    errors.append(data.data(), data.size());
  };
  RW_ASSIGN_OR_RETURN(const CommandResult result, RunHere(command, sink, deadline, std::move(stop)));
  if (result.ok()) return absl::OkStatus();
  return absl::InternalError(absl::StrCat("put file: ", target, ": ", errors));
}

absl::Status FakeEnvironment::GetFile(absl::string_view path, int64_t max_bytes, const FileSink& sink,
                                      Deadline deadline, std::stop_token stop) {
  EnvironmentCommand command;
  command.argv = {"/bin/cat", "--", std::string(path)};
  std::string content;
  std::string errors;
  const OutputSink keep = [&](OutputStream stream, absl::string_view data) {
    std::string& into = stream == OutputStream::kStdout ? content : errors;
    if (static_cast<int64_t>(into.size()) <= max_bytes) into.append(data.data(), data.size());
  };
  RW_ASSIGN_OR_RETURN(const CommandResult result, RunHere(command, keep, deadline, std::move(stop)));
  if (!result.ok()) return absl::NotFoundError(absl::StrCat("get file: ", errors));
  if (static_cast<int64_t>(content.size()) > max_bytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat("get file: ", std::string(path), ": larger than ", max_bytes));
  }
  return sink(content);
}

absl::StatusOr<std::string> FakeEnvironment::ImportTree(const fs::path& tree, const OutputSink&, Deadline,
                                                        std::stop_token) {
  RW_RETURN_IF_ERROR(CheckUsable());
  if (!lower_.empty()) return absl::FailedPreconditionError("import tree: there is one already");
  std::error_code error;
  if (!fs::is_directory(tree, error))
    return absl::NotFoundError(absl::StrCat("import tree: ", tree.string()));
  lower_ = tree;
  return "/tree";
}

absl::Status FakeEnvironment::ShareInputs(const fs::path& folder, absl::string_view at, Deadline,
                                          std::stop_token) {
  RW_RETURN_IF_ERROR(CheckUsable());
  if (++shared_ > kMostInputs) return absl::ResourceExhaustedError("share inputs: too many");
  absl::StrAppend(&inputs_, at, "\n", folder.string(), "\n");
  return absl::OkStatus();
}

absl::Status FakeEnvironment::ExportChanges(const fs::path& archive, Deadline deadline,
                                            std::stop_token stop) {
  RW_RETURN_IF_ERROR(CheckUsable());
  if (lower_.empty()) return absl::FailedPreconditionError("export changes: no tree was imported");
  SubprocessSpec spec;
  spec.argv = {"tar",
               "--xattrs",
               "--xattrs-include=*",
               "--numeric-owner",
               "-C",
               (folder_->path() / "upper").string(),
               "-cf",
               archive.string(),
               "."};
  return CheckSubprocess(spec, deadline, std::move(stop)).status();
}

absl::StatusOr<absl::Duration> FakeEnvironment::CpuTime() { return cpu_; }

absl::Status FakeEnvironment::End(absl::Duration) {
  folder_.reset();
  return absl::OkStatus();
}

void FakeEnvironment::Kill() { killed_.request_stop(); }

absl::StatusOr<ImageInfo> FakeExecutor::PrepareImage(Architecture architecture, const ProgressSink&,
                                                     const OutputSink&, std::stop_token) {
  ++images;
  RW_RETURN_IF_ERROR(image_status);
  return ImageInfo{absl::StrCat("fake-", NamesOf(architecture).debian), std::string(64, '0'), ""};
}

absl::StatusOr<std::unique_ptr<Environment>> FakeExecutor::CreateEnvironment(const EnvironmentSpec& spec) {
  ++environments;
  RW_RETURN_IF_ERROR(create_status);
  return std::make_unique<FakeEnvironment>(spec.work_folder);
}

absl::StatusOr<std::vector<std::string>> FakeExecutor::Reap(const std::set<std::string>&) {
  return std::vector<std::string>();
}

HostReport FakeExecutor::Inspect(std::stop_token) { return {}; }

}  // namespace rootwright
