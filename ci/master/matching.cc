#include "ci/master/matching.h"

#include <algorithm>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"

namespace rootwright::master {
namespace {

using Kind = v1::PendingReason;

std::string MiB(int64_t bytes) { return absl::StrFormat("%d MiB", (bytes + (1 << 20) - 1) >> 20); }

std::string TargetsOf(const v1::Capabilities& capabilities) {
  std::set<std::string> names;
  for (const v1::TargetSupport& target : capabilities.targets()) names.insert(NameOf(target.architecture()));
  return names.empty() ? "nothing" : absl::StrJoin(names, ", ");
}

class Reasons {
 public:
  void Add(v1::PendingReason::Kind kind, std::string message) {
    v1::PendingReason& reason = list_.emplace_back();
    reason.set_kind(kind);
    reason.set_message(std::move(message));
  }
  // `most` 0: nobody set a bound.
  void AddIfOver(absl::string_view what, int64_t wanted, int64_t most, std::string (*show)(int64_t)) {
    if (wanted <= 0 || most <= 0 || wanted <= most) return;
    Add(Kind::KIND_RESOURCE,
        absl::StrCat("allows ", show(most), " of ", what, ", the build asks for ", show(wanted)));
  }
  std::vector<v1::PendingReason> Take() { return std::move(list_); }

