#include "agent/build/planned_build.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rootwright {
namespace {

using testing::HasSubstr;

class PlanBuildTest : public testing::Test {
 protected:
  PlanBuildTest() {
    lease_.set_build_id("7f3a");
    request().mutable_target()->set_architecture(v1::ARCHITECTURE_ARM64);
    request().mutable_command()->add_argv("true");
  }
  v1::BuildRequest& request() { return *lease_.mutable_request(); }
  absl::StatusOr<PlannedBuild> Plan() {
    return PlanBuild(lease_, {.targets = {Architecture::kArm64}}, "/work");
  }
  void ExpectRefused(absl::string_view field) {
    const auto plan = Plan();
    EXPECT_TRUE(absl::IsInvalidArgument(plan.status())) << plan.status();
    EXPECT_THAT(std::string(plan.status().message()), HasSubstr(std::string(field)));
  }
  v1::Lease lease_;
};

TEST_F(PlanBuildTest, FillsDefaults) {
  const auto plan = Plan();
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->limits.vcpus, 1);
  EXPECT_EQ(plan->environment().memory_bytes, int64_t{1} << 30);
  EXPECT_EQ(plan->environment().work_folder, "/work");
  EXPECT_EQ(plan->environment().build_id, "7f3a");
}

TEST_F(PlanBuildTest, RootfsGetsItsOwnDefaults) {
  request().mutable_rootfs();
  request().mutable_source()->set_url("https://example.org/spec.git");
  const auto plan = Plan();
  ASSERT_TRUE(plan.ok()) << plan.status();
  const auto& rootfs = std::get<RootfsRequest>(plan->routine);
  EXPECT_EQ(rootfs.outputs, std::vector<PackFormat>{PackFormat::kTarZst});
  EXPECT_EQ(rootfs.boot_limit, absl::Seconds(120));
  EXPECT_FALSE(rootfs.source_date);
}

TEST_F(PlanBuildTest, RefusesWhatTheHostCannotDo) {
  request().mutable_target()->set_architecture(v1::ARCHITECTURE_RISCV64);
  EXPECT_TRUE(absl::IsFailedPrecondition(Plan().status()));
  request().mutable_target()->set_architecture(v1::ARCHITECTURE_ARM64);
  request().set_isolation(v1::ISOLATION_CONTAINER);
  EXPECT_TRUE(absl::IsFailedPrecondition(Plan().status()));
}

TEST_F(PlanBuildTest, TakesAContainerWhereItHasOneUnlessAMachineIsAskedFor) {
  const BuildPolicy both{.targets = {{Architecture::kAmd64, Isolation::kContainer},
                                     {Architecture::kAmd64, Isolation::kMachine},
                                     {Architecture::kArm64, Isolation::kMachine}}};
  const auto planned = [&](v1::Architecture architecture, v1::Isolation isolation) {
    request().mutable_target()->set_architecture(architecture);
    request().set_isolation(isolation);
    return PlanBuild(lease_, both, "/work")->isolation;
  };
  EXPECT_EQ(planned(v1::ARCHITECTURE_AMD64, v1::ISOLATION_UNSPECIFIED), Isolation::kContainer);
  EXPECT_EQ(planned(v1::ARCHITECTURE_AMD64, v1::ISOLATION_AUTO), Isolation::kContainer);
  EXPECT_EQ(planned(v1::ARCHITECTURE_AMD64, v1::ISOLATION_CONTAINER), Isolation::kContainer);
  EXPECT_EQ(planned(v1::ARCHITECTURE_AMD64, v1::ISOLATION_MACHINE), Isolation::kMachine);
  EXPECT_EQ(planned(v1::ARCHITECTURE_ARM64, v1::ISOLATION_AUTO), Isolation::kMachine);
}

TEST_F(PlanBuildTest, LetsABuildOutThatAsksOnAHostThatDoes) {
  EXPECT_EQ(Plan()->environment().network, Network::kNone);
  request().set_network(v1::NETWORK_OUTBOUND);
  EXPECT_TRUE(absl::IsFailedPrecondition(Plan().status()));
  EXPECT_EQ(Plan().status().message(),
            "plan: network OUTBOUND: this host lets no build out ('outbound network' of rootwright doctor)");
  const BuildPolicy open{.targets = {Architecture::kArm64}, .outbound_network = true};
  EXPECT_EQ(PlanBuild(lease_, open, "/work")->environment().network, Network::kOutbound);
}

TEST_F(PlanBuildTest, SaysWhichIsolationThisHostLacks) {
  request().set_isolation(v1::ISOLATION_CONTAINER);
  EXPECT_EQ(Plan().status().message(), "plan: isolation CONTAINER: this host has no container for arm64");
  const BuildPolicy containers{.targets = {{Architecture::kArm64, Isolation::kContainer}}};
  request().set_isolation(v1::ISOLATION_MACHINE);
  EXPECT_EQ(PlanBuild(lease_, containers, "/work").status().message(),
            "plan: isolation MACHINE: this host has no machine for arm64");
}

TEST_F(PlanBuildTest, RefusesLimitsAboveTheMaximum) {
  request().mutable_limits()->set_vcpus(9);
  ExpectRefused("limits.vcpus: 9 asked, at most 8 here");
}

TEST_F(PlanBuildTest, RefusesPathsThatLeaveTheRepository) {
  request().mutable_rootfs();
  request().mutable_source()->set_url("https://example.org/spec.git");
  for (const char* path : {"..", "a/../..", "/etc"}) {
    request().mutable_source()->set_path(path);
    ExpectRefused("source.path");
  }
}

TEST_F(PlanBuildTest, RefusesAnOptionAsAUrl) {
  request().mutable_rootfs();
  request().mutable_source()->set_url("--upload-pack=x");
  ExpectRefused("source.url");
}

TEST_F(PlanBuildTest, RefusesIdsThatAreNoNames) {
  lease_.set_build_id("../x");
  ExpectRefused("build id");
}

}  // namespace
}  // namespace rootwright
