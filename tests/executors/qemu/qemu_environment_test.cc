#include "executors/qemu/qemu_environment.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/fault.h"
#include "base/wait.h"
#include "executors/libvirt/domain_text.h"
#include "executors/qemu/machine_process.h"
#include "executors/qemu/qemu_executor.h"
#include "tests/executors/environment_contract.h"
#include "tests/executors/qemu/qemu_host.h"

namespace rootwright {
namespace {

// One for the program; gone after the last test.
class Host : public ::testing::Environment {
 public:
  void SetUp() override {
    host_ = std::make_unique<QemuHost>();
    absl::StatusOr<std::unique_ptr<QemuExecutor>> executor =
        QemuExecutor::Create(host_->Settings(), host_->images());
    ASSERT_TRUE(executor.ok()) << executor.status();
    executor_ = *std::move(executor);
  }
  void TearDown() override {
    if (executor_ != nullptr) {
      EXPECT_THAT(*executor_->Reap({}), ::testing::IsEmpty()) << "a test left a machine";
    }
    executor_.reset();
    host_.reset();
  }
  QemuHost& host() { return *host_; }
  QemuExecutor& executor() { return *executor_; }

 private:
  std::unique_ptr<QemuHost> host_;
  std::unique_ptr<QemuExecutor> executor_;
};

Host& TheHost() {
  static Host* const host = new Host;
  return *host;
}
[[maybe_unused]] const auto* const registered = ::testing::AddGlobalTestEnvironment(&TheHost());

INSTANTIATE_TEST_SUITE_P(Qemu, EnvironmentContract,
                         ::testing::Values(ContractSubject{"qemu", [] {
                                                             return TheHost().executor().CreateEnvironment(
                                                                 TheHost().host().NewBuild());
                                                           }}));

using ::testing::HasSubstr;

// A machine on a connection of its own.
struct Machine {
  EnvironmentSpec spec = TheHost().host().NewBuild();
  std::shared_ptr<LibvirtConnection> connection;
  std::unique_ptr<QemuEnvironment> environment;

  explicit Machine(const QemuSettings& settings = TheHost().host().Settings(),
                   const MachineImage& image = TheHost().host().image(), int processes = 4096) {
    spec.processes = processes;
    connection = *LibvirtConnection::Create(settings.libvirt);
    auto made = QemuEnvironment::Create(spec, image, settings, DomainSpec::Accelerator::kTcg, connection);
    EXPECT_TRUE(made.ok()) << made.status();
    environment = *std::move(made);
  }
  std::string domain() const { return absl::StrCat(kDomainPrefix, spec.build_id); }
  absl::Status KillProcess() const {
    return KillMachineProcess(domain(), spec.work_folder / "root.qcow2", Deadline::In(absl::Seconds(30)));
  }
  // Calls `then` once the command has said that it runs.
  absl::Status RunUntil(const std::string& script, const std::function<void()>& then) const {
    EnvironmentCommand command;
    command.argv = {"/bin/sh", "-c", script};
    command.variables = {{"PATH", "/usr/bin:/bin"}};
    bool done = false;
    const auto result = environment->Run(command,
                                         [&](OutputStream, absl::string_view) {
                                           if (!std::exchange(done, true)) then();
                                         },
                                         Deadline::In(absl::Minutes(2)), {});
    return result.status();
  }
};

Deadline BootLimit() { return Deadline::In(absl::Minutes(2)); }

TEST(QemuEnvironment, SaysThatTheMachineEndedWhenQemuIsKilledInACommand) {
  Machine machine;
  ASSERT_TRUE(machine.environment->Reach(BootLimit(), {}).ok());
  const absl::Status status =
      machine.RunUntil("echo ready; sleep 1000", [&] { EXPECT_TRUE(machine.KillProcess().ok()); });
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), HasSubstr("the machine ended: last console lines:"));
  EXPECT_EQ(FaultOf(status, Fault::kHost), Fault::kHypervisor);
  EXPECT_TRUE(machine.environment->End(absl::ZeroDuration()).ok());
}

TEST(QemuEnvironment, FailsAtOnceWithTheConsoleWhenTheKernelPanics) {
  MachineImage image = TheHost().host().image();
  image.initrd = TheHost().host().folder() / "broken-initrd";
  ASSERT_TRUE(WriteFileAtomically(image.initrd, "no archive").ok());
  Machine machine(TheHost().host().Settings(), image);
  const absl::Status status = machine.environment->Reach(BootLimit(), {});
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("the guest's kernel panicked: Kernel panic - "));
  EXPECT_EQ(FaultOf(status, Fault::kHost), Fault::kGuest);
}

