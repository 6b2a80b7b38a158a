#include "executors/container/container_environment.h"

#include <sys/stat.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/fault.h"
#include "base/wait.h"
#include "executors/container/cgroup_layout.h"
#include "executors/container/mounts.h"
#include "executors/libvirt/domain_text.h"
#include "tests/executors/container/container_host.h"
#include "tests/executors/environment_contract.h"

namespace rootwright {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

INSTANTIATE_TEST_SUITE_P(Container, EnvironmentContract,
                         ::testing::Values(ContractSubject{"container", [] {
                                                             ContainerHost& host = ContainerHost::Get();
                                                             return host.executor().CreateEnvironment(
                                                                 host.NewBuild());
                                                           }}));

// Nothing of a build is left but its files.
void ExpectGone(const EnvironmentSpec& spec) {
  EXPECT_THAT(MountsBelow(ReadFile("/proc/self/mountinfo").value_or(""), spec.work_folder), IsEmpty());
  const auto connection = *LibvirtConnection::Create(ContainerHost::Get().Settings().libvirt);
  EXPECT_TRUE(absl::IsNotFound(connection->DomainId(absl::StrCat(kDomainPrefix, spec.build_id)).status()));
  const CgroupLayout layout = CgroupLayout::Parse(ReadFile("/proc/self/mountinfo").value_or(""));
  for (const auto& [controller, at] : layout.legacy) {
    const SubprocessSpec find{.argv = {"find", at.string(), "-name", absl::StrCat("*", spec.build_id, "*")}};
    const auto found = RunSubprocess(find, Deadline::In(absl::Minutes(1)), {});
    EXPECT_EQ(found.ok() ? found->output : "", "") << controller;
  }
}

TEST(ContainerEnvironment, LeavesNothingBehind) {
  ContainerHost& host = ContainerHost::Get();
  const EnvironmentSpec spec = host.NewBuild();
  const std::unique_ptr<Environment> container = host.NewContainer(spec);
  Do(*container, "setsid sleep 1000 & disown; exit 0");
  ASSERT_TRUE(container->End(absl::Seconds(10)).ok());
  ExpectGone(spec);
}

TEST(ContainerEnvironment, AForkBombMeetsTheLimitOfProcessesAndIsNamed) {
  ContainerHost& host = ContainerHost::Get();
  EnvironmentSpec spec = host.NewBuild();
  spec.processes = 30;
  const std::unique_ptr<Environment> container = host.NewContainer(spec);
  // Waits for none of what it starts: bash itself retries a refused fork for a long time.
  const Did did = Do(*container,
                     "perl -e 'for (1..200) { my $p = fork(); die \"refused\\n\" unless defined $p; "
                     "if ($p == 0) { sleep 1000 } }'");
  ASSERT_TRUE(did.status.ok()) << did.status;
  EXPECT_FALSE(did.result.ok());
  EXPECT_THAT(did.said, HasSubstr("refused"));
  EXPECT_EQ(did.result.cause, "the limit of 30 processes was reached");
  EXPECT_TRUE(container->End(absl::Seconds(10)).ok());
  ExpectGone(spec);
}

TEST(ContainerEnvironment, AMemoryEaterIsKilledAndNamed) {
  ContainerHost& host = ContainerHost::Get();
  EnvironmentSpec spec = host.NewBuild();
  spec.memory_bytes = 64 << 20;
  const std::unique_ptr<Environment> container = host.NewContainer(spec);
  const Did did = Do(*container, "exec perl -e '$x = \"x\" x (256 << 20); print length $x'");
  ASSERT_TRUE(did.status.ok()) << did.status;
  EXPECT_EQ(did.result.signal, SIGKILL) << did.said;
  EXPECT_EQ(did.result.cause, "the memory limit of 64.0 MiB was reached, and the kernel killed");
  EXPECT_EQ(Do(*container, "echo still here").said, "still here\n");
  EXPECT_EQ(Do(*container, "exit 3").result.cause, "") << "told twice";
}

TEST(ContainerEnvironment, ManySmallEatersKillNeitherTheContainerNorTheHost) {
  ContainerHost& host = ContainerHost::Get();
  EnvironmentSpec spec = host.NewBuild();
  spec.memory_bytes = 64 << 20;
  const std::unique_ptr<Environment> container = host.NewContainer(spec);
  Do(*container,
     "for i in $(seq 40); do perl -e '$x = \"x\" x (4 << 20); sleep 1000' & done; sleep 1; exit 1");
  EXPECT_EQ(Do(*container, "echo still here").said, "still here\n");
}

TEST(ContainerEnvironment, AFileSystemInMemoryMeetsTheLimit) {
  ContainerHost& host = ContainerHost::Get();
  EnvironmentSpec spec = host.NewBuild();
  spec.memory_bytes = 64 << 20;
  const std::unique_ptr<Environment> container = host.NewContainer(spec);
  EXPECT_FALSE(Do(*container, "head -c 200M /dev/zero > /dev/shm/fill").result.ok());
  EXPECT_EQ(Do(*container, "rm -f /dev/shm/fill; echo still here").said, "still here\n");
}

TEST(ContainerEnvironment, ShowsOwnersAsTheImageHasThemAndLeavesTheImageAlone) {
  ContainerHost& host = ContainerHost::Get();
  const std::unique_ptr<Environment> container = host.NewContainer(host.NewBuild());
  EXPECT_EQ(Do(*container, "stat -c '%u:%g %a' / /etc/passwd /tmp").said, "0:0 755\n0:0 644\n0:0 1777\n");
  EXPECT_TRUE(Do(*container, "echo changed > /etc/hostname && rm /etc/passwd && touch /new").result.ok());
  EXPECT_EQ(ReadFile(host.root() / "etc/hostname").value_or(""), "rootwright\n");
  EXPECT_TRUE(std::filesystem::exists(host.root() / "etc/passwd"));
  EXPECT_FALSE(std::filesystem::exists(host.root() / "new"));
}

TEST(ContainerEnvironment, HasWhatProgramsExpect) {
  ContainerHost& host = ContainerHost::Get();
  const std::unique_ptr<Environment> container = host.NewContainer(host.NewBuild());
  const Did did = Do(*container,
                     "set -e; [ -c /dev/null ]; [ -c /dev/urandom ]; [ -d /dev/pts ]; echo x > /dev/shm/x; "
                     "echo x > /run/x; echo x > /tmp/x; readlink /dev/fd/0; [ -r /proc/self/status ]; "
                     "chown 1000:1000 /tmp/x; mkfifo /tmp/fifo; perl -e '$> = 1000; exit($> != 1000)'");
  EXPECT_TRUE(did.result.ok()) << did.said;
}

TEST(ContainerEnvironment, SurvivesLibvirtdThatComesBack) {
  ContainerHost& host = ContainerHost::Get();
  const EnvironmentSpec spec = host.NewBuild();
  const std::unique_ptr<Environment> container = host.NewContainer(spec);
  host.libvirtd().Kill();
  EXPECT_EQ(Do(*container, "echo still here").said, "still here\n");
  host.libvirtd().Start();
  EXPECT_EQ(Do(*container, "echo and now").said, "and now\n");
  for (const Deadline deadline = Deadline::In(absl::Minutes(1));
       !host.executor().CheckHealth().ok() && !deadline.Passed();) {
    SleepFor(absl::Milliseconds(20), {}).IgnoreError();
  }
  EXPECT_TRUE(container->End(absl::Seconds(10)).ok());
  ExpectGone(spec);
}

TEST(ContainerEnvironment, EndsWithoutLibvirtdAndLeavesNoMountAndNoProcess) {
  ContainerHost& host = ContainerHost::Get();
  const EnvironmentSpec spec = host.NewBuild();
  const std::unique_ptr<Environment> container = host.NewContainer(spec);
  Do(*container,
     "touch /tmp/alive; (while :; do rm -f /tmp/gone; sleep 0.01; touch /tmp/gone; done) & exit 0");
  host.libvirtd().Kill();
  EXPECT_TRUE(container->End(absl::ZeroDuration()).ok());
  EXPECT_THAT(MountsBelow(ReadFile("/proc/self/mountinfo").value_or(""), spec.work_folder), IsEmpty());
  host.libvirtd().Start();
  for (const Deadline deadline = Deadline::In(absl::Minutes(1));
       !host.executor().CheckHealth().ok() && !deadline.Passed();) {
    SleepFor(absl::Milliseconds(20), {}).IgnoreError();
  }
  // libvirt still has the name, which would be in the way of the build's next attempt.
  EXPECT_THAT(*host.executor().Reap({"none"}), ElementsAre(spec.build_id));
  ExpectGone(spec);
}

TEST(ContainerEnvironment, RefusesWhatNoContainerCanBe) {
  ContainerHost& host = ContainerHost::Get();
  EnvironmentSpec foreign = host.NewBuild();
  foreign.architecture =
      HostArchitecture() == Architecture::kArm64 ? Architecture::kAmd64 : Architecture::kArm64;
  EXPECT_TRUE(absl::IsInvalidArgument(host.executor().CreateEnvironmentOn(host.root(), foreign).status()));
  EnvironmentSpec large = host.NewBuild();
  large.disk_bytes = int64_t{1} << 50;
  const absl::Status status = host.executor().CreateEnvironment(large).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(status.message()), ::testing::ContainsRegex("1024.0 TiB needed, .* free"));
}

