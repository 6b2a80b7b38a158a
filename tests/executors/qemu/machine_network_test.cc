#include "executors/qemu/qemu_executor.h"
#include "tests/executors/network/outbound_contract.h"
#include "tests/executors/qemu/qemu_host.h"

namespace rootwright {
namespace {

// One for the program; gone after the last test.
class Host : public ::testing::Environment {
 public:
  void SetUp() override {
    host_ = std::make_unique<QemuHost>();
    executor_ = *QemuExecutor::Create(host_->Settings(), host_->images());
  }
  void TearDown() override {
    if (executor_ != nullptr) {
      EXPECT_THAT(*executor_->Reap({}), ::testing::IsEmpty()) << "a test left a machine";
    }
    executor_.reset();
    host_.reset();
  }
  absl::StatusOr<std::unique_ptr<rootwright::Environment>> Make(Network network) {
    EnvironmentSpec spec = host_->NewBuild();
    spec.network = network;
    return executor_->CreateEnvironment(spec);
  }

 private:
  std::unique_ptr<QemuHost> host_;
  std::unique_ptr<QemuExecutor> executor_;
};

Host& TheHost() {
  static Host* const host = new Host;
  return *host;
}
[[maybe_unused]] const auto* const registered = ::testing::AddGlobalTestEnvironment(&TheHost());

INSTANTIATE_TEST_SUITE_P(Machine, OutboundContract,
                         ::testing::Values(OutboundSubject{
                             "machine", true, [] {},
                             [](Network network) { return TheHost().Make(network); }}));

}  // namespace
}  // namespace rootwright