TEST(QemuEnvironment, BlamesTheGuestThatSwitchesItselfOff) {
  Machine machine;
  ASSERT_TRUE(machine.environment->Reach(BootLimit(), {}).ok());
  // Asks the kernel itself: no panic, nothing on the console.
  const absl::Status status = machine.RunUntil("echo ready; echo o > /proc/sysrq-trigger; sleep 1000", [] {});
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("the guest switched the machine off"));
  EXPECT_EQ(FaultOf(status, Fault::kHost), Fault::kGuest);
}

TEST(QemuEnvironment, AForkBombMeetsTheLimitOfProcesses) {
  Machine machine(TheHost().host().Settings(), TheHost().host().image(), 20);
  ASSERT_TRUE(machine.environment->Reach(BootLimit(), {}).ok());
  EnvironmentCommand bomb;
  bomb.argv = {"/bin/sh", "-c",
               "for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do sleep 1000 & done"};
  bomb.variables = {{"PATH", "/usr/bin:/bin"}};
  std::string said;
  const auto result = machine.environment->Run(
      bomb, [&](OutputStream, absl::string_view data) { absl::StrAppend(&said, data); },
      Deadline::In(absl::Minutes(2)), {});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_FALSE(result->ok());
  EXPECT_THAT(said, HasSubstr("Cannot fork"));
}

TEST(QemuEnvironment, GivesUpAGuestThatNeverAnswers) {
  Machine machine;
  const absl::Status status = machine.environment->Reach(Deadline::In(absl::Milliseconds(300)), {});
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("last console lines"));
  EXPECT_TRUE(machine.environment->End(absl::ZeroDuration()).ok());
}

TEST(QemuEnvironment, SurvivesLibvirtdThatComesBack) {
  Machine machine;
  ASSERT_TRUE(machine.environment->Reach(BootLimit(), {}).ok());
  const absl::Status status = machine.RunUntil("echo ready; sleep 1", [&] {
    TheHost().host().KillLibvirtd();
    TheHost().host().StartLibvirtd();
  });
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_TRUE(machine.environment->End(absl::Seconds(30)).ok());
}

TEST(QemuEnvironment, NamesLibvirtWhenItStaysAwayAndLeavesNoMachine) {
  QemuSettings settings = TheHost().host().Settings();
  settings.libvirt.loss_grace = absl::Milliseconds(500);
  Machine machine(settings);
  ASSERT_TRUE(machine.environment->Reach(BootLimit(), {}).ok());
  const absl::Status status =
      machine.RunUntil("echo ready; sleep 1000", [&] { TheHost().host().KillLibvirtd(); });
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("libvirt"));
  EXPECT_TRUE(machine.environment->End(absl::ZeroDuration()).ok());
  EXPECT_FALSE(FindMachineProcess(machine.domain(), machine.spec.work_folder / "root.qcow2").ok());
  TheHost().host().StartLibvirtd();
  // The tests' own connection comes back after its back-off.
  const Deadline deadline = BootLimit();
  while (!TheHost().executor().CheckHealth().ok() && !deadline.Passed())
    SleepFor(absl::Milliseconds(20), {}).IgnoreError();
}

TEST(QemuEnvironment, RefusesABuildThatTheDiskCannotHoldWithFigures) {
  EnvironmentSpec spec = TheHost().host().NewBuild();
  spec.disk_bytes = int64_t{1} << 50;
  const absl::Status status = TheHost().executor().CreateEnvironment(spec).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(status.message()), ::testing::ContainsRegex("1024.0 TiB needed, .* free"));
  EXPECT_TRUE(std::filesystem::is_empty(spec.work_folder));
}

TEST(QemuExecutor, ReapsOwnMachinesThatAreNotKept) {
  Machine kept;
  Machine left;
  ASSERT_TRUE(kept.environment->Reach(BootLimit(), {}).ok());
  ASSERT_TRUE(left.environment->Reach(BootLimit(), {}).ok());
  QemuSettings elsewhere = TheHost().host().Settings();
  elsewhere.work_folder = "/var/lib/another-agent";
  const auto other = *QemuExecutor::Create(elsewhere, TheHost().host().images());
  EXPECT_THAT(*other->Reap({}), ::testing::IsEmpty());
  EXPECT_THAT(*TheHost().executor().Reap({kept.spec.build_id}), ::testing::ElementsAre(left.spec.build_id));
  EXPECT_TRUE(kept.environment->CpuTime().ok());
}

TEST(QemuExecutor, ReportsWhatTheHostCanDo) {
  const HostReport report = TheHost().executor().Inspect({});
  ASSERT_FALSE(report.targets.empty());
  for (const HostCheck& check : report.checks) {
    EXPECT_TRUE(check.result != HostCheck::Result::kFailed || !check.remedy.empty()) << check.name;
  }
}

}  // namespace
}  // namespace rootwright
