#pragma once

#include <stop_token>
#include <string>

#include "agent/config.h"
#include "executors/executor.h"
#include "rootwright/v1/agent.pb.h"

namespace rootwright {

// What this host can do, and what it lacks: the executor's findings, disk and memory, within what the
// configuration allows.
struct HostFacts {
  HostReport report;
  v1::Capabilities capabilities;
};

// Takes some seconds when a machine is booted to see whether KVM works.
HostFacts InspectHost(const AgentConfig& config, Executor& executor, std::stop_token stop);

v1::HostCheck ToProto(const HostCheck& check);

// {"checks": [{"name", "result", "finding", "remedy"}], "targets": [{"architecture", "isolation", "accelerated"}]}
std::string ToJson(const HostFacts& facts);
// The same for people, a line a finding.
std::string ToText(const HostFacts& facts);

}  // namespace rootwright
