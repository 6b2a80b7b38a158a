#include "ci/master/matching.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ci/master/queue.h"

namespace rootwright::master {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

AgentView Agent(const std::string& name, v1::Architecture architecture = v1::ARCHITECTURE_ARM64) {
  AgentView agent;
  agent.name = name;
  agent.connected = true;
  agent.capabilities.set_slots(1);
  agent.free_slots = 1;
  v1::TargetSupport* target = agent.capabilities.add_targets();
  target->set_architecture(architecture);
  target->set_isolation(v1::ISOLATION_MACHINE);
  target->add_routines("rootfs");
  target->add_routines("command");
  (*agent.capabilities.mutable_labels())["disk"] = "fast";
  agent.capabilities.mutable_maximum_limits()->set_memory_bytes(1 << 30);
  return agent;
}

v1::BuildRequest Request() {
  v1::BuildRequest request;
  request.mutable_target()->set_architecture(v1::ARCHITECTURE_ARM64);
  request.mutable_rootfs();
  return request;
}

std::vector<std::string> Messages(const v1::BuildRequest& request, const AgentView& agent) {
  std::vector<std::string> messages;
  for (const auto& reason : ReasonsAgainst(request, agent)) messages.push_back(reason.message());
  return messages;
}

TEST(Matching, AgentThatFitsHasNothingInTheWay) { EXPECT_THAT(Messages(Request(), Agent("one")), IsEmpty()); }

TEST(Matching, NamesANetworkThatIsNotOffered) {
  v1::BuildRequest request = Request();
  request.set_network(v1::NETWORK_OUTBOUND);
  AgentView agent = Agent("one");
  EXPECT_THAT(Messages(request, agent),
              ElementsAre("lets no build out, and the build asks for network OUTBOUND"));
  EXPECT_TRUE(CanNever(ReasonsAgainst(request, agent)));
  agent.capabilities.set_outbound_network(true);
  EXPECT_THAT(Messages(request, agent), IsEmpty());
}

TEST(Matching, NamesIsolationThatIsNotOffered) {
  v1::BuildRequest request = Request();
  request.set_isolation(v1::ISOLATION_CONTAINER);
  EXPECT_THAT(Messages(request, Agent("one")), ElementsAre("offers arm64 not in a container"));
}

TEST(Matching, NamesLabelsThatDiffer) {
  v1::BuildRequest request = Request();
  (*request.mutable_required_labels())["disk"] = "slow";
  EXPECT_THAT(Messages(request, Agent("one")), ElementsAre("has label disk=fast, not slow"));
}

TEST(Matching, NamesMemoryBeyondTheMaximum) {
  v1::BuildRequest request = Request();
  request.mutable_limits()->set_memory_bytes(int64_t{2} << 30);
  EXPECT_THAT(Messages(request, Agent("one")),
              ElementsAre("allows 1024 MiB of memory, the build asks for 2048 MiB"));
}

TEST(Matching, BusyAndOfflineAgentsWait) {
  AgentView busy = Agent("one");
  busy.free_slots = 0;
  EXPECT_THAT(Messages(Request(), busy), ElementsAre("is busy: 1 of 1 slots are taken"));
  AgentView offline = Agent("two");
  offline.connected = false;
  EXPECT_FALSE(CanNever(ReasonsAgainst(Request(), offline)));
}

TEST(Matching, RoomThatIsNotKnownIsNoReason) {
  AgentView agent = Agent("one");
  agent.capabilities.mutable_default_limits()->set_disk_bytes(int64_t{8} << 30);
  EXPECT_THAT(Messages(Request(), agent), IsEmpty());
  agent.free_disk_bytes = 0;
  EXPECT_THAT(Messages(Request(), agent),
              ElementsAre("has 0 MiB of disk free, the build gets by default 8192 MiB"));
}

TEST(Matching, MemoryThatBuildsHaveIsWaitedFor) {
  AgentView agent = Agent("one");
  agent.capabilities.set_slots(2);
  agent.free_slots = 2;
  agent.free_memory_bytes = 100 << 20;
  v1::BuildRequest request = Request();
  request.mutable_limits()->set_memory_bytes(512 << 20);
  EXPECT_THAT(Messages(request, agent),
              ElementsAre("has 100 MiB of memory free, the build asks for 512 MiB"));
  EXPECT_TRUE(CanNever(ReasonsAgainst(request, agent)));
  agent.free_slots = 1;
  EXPECT_FALSE(CanNever(ReasonsAgainst(request, agent)));
}

TEST(Explain, AgentThatRefusesIsNotAboutToStart) {
  AgentView agent = Agent("one");
  agent.refusal = "libvirt: away";
  agent.refused_for = absl::Milliseconds(2100);
  const auto answer = Explain(Request(), {agent}, 0);
  EXPECT_EQ(answer.summary(), "one (offers arm64) gave it back, to be asked again in 3 s: libvirt: away");
  EXPECT_EQ(answer.agents(0).reasons(0).kind(), v1::PendingReason::KIND_NOT_READY);
}

TEST(Explain, DrainedAgentIsNamedWithItsReason) {
  AgentView drained = Agent("builder-3");
  drained.drained = true;
  drained.drain_reason = "new disk";
  const auto answer = Explain(Request(), {Agent("builder-1", v1::ARCHITECTURE_AMD64), drained}, 0);
  EXPECT_THAT(answer.summary(), HasSubstr("builder-3 (offers arm64) is drained since"));
  EXPECT_THAT(answer.summary(), HasSubstr("\"new disk\""));
}

TEST(Explain, FarmWithoutAgentsSaysSo) {
  EXPECT_EQ(Explain(Request(), {}, 0).summary(), "no agent has registered with this master yet");
}

TEST(Queue, HigherPriorityFirstThenOrderOfSubmission) {
  Queue queue;
  queue.Add("late", 0, 3);
  queue.Add("early", 0, 1);
  queue.Add("urgent", 10, 2);
  EXPECT_THAT(queue.InOrder(), ElementsAre("urgent", "early", "late"));
  EXPECT_EQ(queue.Before("late"), 2);
  queue.Remove("urgent");
  EXPECT_EQ(queue.Before("late"), 1);
  EXPECT_EQ(queue.Before("urgent"), std::nullopt);
}

}  // namespace
}  // namespace rootwright::master
