#include "agent/host_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "tests/agent/build/fake_routine.h"

namespace rootwright {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// libvirt as the test has it, and one machine that an earlier life left.
class FakeMachines : public Executor {
 public:
  absl::StatusOr<ImageInfo> PrepareImage(Architecture, const ProgressSink&, const OutputSink&,
                                         std::stop_token) override {
    return ImageInfo();
  }
  absl::StatusOr<std::unique_ptr<Environment>> CreateEnvironment(const EnvironmentSpec&) override {
    return absl::UnimplementedError("not asked for here");
  }
  absl::StatusOr<std::vector<std::string>> Reap(const std::set<std::string>&) override {
    if (!reap_status.ok()) return reap_status;
    if (!libvirt) return absl::UnavailableError("libvirt: away");
    calls.emplace_back("reap");
    return std::vector<std::string>{"7f3a"};
  }
  HostReport Inspect(std::stop_token) override {
    calls.emplace_back("inspect");
    HostReport report;
    report.checks.push_back(
        {"libvirt", libvirt ? HostCheck::Result::kOk : HostCheck::Result::kFailed, "", "start it"});
    if (libvirt) report.targets.push_back({Architecture::kArm64, false});
    return report;
  }
  absl::Status CheckHealth() override {
    return libvirt ? absl::OkStatus() : absl::UnavailableError("libvirt: away");
  }

  bool libvirt = true;
  absl::Status reap_status;
  std::vector<std::string> calls;
};

class HostWatchTest : public testing::Test {
 protected:
  HostWatchTest() { config_.state_folder = folder_.path(); }
  size_t Offered() const { return static_cast<size_t>(watch_.capabilities().targets_size()); }

  ScopedFolder folder_ = *ScopedFolder::Create(testing::TempDir(), "host-");
  AgentConfig config_ = *ParseAgentConfig("", "test");
  FakeMachines machines_;
  FakeClock clock_;
  HostWatch watch_{config_, machines_, clock_};
};

TEST_F(HostWatchTest, InspectsOnceAndEndsLeftoversBeforeItOffers) {
  EXPECT_TRUE(watch_.Look().changed);
  EXPECT_EQ(Offered(), 1u);
  const HostWatch::Sight second = watch_.Look();
  EXPECT_TRUE(second.libvirt.ok());
  EXPECT_FALSE(second.changed);
  EXPECT_THAT(machines_.calls, ElementsAre("inspect", "reap"));
}

TEST_F(HostWatchTest, OffersWhenLibvirtComesLaterThanTheAgent) {
  machines_.libvirt = false;
  EXPECT_FALSE(watch_.Look().libvirt.ok());
  EXPECT_EQ(Offered(), 0u);
  ASSERT_FALSE(watch_.report().checks.empty());
  EXPECT_FALSE(watch_.Look().changed);
  EXPECT_THAT(machines_.calls, ElementsAre("inspect"));
  machines_.libvirt = true;
  EXPECT_TRUE(watch_.Look().changed);
  EXPECT_EQ(Offered(), 1u);
  EXPECT_THAT(machines_.calls, ElementsAre("inspect", "inspect", "reap"));
}

TEST_F(HostWatchTest, OffersNothingWhileLeftoversCannotBeEnded) {
  machines_.reap_status = absl::InternalError("destroy domain: it hangs");
  watch_.Look();
  EXPECT_EQ(Offered(), 0u);
  machines_.reap_status = absl::OkStatus();
  EXPECT_TRUE(watch_.Look().changed);
  EXPECT_EQ(Offered(), 1u);
}

TEST_F(HostWatchTest, ShortAbsenceChangesNothing) {
  watch_.Look();
  machines_.libvirt = false;
  EXPECT_FALSE(watch_.Look().changed);
  clock_.Advance(config_.libvirt_grace - absl::Seconds(1));
  EXPECT_FALSE(watch_.Look().changed);
  machines_.libvirt = true;
  EXPECT_FALSE(watch_.Look().changed);
  // A new absence counts from its own start.
  machines_.libvirt = false;
  clock_.Advance(config_.libvirt_grace);
  EXPECT_FALSE(watch_.Look().changed);
  EXPECT_EQ(Offered(), 1u);
}

TEST_F(HostWatchTest, HealthSaysWhenLibvirtHasGoneSinceTheLastLook) {
  watch_.Look();
  EXPECT_TRUE(watch_.Health().ok());
  machines_.libvirt = false;
  EXPECT_TRUE(absl::IsUnavailable(watch_.Health()));
  watch_.Look();
  // Until the next look has seen it.
  machines_.libvirt = true;
  EXPECT_FALSE(watch_.Health().ok());
  watch_.Look();
  EXPECT_TRUE(watch_.Health().ok());
}

TEST_F(HostWatchTest, LongAbsenceWithdrawsUntilLibvirtIsBack) {
  watch_.Look();
  machines_.libvirt = false;
  watch_.Look();
  clock_.Advance(config_.libvirt_grace);
  EXPECT_TRUE(watch_.Look().changed);
  EXPECT_EQ(Offered(), 0u);
  EXPECT_FALSE(watch_.Look().changed);
  machines_.libvirt = true;
  machines_.calls.clear();
  EXPECT_TRUE(watch_.Look().changed);
  EXPECT_EQ(Offered(), 1u);
  // Builds of this life may still be ending: theirs are not leftovers.
  EXPECT_THAT(machines_.calls, ElementsAre("inspect"));
}

}  // namespace
}  // namespace rootwright
