#include "tests/executors/container/container_host.h"
#include "tests/executors/network/outbound_contract.h"

namespace rootwright {
namespace {

absl::StatusOr<std::unique_ptr<Environment>> Make(Network network) {
  ContainerHost& host = ContainerHost::Get();
  EnvironmentSpec spec = host.NewBuild();
  spec.network = network;
  return host.executor().CreateEnvironment(spec);
}

INSTANTIATE_TEST_SUITE_P(Container, OutboundContract,
                         ::testing::Values(OutboundSubject{"container", false, [] { ContainerHost::Get(); },
                                                           Make}));

}  // namespace
}  // namespace rootwright
