#include "agent/host_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "tests/agent/build/fake_routine.h"

namespace rootwright {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// libvirt as the test has it, and one environment that an earlier life left.
class FakeExecutor : public Executor {
 public:
  explicit FakeExecutor(Isolation isolation) : isolation_(isolation) {}
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
    if (libvirt) report.targets.push_back({Architecture::kArm64, false, isolation_});
    return report;
  }
  absl::Status CheckHealth() override {
    return libvirt ? absl::OkStatus() : absl::UnavailableError("libvirt: away");
  }

  bool libvirt = true;
  absl::Status reap_status;
  std::vector<std::string> calls;

 private:
  const Isolation isolation_;
};

class HostWatchTest : public testing::Test {
 protected:
  HostWatchTest() { config_.state_folder = folder_.path(); }
  size_t Offered() const { return static_cast<size_t>(watch_.capabilities().targets_size()); }
  // A host without the driver for containers.
  void HasMachinesAlone() { containers_.libvirt = false; }

  ScopedFolder folder_ = *ScopedFolder::Create(testing::TempDir(), "host-");
  AgentConfig config_ = *ParseAgentConfig("", "test");
  FakeExecutor& machines_ = *new FakeExecutor(Isolation::kMachine);
  FakeExecutor& containers_ = *new FakeExecutor(Isolation::kContainer);
  HostExecutors executors_{std::unique_ptr<Executor>(&machines_), std::unique_ptr<Executor>(&containers_)};
  FakeClock clock_;
  HostWatch watch_{config_, executors_, clock_};
};

TEST_F(HostWatchTest, InspectsOnceAndEndsLeftoversBeforeItOffers) {
  HasMachinesAlone();
  EXPECT_TRUE(watch_.Look().changed);
  EXPECT_EQ(Offered(), 1u);
  const HostWatch::Sight second = watch_.Look();
  EXPECT_TRUE(second.libvirt.ok());
  EXPECT_FALSE(second.changed);
  EXPECT_THAT(machines_.calls, ElementsAre("inspect", "reap"));
}

TEST_F(HostWatchTest, OffersWhenLibvirtComesLaterThanTheAgent) {
  HasMachinesAlone();
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
  HasMachinesAlone();
  machines_.reap_status = absl::InternalError("destroy domain: it hangs");
  watch_.Look();
  EXPECT_EQ(Offered(), 0u);
  machines_.reap_status = absl::OkStatus();
  EXPECT_TRUE(watch_.Look().changed);
  EXPECT_EQ(Offered(), 1u);
}

TEST_F(HostWatchTest, ShortAbsenceChangesNothing) {
  HasMachinesAlone();
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
  HasMachinesAlone();
  watch_.Look();
  EXPECT_TRUE(watch_.Health(Isolation::kMachine).ok());
  machines_.libvirt = false;
  EXPECT_TRUE(absl::IsUnavailable(watch_.Health(Isolation::kMachine)));
  watch_.Look();
  // Until the next look has seen it.
  machines_.libvirt = true;
  EXPECT_FALSE(watch_.Health(Isolation::kMachine).ok());
  watch_.Look();
  EXPECT_TRUE(watch_.Health(Isolation::kMachine).ok());
}

TEST_F(HostWatchTest, LongAbsenceWithdrawsUntilLibvirtIsBack) {
  HasMachinesAlone();
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

TEST_F(HostWatchTest, EachKindIsWellOrAwayByItself) {
  watch_.Look();
  EXPECT_EQ(Offered(), 2u);
  containers_.libvirt = false;
  EXPECT_FALSE(watch_.Look().changed);
  EXPECT_TRUE(watch_.Health(Isolation::kMachine).ok());
  EXPECT_TRUE(absl::IsUnavailable(watch_.Health(Isolation::kContainer)));
  clock_.Advance(config_.libvirt_grace);
  HostWatch::Sight sight = watch_.Look();
  EXPECT_TRUE(sight.changed);
  EXPECT_TRUE(sight.libvirt.ok());
  ASSERT_EQ(Offered(), 1u);
  EXPECT_EQ(watch_.capabilities().targets(0).isolation(), v1::ISOLATION_MACHINE);
  EXPECT_FALSE(watch_.Look().changed);
  containers_.libvirt = true;
  EXPECT_TRUE(watch_.Look().changed);
  EXPECT_EQ(Offered(), 2u);
  EXPECT_THAT(machines_.calls, ElementsAre("inspect", "reap", "inspect", "inspect"));
}

TEST_F(HostWatchTest, LeftoversOfAKindAreEndedBeforeItIsOffered) {
  containers_.libvirt = false;
  watch_.Look();
  EXPECT_EQ(Offered(), 1u);
  EXPECT_THAT(containers_.calls, ElementsAre("inspect"));
  containers_.libvirt = true;
  EXPECT_TRUE(watch_.Look().changed);
  EXPECT_EQ(Offered(), 2u);
  EXPECT_THAT(containers_.calls, ElementsAre("inspect", "inspect", "reap"));
}

TEST_F(HostWatchTest, LeftoversOfOneKindThatCannotBeEndedKeepItAlone) {
  machines_.reap_status = absl::InternalError("destroy domain: it hangs");
  watch_.Look();
  ASSERT_EQ(Offered(), 1u);
  EXPECT_EQ(watch_.capabilities().targets(0).isolation(), v1::ISOLATION_CONTAINER);
  machines_.reap_status = absl::OkStatus();
  EXPECT_TRUE(watch_.Look().changed);
  EXPECT_EQ(Offered(), 2u);
}

}  // namespace
}  // namespace rootwright
