#include "executors/qemu/qemu_environment.h"

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
    absl::StatusOr<std::unique_ptr<QemuExecutor>> executor = QemuExecutor::Create(host_->Settings(), host_->images());
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

INSTANTIATE_TEST_SUITE_P(Qemu, EnvironmentContract, ::testing::Values(ContractSubject{"qemu", [] {
                           return TheHost().executor().CreateEnvironment(TheHost().host().NewBuild());
                         }}));

}  // namespace
}  // namespace rootwright