TEST(ContainerEnvironment, SaysThatARootWithoutFoldersCannotStart) {
  ContainerHost& host = ContainerHost::Get();
  const std::filesystem::path empty = host.folder() / "not-there";
  EXPECT_TRUE(absl::IsNotFound(host.executor().CreateEnvironmentOn(empty, host.NewBuild()).status()));
}

TEST(ContainerExecutor, ReapsOwnContainersThatAreNotKept) {
  ContainerHost& host = ContainerHost::Get();
  const EnvironmentSpec kept = host.NewBuild();
  const EnvironmentSpec left = host.NewBuild();
  const std::unique_ptr<Environment> stays = host.NewContainer(kept);
  const std::unique_ptr<Environment> goes = host.NewContainer(left);
  ContainerSettings elsewhere = host.Settings();
  elsewhere.work_folder = host.folder() / "state/another";
  const auto other = *ContainerExecutor::Create(elsewhere, host.images());
  EXPECT_THAT(*other->Reap({}), IsEmpty());
  EXPECT_THAT(*host.executor().Reap({kept.build_id}), ElementsAre(left.build_id));
  EXPECT_THAT(MountsBelow(ReadFile("/proc/self/mountinfo").value_or(""), left.work_folder), IsEmpty());
  EXPECT_EQ(Do(*stays, "echo still here").said, "still here\n");
}

