#include "tests/executors/qemu/qemu_host.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <iostream>
#include <stdexcept>

#include "absl/strings/str_cat.h"
#include "base/subprocess.h"
#include "base/wait.h"

namespace rootwright {
namespace {

std::filesystem::path FromEnvironment(const char* name, const char* fallback) {
  const char* value = std::getenv(name);
  return value == nullptr ? fallback : value;
}

[[noreturn]] void Fail(absl::string_view what) { throw std::runtime_error(std::string(what)); }

std::string Script() { return FromEnvironment("ROOTWRIGHT_SOURCE", ".") / "ci/private-libvirtd"; }

}  // namespace

QemuHost::QemuHost() {
  if (geteuid() != 0) Fail("these tests start machines and need root");
  // Not below a folder that keeps QEMU's user out, and short: it holds sockets.
  absl::StatusOr<ScopedFolder> folder = ScopedFolder::Create(std::filesystem::temp_directory_path(), "rwq-");
  if (!folder.ok()) Fail(folder.status().message());
  folder_ = *std::move(folder);
  chmod(folder_->path().c_str(), 0711);
  const std::filesystem::path cache = FromEnvironment("ROOTWRIGHT_CACHE", "/var/cache/rootwright");
  const std::filesystem::path bin = FromEnvironment("ROOTWRIGHT_BIN", "bin");
  images_ =
      std::make_unique<MachineImages>(MachineImages::Options{.store = cache / "images",
                                                             .apt = cache / "packages/apt",
                                                             .guest_programs = bin / "../guest",
                                                             .unpack_program = bin / "rootwright-unpack"});
  absl::StatusOr<MachineImage> image = images_->Prepare(
      Architecture::kArm64, [](const ImageProgress&) {},
      [](absl::string_view line) { std::cerr << line << "\n"; }, {});
  if (!image.ok()) Fail(image.status().message());
  image_ = *std::move(image);
  StartLibvirtd();
}

QemuHost::~QemuHost() {
  SubprocessSpec end;
  end.argv = {Script(), "--end", (folder_->path() / "libvirt").string()};
  const auto ended = RunSubprocess(end, Deadline::In(absl::Minutes(1)), {});
  if (!ended.ok() || !ended->ok())
    std::cerr << "libvirtd or its machines may be left in " << folder() << "\n";
  if (libvirtd_ > 0) waitpid(libvirtd_, nullptr, 0);
}

void QemuHost::StartLibvirtd() {
  const std::string script = Script();
  const std::string where = folder_->path() / "libvirt";
  const std::string log = folder_->path() / "libvirtd.log";
  libvirtd_ = fork();
  if (libvirtd_ == 0) {
    const int out = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    dup2(out, 1);
    dup2(out, 2);
    setpgid(0, 0);
    execl(script.c_str(), script.c_str(), where.c_str(), nullptr);
    _exit(127);
  }
  LibvirtSettings settings = Settings().libvirt;
  for (const Deadline deadline = Deadline::In(absl::Minutes(1));;) {
    const auto connection = LibvirtConnection::Create(settings);
    if (connection.ok() && (*connection)->Check().ok()) return;
    if (deadline.Passed() || waitpid(libvirtd_, nullptr, WNOHANG) != 0) {
      Fail(absl::StrCat("libvirtd does not start:\n", ReadFile(log).value_or("")));
    }
    SleepFor(absl::Milliseconds(50), {}).IgnoreError();
  }
}

void QemuHost::KillLibvirtd() {
  kill(libvirtd_, SIGKILL);
  waitpid(libvirtd_, nullptr, 0);
  libvirtd_ = 0;
}

QemuSettings QemuHost::Settings() const {
  QemuSettings settings;
  settings.libvirt.uri =
      absl::StrCat("qemu+unix:///system?socket=", folder().string(), "/libvirt/libvirt-sock");
  settings.work_folder = folder() / "builds";
  return settings;
}

EnvironmentSpec QemuHost::NewBuild() {
  EnvironmentSpec spec;
  spec.build_id = absl::StrCat("test-", getpid(), "-", ++builds_);
  spec.architecture = Architecture::kArm64;
  spec.memory_bytes = 512 << 20;
  spec.disk_bytes = int64_t{2} << 30;
  spec.work_folder = folder() / "builds" / spec.build_id;
  if (const absl::Status made = MakeFolders(spec.work_folder); !made.ok()) Fail(made.message());
  return spec;
}

}  // namespace rootwright
