#include "tests/executors/fake_environment.h"

#include <filesystem>

#include "tests/executors/environment_contract.h"

namespace rootwright {
namespace {

absl::StatusOr<std::unique_ptr<Environment>> MakeFake() {
  return std::make_unique<FakeEnvironment>(std::filesystem::temp_directory_path());
}

INSTANTIATE_TEST_SUITE_P(Fake, EnvironmentContract, ::testing::Values(ContractSubject{"fake", MakeFake}));

}  // namespace
}  // namespace rootwright
