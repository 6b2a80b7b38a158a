#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "ci/cli/build_view.h"
#include "ci/cli/json_line.h"
#include "ci/cli/master_client.h"
#include "ci/cli/report.h"
#include "ci/cli/session.h"

// The commands about builds that answer at once; following ones are in follow_commands.cc.
namespace rootwright::cli {
namespace {

absl::StatusOr<int64_t> NumberOf(const Session& session, const char* option, int64_t fallback) {
  int64_t number = fallback;
  const std::string text = session.arguments.Get(option);
  if (session.arguments.Has(option) && (!absl::SimpleAtoi(text, &number) || number < 0)) {
    return absl::InvalidArgumentError(
        absl::StrCat(session.arguments.command->words, ": --", option, ": not a whole number: '", text, "'"));
  }
  return number;
}

absl::Status PrintLog(Session& session, BuildClient& client, const v1::ReadLogRequest& request) {
  return client.ReadLog(request, {}, [&](const v1::ReadLogResponse& part) {
    if (session.json) {
      session.out.Write(JsonLine(part));
    } else {
      session.out.Write(part.data());
    }
    return absl::OkStatus();
  });
}

// Every step's log in turn; with follow also of the steps to come.
absl::StatusOr<ExitCode> PrintAllLogs(Session& session, BuildClient& client) {
  const bool follow = session.arguments.Has("follow");
  v1::ReadLogRequest request;
  request.set_build_id(session.arguments.Operand(0));
  request.set_follow(follow);
  int printed = 0;
  for (;;) {
    RW_ASSIGN_OR_RETURN(const v1::Build build, client.Get(request.build_id()));
    const bool finished = build.state() == v1::BUILD_STATE_FINISHED;
    for (; printed < build.steps_size(); ++printed) {
      request.set_step(build.steps(printed).name());
      if (!session.json) session.out.Write(absl::StrCat("== ", Printable(request.step()), " ==\n"));
      RW_RETURN_IF_ERROR(PrintLog(session, client, request));
    }
    if (!follow || finished) return ExitCode::kOk;
    // Waits for the next step: the stream says so, and ends with the build.
    v1::WatchBuildRequest watch;
    watch.set_build_id(build.id());
    watch.set_from_sequence(build.last_sequence() + 1);
    watch.set_attempt(build.attempt());
    watch.set_omit_log_chunks(true);
    const absl::Status status = client.Watch(watch, {}, [&](const v1::WatchBuildResponse& message) {
      const bool next =
          message.event().has_step_started() || message.build().state() == v1::BUILD_STATE_FINISHED;
      return next ? absl::AbortedError("look again") : absl::OkStatus();
    });
    if (!status.ok() && !absl::IsAborted(status)) return status;
  }
}

}  // namespace

absl::StatusOr<ExitCode> BuildLog(Session& session) {
  RW_ASSIGN_OR_RETURN(const auto channel, DialMaster(session.master));
  BuildClient client(channel, session.master);
  RW_ASSIGN_OR_RETURN(const int64_t offset, NumberOf(session, "offset", 0));
  if (session.arguments.operands.size() < 2) {
    if (session.arguments.Has("offset"))
      return absl::InvalidArgumentError("build log: --offset needs a STEP: offsets count in one step's log");
    return PrintAllLogs(session, client);
  }
  v1::ReadLogRequest request;
  request.set_build_id(session.arguments.Operand(0));
  request.set_step(session.arguments.Operand(1));
  request.set_offset(offset);
  request.set_follow(session.arguments.Has("follow"));
  RW_RETURN_IF_ERROR(PrintLog(session, client, request));
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> BuildShow(Session& session) {
  RW_ASSIGN_OR_RETURN(const auto channel, DialMaster(session.master));
  BuildClient client(channel, session.master);
  RW_ASSIGN_OR_RETURN(const v1::Build build, client.Get(session.arguments.Operand(0)));
  if (session.json) {
    session.out.Write(JsonLine(build));
    return ExitCode::kOk;
  }
  if (session.arguments.Has("quiet")) {
    for (const v1::StepSummary& step : build.steps()) session.out.Write(absl::StrCat(step.name(), "\n"));
    return ExitCode::kOk;
  }
  session.out.Write(BuildLines(build, session.clock.Wall(), session.zone));
  if (build.state() == v1::BUILD_STATE_QUEUED) {
    if (const auto why = client.Explain(build.id()); why.ok())
      session.out.Write(WaitingLines(build.id(), *why));
  }
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> BuildList(Session& session) {
  RW_ASSIGN_OR_RETURN(const auto channel, DialMaster(session.master));
  BuildClient client(channel, session.master);
  RW_ASSIGN_OR_RETURN(const int64_t limit, NumberOf(session, "limit", 50));
  v1::ListBuildsRequest request;
  for (const std::string& state : session.arguments.All("state")) {
    v1::BuildState value = v1::BUILD_STATE_UNSPECIFIED;
    v1::BuildState_Parse(absl::StrCat("BUILD_STATE_", absl::AsciiStrToUpper(state)), &value);
    request.add_states(value);
  }
  std::vector<v1::Build> builds;
  while (static_cast<int64_t>(builds.size()) < limit) {
    request.set_page_size(
        static_cast<int32_t>(std::min<int64_t>(500, limit - static_cast<int64_t>(builds.size()))));
    RW_ASSIGN_OR_RETURN(v1::ListBuildsResponse page, client.List(request));
    for (v1::Build& build : *page.mutable_builds()) builds.push_back(std::move(build));
    if (page.next_page_token().empty()) break;
    request.set_page_token(page.next_page_token());
  }
  if (session.json || session.arguments.Has("quiet")) {
    for (const v1::Build& build : builds)
      session.out.Write(session.json ? JsonLine(build) : build.id() + "\n");
  } else if (builds.empty()) {
    session.out.Write("No builds yet. The first: rootwright build submit SPEC --arch arm64\n");
  } else {
    session.out.Write(BuildTable(builds, session.clock.Wall(), session.zone));
  }
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> BuildCancel(Session& session) {
  RW_ASSIGN_OR_RETURN(const auto channel, DialMaster(session.master));
  BuildClient client(channel, session.master);
  RW_ASSIGN_OR_RETURN(const v1::CancelBuildResponse answer,
                      client.Cancel(session.arguments.Operand(0), session.arguments.Get("reason")));
  if (session.json) {
    session.out.Write(JsonLine(answer));
  } else if (answer.already_finished()) {
    session.out.Write(
        absl::StrCat("Build ", answer.build().id(), " had ended before: ", StateText(answer.build()), "\n"));
  } else {
    session.out.Write(absl::StrCat("Build ", answer.build().id(),
                                   " is being cancelled: rootwright build watch ", answer.build().id(),
                                   " shows the end\n"));
  }
  return ExitCode::kOk;
}

}  // namespace rootwright::cli
