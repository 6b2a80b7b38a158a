#include <sys/stat.h>

#include <algorithm>
#include <map>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/file.h"
#include "base/status.h"
#include "executors/command/command_steps.h"

namespace rootwright {
namespace {

constexpr int64_t kLargestFile = 64 << 20;
// Well below what one command may take (GuestChannel::Run).
constexpr size_t kArgumentBytes = 64 << 10;

class RunCommand : public Step {
 public:
  explicit RunCommand(CommandState& state) : state_(state) {}
  std::string name() const override { return "run_command"; }
  Place place() const override { return Place::kEnvironment; }

  absl::StatusOr<StepResult> Apply(StepContext& context) override {
    RW_RETURN_IF_ERROR(MakeWorkingFolder(context));
    if (!state_.source.commit.empty()) {
      RW_ASSIGN_OR_RETURN(const StepResult put, PutSource(context));
      if (!put.ok()) return put;
    }
    EnvironmentCommand command;
    command.argv = state_.request.argv;
    command.variables = {{"PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
                         {"HOME", "/root"},
                         {"LANG", "C.UTF-8"}};
    for (const auto& [key, value] : state_.request.variables) command.variables[key] = value;
    command.working_directory = state_.working_directory();
    RW_ASSIGN_OR_RETURN(
        const CommandResult ran,
        state_.preparation.environment->Run(command, context.LogSink(), context.deadline, context.stop));
    StepResult result;
    result.cpu = ran.cpu;
    result.peak_memory_bytes = ran.peak_memory_bytes;
    result.exit_code = ran.exit_code;
    result.signal = ran.signal;
    if (!ran.ok()) {
      result.failure = absl::StrCat(command.argv.front(), ": ",
                                    ran.signal != 0 ? absl::StrCat("ended by signal ", ran.signal)
                                                    : absl::StrCat("exit ", ran.exit_code),
                                    ran.cause.empty() ? "" : ": ", ran.cause);
    }
    return result;
  }

 private:
  Environment& environment() { return *state_.preparation.environment; }

  absl::Status MakeWorkingFolder(StepContext& context) {
    EnvironmentCommand command;
    command.argv = {"/bin/mkdir", "-p", "--", state_.working_directory()};
    command.variables = {{"PATH", "/usr/bin:/bin"}};
    RW_ASSIGN_OR_RETURN(const CommandResult made,
                        environment().Run(command, context.LogSink(), context.deadline, context.stop));
    if (made.ok()) return absl::OkStatus();
    return absl::InternalError(
        absl::StrCat("make the working folder: ", state_.working_directory(), ": exit ", made.exit_code));
  }

  // File by file: sources of commands are small. Links are made by one command at the end, so
  // that no file is written through one.
  absl::StatusOr<StepResult> PutSource(StepContext& context) {
    std::vector<std::string> links;
    std::error_code error;
    auto entry = std::filesystem::recursive_directory_iterator(state_.source.folder, error);
    for (; !error && entry != std::filesystem::recursive_directory_iterator(); entry.increment(error)) {
      const std::filesystem::path path = entry->path();
      const std::string relative = path.lexically_relative(state_.source.folder).string();
      if (relative == ".git") {
        entry.disable_recursion_pending();
        continue;
      }
      if (entry->is_symlink()) {
        links.push_back(std::filesystem::read_symlink(path, error).string());
        links.push_back(relative);
        continue;
      }
      if (!entry->is_regular_file()) continue;
      const std::uintmax_t size = entry->file_size(error);
      if (static_cast<int64_t>(size) > kLargestFile) {
        return StepResult::Failed(absl::StrCat("put source: ", relative, ": larger than 64 MiB"));
      }
      RW_ASSIGN_OR_RETURN(const std::string content, ReadFile(path, kLargestFile));
      const bool executable = (entry->status().permissions() & std::filesystem::perms::owner_exec) !=
                              std::filesystem::perms::none;
      context.reporter.Progress({0, 0, "copying", relative});
      RW_RETURN_IF_ERROR(environment().PutFile(absl::StrCat(state_.working_directory(), "/", relative),
                                               executable ? 0755 : 0644, content, context.deadline,
                                               context.stop));
    }
    if (error) return ErrnoStatus(error.value(), "read", state_.source.folder.string());
    RW_RETURN_IF_ERROR(MakeLinks(links, context));
    return StepResult{};
  }

  // `links` are pairs of target and name. One command makes as many as its arguments hold.
  absl::Status MakeLinks(const std::vector<std::string>& links, StepContext& context) {
    EnvironmentCommand command;
    const std::vector<std::string> start = {
        "/bin/sh", "-ec",
        "while [ $# -gt 0 ]; do mkdir -p \"$(dirname \"./$2\")\"; ln -s -- \"$1\" \"./$2\"; shift 2; done",
        "links"};
    command.variables = {{"PATH", "/usr/bin:/bin"}};
    command.working_directory = state_.working_directory();
    for (size_t next = 0; next < links.size();) {
      command.argv = start;
      for (size_t bytes = 0; next < links.size() && bytes < kArgumentBytes; next += 2) {
        command.argv.insert(command.argv.end(), {links[next], links[next + 1]});
        bytes += links[next].size() + links[next + 1].size();
      }
      RW_ASSIGN_OR_RETURN(const CommandResult made,
                          environment().Run(command, context.LogSink(), context.deadline, context.stop));
      if (!made.ok())
        return absl::InternalError(absl::StrCat("make the source's links: exit ", made.exit_code));
    }
    return absl::OkStatus();
  }

  CommandState& state_;
};

}  // namespace

std::unique_ptr<Step> MakeRunCommand(CommandState& state) { return std::make_unique<RunCommand>(state); }

}  // namespace rootwright
