#pragma once

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "rootwright/v1/agent.pb.h"
#include "rootwright/v1/build.pb.h"
#include "rootwright/v1/fleet_service.pb.h"

namespace rootwright::master {

// What matching knows of an agent.
struct AgentView {
  std::string name;
  v1::Capabilities capabilities;
  // Has a session.
  bool connected = false;
  bool drained = false;
  std::string drain_reason;
  absl::Time drained_at;
  // Of its capabilities' slots.
  int free_slots = 0;
  // What it has room for; -1: not known.
  int64_t free_memory_bytes = -1;
  int64_t free_disk_bytes = -1;
  // It gave this build, or every build, back: why, and how long until it is asked again. Zero: it did not.
  std::string refusal;
  absl::Duration refused_for;
};

// What the build gets of the agent: what a request leaves out, the agent sets.
int64_t MemoryOf(const v1::BuildRequest& request, const v1::Capabilities& capabilities);
int64_t DiskOf(const v1::BuildRequest& request, const v1::Capabilities& capabilities);

// All that keeps the agent from taking the build now; empty when it would. Pure, so that the dispatcher and
// ExplainPending can never disagree.
std::vector<v1::PendingReason> ReasonsAgainst(const v1::BuildRequest& request, const AgentView& agent);

// True when one of the reasons stays whatever happens to queue and sessions.
bool CanNever(const std::vector<v1::PendingReason>& reasons);

// The answer to "why does it not start?", in one line and agent by agent. `waits`: what the build waits for
// whatever the agents do; empty: nothing.
v1::ExplainPendingResponse Explain(const v1::BuildRequest& request, const std::vector<AgentView>& agents,
                                   int builds_before, const std::string& waits = "");
// "5 s", a part of a second as a whole one.
std::string WholeSeconds(absl::Duration time);

// "arm64" for ARCHITECTURE_ARM64.
std::string NameOf(v1::Architecture architecture);

}  // namespace rootwright::master