TEST(ContainerExecutor, ReportsThatThisHostCanDoIt) {
  const HostReport report = ContainerHost::Get().executor().Inspect({});
  for (const HostCheck& check : report.checks) {
    EXPECT_EQ(check.result, HostCheck::Result::kOk)
        << check.name << ": " << check.finding << "; " << check.remedy;
  }
  ASSERT_EQ(report.targets.size(), 1u);
  EXPECT_EQ(report.targets[0].architecture, HostArchitecture());
  EXPECT_EQ(report.targets[0].isolation, Isolation::kContainer);
}

TEST(ContainerExecutor, NamesWhatIsMissingWhenLibvirtdDoesNotSeeTheMounts) {
  ContainerHost& host = ContainerHost::Get();
  ContainerSettings outside = host.Settings();
  // Not below the folder that libvirtd shares.
  outside.work_folder = host.folder() / "private/work";
  outside.required = true;
  const auto executor = *ContainerExecutor::Create(outside, host.images());
  const HostReport report = executor->Inspect({});
  EXPECT_THAT(report.targets, IsEmpty());
  const HostCheck& check = report.checks.back();
  EXPECT_EQ(check.name, "containers");
  EXPECT_EQ(check.result, HostCheck::Result::kFailed) << check.finding;
  EXPECT_THAT(check.remedy, HasSubstr("ci/private-libvirtd --share")) << check.finding;
}

}  // namespace
}  // namespace rootwright
