#include "tests/executors/container/container_host.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <iostream>
#include <stdexcept>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "executors/container/container_cgroup.h"
#include "executors/container/mounts.h"

namespace rootwright {
namespace {

std::filesystem::path FromEnvironment(const char* name, const char* fallback) {
  const char* value = std::getenv(name);
  return value == nullptr ? fallback : value;
}

std::filesystem::path Cache() { return FromEnvironment("ROOTWRIGHT_CACHE", "/var/cache/rootwright"); }

[[noreturn]] void Fail(absl::string_view what) { throw std::runtime_error(std::string(what)); }

std::unique_ptr<ContainerHost>& TheHost() {
  static auto& host = *new std::unique_ptr<ContainerHost>;
  return host;
}

class EndTheHost : public ::testing::Environment {
 public:
  void TearDown() override { TheHost().reset(); }
};
[[maybe_unused]] const auto* const registered = ::testing::AddGlobalTestEnvironment(new EndTheHost);

}  // namespace

ContainerHost& ContainerHost::Get() {
  if (TheHost() == nullptr) TheHost() = std::make_unique<ContainerHost>();
  return *TheHost();
}

ContainerHost::ContainerHost() {
  if (geteuid() != 0) Fail("these tests start containers and need root");
  // Not in memory: idmapped mounts and overlays want a real file system.
  const std::filesystem::path base = FromEnvironment("TMPDIR", "/var/tmp");
  absl::StatusOr<ScopedFolder> folder = ScopedFolder::Create(base, "rwc-");
  if (!folder.ok()) Fail(folder.status().message());
  folder_ = *std::move(folder);
  chmod(folder_->path().c_str(), 0711);
  const std::filesystem::path cache = Cache();
  const std::filesystem::path bin = FromEnvironment("ROOTWRIGHT_BIN", "bin");
  images_ =
      std::make_unique<MachineImages>(MachineImages::Options{.store = cache / "images",
                                                             .apt = cache / "packages/apt",
                                                             .guest_programs = bin / "../guest",
                                                             .unpack_program = bin / "rootwright-unpack"});
  const absl::StatusOr<ContainerImage> image = images_->PrepareContainer(
      HostArchitecture(), [](const ImageProgress&) {},
      [](absl::string_view line) { std::cerr << line << "\n"; }, {});
  if (!image.ok()) Fail(image.status().message());
  root_ = image->root;
  libvirtd_ = std::make_unique<PrivateLibvirtd>(this->folder(), this->folder() / "state");
  absl::StatusOr<std::unique_ptr<ContainerExecutor>> executor =
      ContainerExecutor::Create(Settings(), *images_);
  if (!executor.ok()) Fail(executor.status().message());
  executor_ = *std::move(executor);
}

ContainerHost::~ContainerHost() {
  if (executor_ != nullptr) {
    const auto reaped = executor_->Reap({});
    EXPECT_TRUE(reaped.ok() && reaped->empty()) << "a test left a container";
  }
  const absl::StatusOr<std::string> table = ReadFile("/proc/self/mountinfo");
  EXPECT_TRUE(MountsBelow(table.value_or(""), Settings().work_folder).empty()) << *table;
  std::error_code error;
  const std::string group = absl::StrCat("rootwright-", CgroupAgentName(Settings().work_folder), "-");
  for (const auto& entry : std::filesystem::directory_iterator("/sys/fs/cgroup/pids", error))
    EXPECT_FALSE(absl::StartsWith(entry.path().filename().string(), group)) << entry.path();
}

ContainerSettings ContainerHost::Settings() const {
  ContainerSettings settings;
  settings.libvirt.uri = libvirtd_->Uri("lxc");
  settings.work_folder = folder() / "state/work";
  settings.image_folder = Cache() / "images";
  settings.guest_programs = std::filesystem::canonical(FromEnvironment("ROOTWRIGHT_BIN", "bin") / "../guest");
  return settings;
}

EnvironmentSpec ContainerHost::NewBuild() {
  EnvironmentSpec spec;
  spec.build_id = absl::StrCat("test-", getpid(), "-", ++builds_);
  spec.architecture = HostArchitecture();
  spec.memory_bytes = 256 << 20;
  spec.disk_bytes = int64_t{1} << 30;
  spec.work_folder = Settings().work_folder / spec.build_id;
  if (const absl::Status made = MakeFolders(spec.work_folder); !made.ok()) Fail(made.message());
  return spec;
}

std::unique_ptr<Environment> ContainerHost::NewContainer(const EnvironmentSpec& spec) {
  absl::StatusOr<std::unique_ptr<Environment>> made = executor_->CreateEnvironment(spec);
  if (!made.ok()) Fail(made.status().ToString());
  const absl::Status reached = (*made)->Reach(Deadline::In(absl::Minutes(1)), {});
  if (!reached.ok()) Fail(reached.ToString());
  return *std::move(made);
}

Did Do(Environment& environment, const std::string& script) {
  EnvironmentCommand command;
  command.argv = {"/bin/bash", "-c", script};
  command.variables = {{"PATH", "/usr/sbin:/usr/bin:/sbin:/bin"}, {"LC_ALL", "C"}};
  Did did;
  const absl::StatusOr<CommandResult> result = environment.Run(
      command, [&](OutputStream, absl::string_view data) { absl::StrAppend(&did.said, data); },
      Deadline::In(absl::Minutes(2)), {});
  did.status = result.status();
  if (result.ok()) did.result = *result;
  return did;
}

}  // namespace rootwright