 private:
  std::vector<v1::PendingReason> list_;
};

void CheckTarget(const v1::BuildRequest& request, const v1::Capabilities& capabilities, Reasons& reasons) {
  const std::string wanted = NameOf(request.target().architecture());
  const std::string routine = request.has_rootfs() ? "rootfs" : "command";
  bool architecture_fits = false, isolation_fits = false, routine_fits = false;
  for (const v1::TargetSupport& target : capabilities.targets()) {
    if (target.architecture() != request.target().architecture()) continue;
    architecture_fits = true;
    const bool any =
        request.isolation() == v1::ISOLATION_UNSPECIFIED || request.isolation() == v1::ISOLATION_AUTO;
    if (!any && target.isolation() != request.isolation()) continue;
    isolation_fits = true;
    const auto& routines = target.routines();
    if (std::find(routines.begin(), routines.end(), routine) != routines.end()) routine_fits = true;
  }
  if (!architecture_fits) {
    reasons.Add(Kind::KIND_TARGET, absl::StrCat("offers ", TargetsOf(capabilities), ", not ", wanted));
  } else if (!isolation_fits) {
    const bool machine = request.isolation() == v1::ISOLATION_MACHINE;
    reasons.Add(Kind::KIND_TARGET,
                absl::StrCat("offers ", wanted, " not in a ", machine ? "machine" : "container"));
  } else if (!routine_fits) {
    reasons.Add(Kind::KIND_TARGET, absl::StrCat("does not offer ", routine, " builds for ", wanted));
  }
}

void CheckLabels(const v1::BuildRequest& request, const v1::Capabilities& capabilities, Reasons& reasons) {
  for (const auto& [key, value] : request.required_labels()) {
    const auto label = capabilities.labels().find(key);
    if (label == capabilities.labels().end()) {
      reasons.Add(Kind::KIND_LABEL, absl::StrCat("has no label ", key, "=", value));
    } else if (label->second != value) {
      reasons.Add(Kind::KIND_LABEL, absl::StrCat("has label ", key, "=", label->second, ", not ", value));
    }
  }
}

void CheckRoom(absl::string_view what, int64_t free, int64_t asked, int64_t gets, const AgentView& agent,
               Reasons& reasons) {
  if (free < 0 || gets <= free) return;
  // Builds that end give room back.
  reasons.Add(agent.free_slots < agent.capabilities.slots() ? Kind::KIND_BUSY : Kind::KIND_RESOURCE,
              absl::StrCat("has ", absl::StrFormat("%d MiB", free >> 20), " of ", what, " free, the build ",
                           asked > 0 ? "asks for " : "gets by default ", MiB(gets)));
}

void CheckResources(const v1::BuildRequest& request, const AgentView& agent, Reasons& reasons) {
  const v1::Limits& wanted = request.limits();
  const v1::Limits& most = agent.capabilities.maximum_limits();
  const auto plain = [](int64_t count) { return absl::StrCat(count); };
  const auto seconds = [](int64_t count) { return absl::StrCat(count, " s"); };
  reasons.AddIfOver("memory", wanted.memory_bytes(), most.memory_bytes(), MiB);
  reasons.AddIfOver("disk", wanted.disk_bytes(), most.disk_bytes(), MiB);
  reasons.AddIfOver("log", wanted.log_bytes(), most.log_bytes(), MiB);
  reasons.AddIfOver("virtual CPUs", wanted.vcpus(), most.vcpus(), plain);
  reasons.AddIfOver("processes", wanted.processes(), most.processes(), plain);
  reasons.AddIfOver("wall time", wanted.wall().seconds(), most.wall().seconds(), seconds);
  if (const int64_t most_kept = agent.capabilities.maximum_keep_failed().seconds();
      request.keep_failed().seconds() > most_kept) {
    reasons.Add(Kind::KIND_RESOURCE,
                absl::StrCat("keeps failed environments for ", seconds(most_kept),
                             " at most, the build asks for ", seconds(request.keep_failed().seconds())));
  }
  if (request.network() == v1::NETWORK_OUTBOUND && !agent.capabilities.outbound_network())
    reasons.Add(Kind::KIND_RESOURCE, "lets no build out, and the build asks for network OUTBOUND");
  CheckRoom("memory", agent.free_memory_bytes, wanted.memory_bytes(), MemoryOf(request, agent.capabilities),
            agent, reasons);
  CheckRoom("disk", agent.free_disk_bytes, wanted.disk_bytes(), DiskOf(request, agent.capabilities), agent,
            reasons);
}

std::string DrainedText(const AgentView& agent) {
  std::string text =
      absl::StrCat("is drained since ", absl::FormatTime("%H:%M", agent.drained_at, absl::LocalTimeZone()));
  if (!agent.drain_reason.empty()) absl::StrAppend(&text, ": \"", agent.drain_reason, "\"");
  return text;
}

// Agents whose reasons all pass with time, as "builder-3 is drained since …"; several joined.
std::string Waits(const v1::ExplainPendingResponse& verdicts, const std::string& target) {
  std::vector<std::string> waits;
  for (const v1::AgentVerdict& verdict : verdicts.agents()) {
    const auto& reasons = verdict.reasons();
    if (CanNever({reasons.begin(), reasons.end()}) || reasons.empty()) continue;
    waits.push_back(absl::StrCat(verdict.agent(), " (offers ", target, ") ", reasons[0].message()));
  }
  return absl::StrJoin(waits, "; ");
}

bool EveryAgentHas(const v1::ExplainPendingResponse& verdicts, v1::PendingReason::Kind kind) {
  return std::all_of(
      verdicts.agents().begin(), verdicts.agents().end(), [&](const v1::AgentVerdict& verdict) {
        return std::any_of(verdict.reasons().begin(), verdict.reasons().end(),
                           [&](const v1::PendingReason& reason) { return reason.kind() == kind; });
      });
}

std::string Summary(const v1::ExplainPendingResponse& verdicts, const std::string& target,
                    int builds_before) {
  if (verdicts.agents().empty()) return "no agent has registered with this master yet";
  if (EveryAgentHas(verdicts, Kind::KIND_TARGET)) return absl::StrCat("no agent offers target ", target);
  for (const v1::AgentVerdict& verdict : verdicts.agents()) {
    if (verdict.reasons().empty()) return absl::StrCat(verdict.agent(), " is about to take it");
  }
  const std::string waits = Waits(verdicts, target);
  if (!waits.empty()) {
    if (builds_before == 0) return waits;
    return absl::StrCat(waits, "; ", builds_before, builds_before == 1 ? " build is" : " builds are",
                        " before it");
  }
  if (EveryAgentHas(verdicts, Kind::KIND_LABEL)) return "no agent carries all the required labels";
  for (const v1::AgentVerdict& verdict : verdicts.agents()) {
    const bool right_target =
        std::none_of(verdict.reasons().begin(), verdict.reasons().end(),
                     [](const auto& reason) { return reason.kind() == Kind::KIND_TARGET; });
    if (right_target) {
      return absl::StrCat("no agent meets every requirement; ", verdict.agent(), " (offers ", target, ") ",
                          verdict.reasons(0).message());
    }
  }
  return "no agent meets every requirement";
}

}  // namespace

std::vector<v1::PendingReason> ReasonsAgainst(const v1::BuildRequest& request, const AgentView& agent) {
  Reasons reasons;
  CheckTarget(request, agent.capabilities, reasons);
  CheckLabels(request, agent.capabilities, reasons);
  CheckResources(request, agent, reasons);
  if (agent.drained) reasons.Add(Kind::KIND_DRAINED, DrainedText(agent));
  if (!agent.connected) {
    reasons.Add(Kind::KIND_OFFLINE, "is not connected");
  } else if (agent.free_slots <= 0) {
    reasons.Add(Kind::KIND_BUSY, absl::StrFormat("is busy: %d of %d slots are taken",
                                                 agent.capabilities.slots(), agent.capabilities.slots()));
  }
  if (agent.connected && agent.refused_for > absl::ZeroDuration()) {
    reasons.Add(Kind::KIND_NOT_READY,
                absl::StrCat("gave it back, to be asked again in ", WholeSeconds(agent.refused_for),
                             agent.refusal.empty() ? "" : ": ", agent.refusal));
  }
  return reasons.Take();
}

bool CanNever(const std::vector<v1::PendingReason>& reasons) {
  return std::any_of(reasons.begin(), reasons.end(), [](const v1::PendingReason& reason) {
    return reason.kind() == Kind::KIND_TARGET || reason.kind() == Kind::KIND_LABEL ||
           reason.kind() == Kind::KIND_RESOURCE;
  });
}

v1::ExplainPendingResponse Explain(const v1::BuildRequest& request, const std::vector<AgentView>& agents,
                                   int builds_before, const std::string& waits) {
  v1::ExplainPendingResponse response;
  for (const AgentView& agent : agents) {
    v1::AgentVerdict* verdict = response.add_agents();
    verdict->set_agent(agent.name);
    for (v1::PendingReason& reason : ReasonsAgainst(request, agent))
      *verdict->add_reasons() = std::move(reason);
  }
  response.set_queue_position(builds_before);
  const std::string agents_say = Summary(response, NameOf(request.target().architecture()), builds_before);
  const bool one_would = std::any_of(response.agents().begin(), response.agents().end(),
                                     [](const v1::AgentVerdict& agent) { return agent.reasons().empty(); });
  if (waits.empty())
    response.set_summary(agents_say);
  else
    response.set_summary(one_would ? waits : absl::StrCat(waits, "; ", agents_say));
  return response;
}

int64_t MemoryOf(const v1::BuildRequest& request, const v1::Capabilities& capabilities) {
  const int64_t asked = request.limits().memory_bytes();
  return asked > 0 ? asked : capabilities.default_limits().memory_bytes();
}

int64_t DiskOf(const v1::BuildRequest& request, const v1::Capabilities& capabilities) {
  const int64_t asked = request.limits().disk_bytes();
  return asked > 0 ? asked : capabilities.default_limits().disk_bytes();
}

std::string WholeSeconds(absl::Duration time) {
  return absl::StrCat(absl::ToInt64Seconds(absl::Ceil(time, absl::Seconds(1))), " s");
}

std::string NameOf(v1::Architecture architecture) {
  const std::string& name = v1::Architecture_Name(architecture);
  if (name.empty()) return absl::StrCat("architecture ", static_cast<int>(architecture));
  return absl::AsciiStrToLower(absl::StripPrefix(name, "ARCHITECTURE_"));
}

}  // namespace rootwright::master
