#include "ci/master/shells.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/random.h"
#include "base/status.h"
#include "ci/master/turn.h"
#include "proto/proto_time.h"

namespace rootwright::master {
namespace {

constexpr absl::Duration kDialLimit = absl::Seconds(20);

// OK when the build may have an environment now.
absl::Status CheckState(const v1::Build& build, absl::Time now) {
  switch (build.state()) {
    case v1::BUILD_STATE_FINISHED:
      if (build.has_kept_until() && FromProto(build.kept_until()) > now) return absl::OkStatus();
      return absl::FailedPreconditionError(absl::StrCat(
          "shell: build ", build.id(), " has ended, and its environment with it",
          build.has_kept_until() ? ", which was kept for a while"
                                 : "; 'build submit --keep-failed 30m' keeps that of a build that fails"));
    case v1::BUILD_STATE_PREPARING:
    case v1::BUILD_STATE_RUNNING:
    case v1::BUILD_STATE_COLLECTING:
      return absl::OkStatus();
    default:
      return absl::FailedPreconditionError(
          absl::StrCat("shell: build ", build.id(), " has not begun: it has no environment yet"));
  }
}

}  // namespace

absl::StatusOr<std::shared_ptr<ShellRelay>> Shells::Open(const v1::ShellStart& start,
                                                         std::weak_ptr<Waker> caller) {
  RW_ASSIGN_OR_RETURN(const v1::Build build, builds_.Get(start.build_id()));
  RW_RETURN_IF_ERROR(CheckState(build, farm_.clock.Wall()));
  auto relay = std::make_shared<ShellRelay>();
  relay->to_caller.SetReader(std::move(caller));
  v1::AttachResponse message;
  v1::OpenShell& asked = *message.mutable_open_shell();
  asked.set_shell_id(RandomHex(32));
  asked.set_build_id(build.id());
  *asked.mutable_command() = start.command();
  {
    MutexLock lock(mutex_);
    awaited_.insert_or_assign(asked.shell_id(), Awaited{relay, Deadline::In(kDialLimit, farm_.clock.Now())});
  }
  Turn turn(farm_);
  const auto agent = turn.agents().find(build.agent());
  if (agent == turn.agents().end() || agent->second.session == nullptr) {
    MutexLock lock(mutex_);
    awaited_.erase(asked.shell_id());
    return absl::UnavailableError(absl::StrCat("shell: agent ", build.agent(), ", which has build ",
                                               build.id(), ", is not connected now"));
  }
  turn.Send(*agent->second.session, std::move(message));
  return relay;
}

absl::StatusOr<std::shared_ptr<ShellRelay>> Shells::Serve(const std::string& shell_id,
                                                          std::weak_ptr<Waker> agent) {
  std::shared_ptr<ShellRelay> relay;
  {
    MutexLock lock(mutex_);
    const auto found = awaited_.find(shell_id);
    if (found == awaited_.end()) return absl::NotFoundError("shell: nobody waits for it");
    relay = std::move(found->second.relay);
    awaited_.erase(found);
  }
  relay->to_agent.SetReader(std::move(agent));
  return relay;
}

void Shells::Tick() {
  std::vector<std::shared_ptr<ShellRelay>> late;
  {
    MutexLock lock(mutex_);
    std::erase_if(awaited_, [&](const auto& entry) {
      if (!entry.second.until.Passed(farm_.clock.Now())) return false;
      late.push_back(entry.second.relay);
      return true;
    });
  }
  for (const auto& relay : late) {
    relay->to_caller.Close(absl::UnavailableError("shell: the agent does not answer"));
    relay->to_agent.Close(absl::OkStatus());
  }
}

}  // namespace rootwright::master
