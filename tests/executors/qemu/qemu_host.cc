#include "tests/executors/qemu/qemu_host.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <iostream>
#include <stdexcept>

#include "absl/strings/str_cat.h"

namespace rootwright {
namespace {

std::filesystem::path FromEnvironment(const char* name, const char* fallback) {
  const char* value = std::getenv(name);
  return value == nullptr ? fallback : value;
}

[[noreturn]] void Fail(absl::string_view what) { throw std::runtime_error(std::string(what)); }

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
  libvirtd_ = std::make_unique<PrivateLibvirtd>(this->folder(), this->folder() / "builds");
}

QemuSettings QemuHost::Settings() const {
  QemuSettings settings;
  settings.libvirt.uri = libvirtd_->Uri("qemu");
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
