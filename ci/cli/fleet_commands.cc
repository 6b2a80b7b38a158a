#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "ci/cli/json_line.h"
#include "ci/cli/master_client.h"
#include "ci/cli/report.h"
#include "ci/cli/session.h"

// The commands about agents, and the list of artifacts.
namespace rootwright::cli {
namespace {

void PrintAgent(Session& session, const v1::Agent& agent) {
  if (session.json) {
    session.out.Write(JsonLine(agent));
  } else {
    session.out.Write(AgentLines(agent, session.zone));
  }
}

}  // namespace

absl::StatusOr<ExitCode> ArtifactList(Session& session) {
  RW_ASSIGN_OR_RETURN(const auto channel, DialMaster(session.master));
  BuildClient client(channel, session.master);
  RW_ASSIGN_OR_RETURN(const v1::ListArtifactsResponse list,
                      client.ListArtifacts(session.arguments.Operand(0)));
  if (session.json || session.arguments.Has("quiet")) {
    for (const v1::Artifact& artifact : list.artifacts()) {
      session.out.Write(session.json ? JsonLine(artifact) : artifact.name() + "\n");
    }
  } else if (list.artifacts().empty()) {
    session.out.Write("This build has no artifacts.\n");
  } else {
    session.out.Write(ArtifactTable({list.artifacts().begin(), list.artifacts().end()}));
  }
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> AgentList(Session& session) {
  RW_ASSIGN_OR_RETURN(const auto channel, DialMaster(session.master));
  FleetClient client(channel, session.master);
  RW_ASSIGN_OR_RETURN(const v1::ListAgentsResponse list, client.List());
  if (session.json || session.arguments.Has("quiet")) {
    for (const v1::Agent& agent : list.agents())
      session.out.Write(session.json ? JsonLine(agent) : agent.name() + "\n");
  } else if (list.agents().empty()) {
    session.out.Write(
        "No agent has registered yet: start rootwright-agent on a build host (docs/agent.md).\n");
  } else {
    session.out.Write(
        AgentTable({list.agents().begin(), list.agents().end()}, session.clock.Wall(), session.zone));
  }
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> AgentShow(Session& session) {
  RW_ASSIGN_OR_RETURN(const auto channel, DialMaster(session.master));
  FleetClient client(channel, session.master);
  RW_ASSIGN_OR_RETURN(const v1::Agent agent, client.Get(session.arguments.Operand(0)));
  PrintAgent(session, agent);
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> AgentDrain(Session& session) {
  RW_ASSIGN_OR_RETURN(const auto channel, DialMaster(session.master));
  FleetClient client(channel, session.master);
  RW_ASSIGN_OR_RETURN(const v1::Agent agent,
                      client.Drain(session.arguments.Operand(0), session.arguments.Get("reason")));
  PrintAgent(session, agent);
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> AgentResume(Session& session) {
  RW_ASSIGN_OR_RETURN(const auto channel, DialMaster(session.master));
  FleetClient client(channel, session.master);
  RW_ASSIGN_OR_RETURN(const v1::Agent agent, client.Resume(session.arguments.Operand(0)));
  PrintAgent(session, agent);
  return ExitCode::kOk;
}

}  // namespace rootwright::cli
