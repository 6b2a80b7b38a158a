#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/subprocess.h"
#include "ci/cli/host_report.h"
#include "ci/cli/session.h"
#include "executors/rootfs/spec/specification.h"

// The commands that need no master: `spec check` and `doctor`.
namespace rootwright::cli {
namespace {

std::string ProblemJson(const SpecProblem& problem) {
  nlohmann::ordered_json line;
  line["file"] = problem.file;
  line["line"] = problem.line;
  line["column"] = problem.column;
  line["message"] = problem.message;
  line["hint"] = problem.hint;
  using nlohmann::ordered_json;
  // A specification need not be UTF-8; JSON must.
  return line.dump(-1, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

// Control characters of the specification's own lines must not reach a terminal.
std::string SafeLines(absl::string_view text) {
  std::string out;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    absl::StrAppend(&out, Printable(text.substr(0, end)), "\n");
    text = end == absl::string_view::npos ? absl::string_view() : text.substr(end + 1);
  }
  return out;
}

// Beside this program, as builds and packages put it, else by PATH.
std::string AgentProgram() {
  std::error_code error;
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", error);
  const std::filesystem::path beside = self.parent_path() / "rootwright-agent";
  return !error && access(beside.c_str(), X_OK) == 0 ? beside.string() : "rootwright-agent";
}

}  // namespace

absl::StatusOr<ExitCode> SpecCheck(Session& session) {
  const std::string given = session.arguments.Operand(0);
  const std::filesystem::path folder = given.empty() ? "." : given;
  std::error_code error;
  if (!std::filesystem::is_directory(folder, error)) {
    return absl::NotFoundError(absl::StrCat("check specification: no such folder: ", folder.string()));
  }
  const ParsedSpecification parsed = LoadSpecification(folder);
  const size_t count = parsed.problems.size();
  if (session.json) {
    for (const SpecProblem& problem : parsed.problems) session.out.Write(ProblemJson(problem));
    if (parsed.ok()) {
      nlohmann::ordered_json good;
      good["packages"] = parsed.specification.packages.size();
      session.out.Write(good.dump() + "\n");
    }
  } else if (parsed.ok()) {
    session.out.Write(absl::StrCat("This specification is good: ", parsed.specification.packages.size(),
                                   " packages asked.\n"));
  } else {
    session.out.Write(SafeLines(FormatProblems(parsed.problems)));
    session.out.Write(absl::StrCat(count, count == 1 ? " error" : " errors", ". Nothing was built.\n"));
  }
  return parsed.ok() ? ExitCode::kOk : ExitCode::kBadInput;
}

absl::StatusOr<ExitCode> Doctor(Session& session) {
  SubprocessSpec agent;
  agent.argv = {AgentProgram(), "--check-host", "--json"};
  if (session.arguments.Has("config"))
    agent.argv.push_back(absl::StrCat("--config=", session.arguments.Get("config")));
  const auto result = RunSubprocess(agent, Deadline::In(absl::Minutes(2)), {});
  if (absl::IsNotFound(result.status())) {
    return absl::UnavailableError(
        "check this host: rootwright-agent: not found beside rootwright nor in PATH: install it on this "
        "host, or run doctor on the build host");
  }
  RW_RETURN_IF_ERROR(Annotate(result.status(), "check this host"));
  const auto report = ParseHostReport(result->output);
  if (!report.ok()) {
    return result->error_output.empty()
               ? report.status()
               : absl::InternalError(absl::StrCat("check this host: rootwright-agent: ",
                                                  Printable(result->error_output.substr(0, 2000))));
  }
  if (session.json) {
    // One line, as from every other command.
    session.out.Write(nlohmann::ordered_json::parse(result->output).dump() + "\n");
  } else {
    session.out.Write(HostReportLines(*report));
  }
  return report->ok() ? ExitCode::kOk : ExitCode::kBuildFailed;
}

}  // namespace rootwright::cli
