#include "ci/cli/commands.h"

namespace rootwright::cli {
namespace {

using Need = OperandSpec::Need;
using Times = OptionSpec::Times;

constexpr const char* kArchitectures = "amd64 arm64 armhf riscv64 armel";
constexpr const char* kStates = "queued leased preparing running collecting finished";

const OperandSpec kBuildId = {"ID", Need::kRequired, Kind::kBuild,
                              "id of a build; its first characters will do"};
const OperandSpec kAgentName = {"NAME", Need::kRequired, Kind::kAgent,
                                "name of an agent, as 'agent list' shows it"};

const OptionSpec kLog = {"log", 'l', nullptr, "show the log lines of all steps too (plain lines only)"};
const OptionSpec kOutput = {"output", 'o', "FOLDER", "artifacts go to FOLDER/ID; default ./out"};
const OptionSpec kNoDownload = {"no-download", 0, nullptr, "leave the artifacts with the master"};
const OptionSpec kReconnect = {"reconnect-for", 0, "TIME", "how long to look for a lost master; default 10m"};
const OptionSpec kReason = {"reason", 'r', "TEXT", "shown to people"};
const OptionSpec kQuiet = {"quiet", 'q', nullptr, "print the names alone, one a line"};

std::vector<OptionSpec> SubmitOptions() {
  return {
      {"arch", 'a', "ARCH", "the target's architecture; default that of the branch's platform",
       kArchitectures},
      {"cpu", 0, "MODEL", "QEMU's name of the CPU to emulate, e.g. cortex-a57"},
      {"abi", 0, "ABI", "calling convention; only the usual one of the architecture for now"},
      {"platform", 0, "NAME", "your name of the board, e.g. raspberrypi4"},
      {"isolation", 0, "KIND", "where target code runs; default auto", "auto machine container"},
      {"ref", 0, "REF", "branch, tag or commit; default the repository's HEAD"},
      {"path", 0, "FOLDER", "folder within the repository"},
      {"name", 'n', "TEXT", "shown to people; default made from the source"},
      {"label", 0, "KEY=VALUE", "only agents with this label; repeat for more", nullptr, Times::kMany},
      {"priority", 0, "N", "-100 to 100, higher runs first; default 0"},
      {"key", 0, "TEXT", "the same key twice gives the same build, not two"},
      {"format", 0, "FORMAT", "what the result is packed as; repeat for more", "tar.zst tar tar.gz",
       Times::kMany},
      {"disable-shortcut", 0, "NAME", "do without a host shortcut, or 'all'; repeat for more", nullptr,
       Times::kMany},
      {"keep-going", 0, nullptr, "with Portage: go on when a package fails, to learn of all that do"},
      {"wall", 0, "TIME", "longest run, e.g. 2h"},
      {"silence", 0, "TIME", "longest time without output or CPU use"},
      {"boot", 0, "TIME", "longest time to the environment's first answer"},
      {"memory", 0, "SIZE", "memory of the environment, e.g. 1GiB"},
      {"disk", 0, "SIZE", "disk the build may fill, e.g. 8GiB"},
      {"vcpus", 0, "N", "virtual CPUs, 1 to 8"},
      {"log-limit", 0, "SIZE", "bytes of log kept"},
      {"processes", 0, "N", "processes in the environment at one time"},
      {"go-on-for", 0, "TIME", "how long the build goes on when the master stays away"},
      {"afterwards", 0, "WHAT", "what happens then; default keep", "keep stop discard"},
      {"trace-parent", 0, "TEXT", "W3C trace context to pass on"},
      {"command", 0, nullptr, "run the command after '--' instead of building a root filesystem"},
      {"env", 'e', "NAME=VALUE", "environment of the command; repeat for more", nullptr, Times::kMany},
      {"collect", 'c', "FILE", "file the command leaves, to return; repeat for more", nullptr, Times::kMany},
      {"working-directory", 'C', "FOLDER", "where the command runs"},
      {"follow", 'f', nullptr, "show the build until it ends (the default)"},
      {"detach", 'd', nullptr, "print the build's id and leave"},
      kLog,
      kOutput,
      kNoDownload,
      kReconnect,
  };
}

std::vector<CommandSpec> SubmitCommands() {
  return {
      {"build submit",
       "Submit a build and follow it to its end",
       "SPEC is a git URL or a folder of a local git repository that the build host can read. What is built "
       "is what\n"
       "was committed. The artifacts are put into ./out/ID, each verified by its SHA-256. Ctrl-C detaches: "
       "the build\n"
       "goes on; a second Ctrl-C cancels it.",
       {{"SPEC", Need::kOptional, Kind::kFolder, "git URL or local git folder with the specification"}},
       SubmitOptions(),
       "with --command: the program to run and its arguments",
       "rootwright build submit examples/specs/arm64-minimal --arch arm64\n"
       "rootwright build submit https://example.org/specs.git --ref v2 --arch arm64 --detach\n"
       "rootwright build submit --command --arch arm64 --collect result.txt -- sh -c 'uname -m > "
       "result.txt'"},
  };
}

std::vector<CommandSpec> BuildCommands() {
  return {
      {"build watch",
       "Follow a build to its end",
       "Shows what happened so far, then what happens. The exit code is the build's.",
       {kBuildId},
       {kLog,
        kOutput,
        {"download", 0, nullptr, "fetch the artifacts at the end, as 'build submit' does"},
        kReconnect},
       nullptr,
       "rootwright build watch 7f3a\n"
       "rootwright build watch 7f3a --json | jq .event.stepFinished"},
      {"build log",
       "Print the log of a build or of one step",
       "Bytes as the build wrote them. Without STEP all steps in turn, each below a line with its name.",
       {kBuildId, {"STEP", Need::kOptional, Kind::kStep, "name of a step, as 'build show' lists it"}},
       {{"follow", 'f', nullptr, "go on until the step, or the build, ends"},
        {"offset", 0, "BYTES", "begin there; needs STEP"}},
       nullptr,
       "rootwright build log 7f3a install_packages\n"
       "rootwright build log 7f3a --follow"},
      {"build show",
       "Show a build: state, steps, artifacts, reason",
       "",
       {kBuildId},
       {kQuiet},
       nullptr,
       "rootwright build show 7f3a\n"
       "rootwright build show 7f3a --json | jq -r .commit"},
      {"build list",
       "List builds, newest first",
       "",
       {},
       {{"state", 's', "STATE", "only builds in this state; repeat for more", kStates, Times::kMany},
        {"limit", 0, "N", "at most so many; default 50"},
        kQuiet},
       nullptr,
       "rootwright build list\n"
       "rootwright build list --state queued --state running"},
      {"build cancel",
       "Cancel a build",
       "Answers when the wish is stored; 'build watch' shows the end.",
       {kBuildId},
       {kReason},
       nullptr,
       "rootwright build cancel 7f3a --reason 'wrong branch'"},
  };
}

std::vector<CommandSpec> FleetCommands() {
  return {
      {"artifact list",
       "List the artifacts of a build",
       "",
       {kBuildId},
       {kQuiet},
       nullptr,
       "rootwright artifact list 7f3a"},
      {"artifact get",
       "Fetch artifacts and verify them",
       "A fetch that was broken off goes on where it stopped. A file has its own name only once its SHA-256 "
       "agrees.",
       {kBuildId, {"NAME", Need::kOptional, Kind::kArtifact, "one artifact; default all"}},
       {{"output", 'o', "FOLDER", "artifacts go there; default ./out/ID"}, kReconnect},
       nullptr,
       "rootwright artifact get 7f3a\n"
       "rootwright artifact get 7f3a rootfs.tar.zst -o images"},
      {"agent list", "List the agents of the farm", "", {}, {kQuiet}, nullptr, "rootwright agent list"},
      {"agent show",
       "Show what an agent is and can do",
       "",
       {kAgentName},
       {},
       nullptr,
       "rootwright agent show builder-1"},
      {"agent drain",
       "Give an agent no further builds",
       "Builds that it has go on.",
       {kAgentName},
       {kReason},
       nullptr,
       "rootwright agent drain builder-3 --reason 'new disk'"},
      {"agent resume",
       "Give an agent builds again",
       "",
       {kAgentName},
       {},
       nullptr,
       "rootwright agent resume builder-3"},
  };
}

// Those that need no master.
std::vector<CommandSpec> LocalCommands() {
  return {
      {"spec check",
       "Check a specification without building it",
       "SPEC is a folder, looked at as it lies there, or a git URL with '#branch', which is fetched. Says "
       "file, line\n"
       "and column of each mistake and warning. Needs no master. Exit code 2 when there is a mistake.\n"
       "Host shortcuts that 'build submit --disable-shortcut' knows: ca-certificates, idle-preinsts, "
       "maintscript-helper,\n"
       "python-bytecode, ssh-host-keys, systemd-helper; 'all' for every one.",
       {{"SPEC", Need::kOptional, Kind::kFolder, "folder with configuration.yml, or URL#branch; default ."}},
       {{"platform", 0, "NAME", "check it for this platform; default the one that the branch names"},
        {"platforms", 0, "FILE", "platforms to know instead of those that come with the program"},
        {"path", 0, "FOLDER", "folder within SPEC"},
        {"translate", 0, nullptr, "show what the package manager will be given"}},
       nullptr,
       "rootwright spec check .\n"
       "rootwright spec check examples/specs/arm64-minimal --json\n"
       "rootwright spec check https://example.org/specs.git#arm64_gateway --translate"},
      {"spec init",
       "Write a commented example of a specification",
       "Writes configuration.yml, never over one that is there.",
       {{"FOLDER", Need::kOptional, Kind::kFolder,
         "where it goes, made when missing; default the present one"}},
       {{"package-manager", 'p', "KIND", "where packages come from; default apt", "apt portage"}},
       nullptr,
       "rootwright spec init gateway\n"
       "rootwright spec init gateway --package-manager portage"},
      {"doctor",
       "Look at what this host can build, and what is missing",
       "Asks rootwright-agent, which must be beside this program or in PATH. Exit code 1 when a check "
       "failed.",
       {},
       {{"config", 0, "FILE", "the agent's configuration to check with"}},
       nullptr,
       "rootwright doctor\n"
       "rootwright doctor --config /etc/rootwright/agent.textproto"},
      {"completion bash",
       "Print the completion script for bash",
       "",
       {},
       {},
       nullptr,
       "rootwright completion bash > /etc/bash_completion.d/rootwright"},
      {"help",
       "Show all commands, or one",
       "",
       {{"COMMAND", Need::kOptional, Kind::kText, "first word of a command"},
        {"WORD", Need::kOptional, Kind::kText, "second word of a command"}},
       {{"man", 0, nullptr, "print the manual page (roff)"}},
       nullptr,
       "rootwright help build submit\n"
       "rootwright help --man | man -l -"},
  };
}

}  // namespace

const std::vector<CommandSpec>& Commands() {
  static const std::vector<CommandSpec>& commands = *[] {
    auto* all = new std::vector<CommandSpec>(SubmitCommands());
    for (const auto& group : {BuildCommands(), FleetCommands(), LocalCommands()})
      all->insert(all->end(), group.begin(), group.end());
    return all;
  }();
  return commands;
}

const std::vector<OptionSpec>& GlobalOptions() {
  static const std::vector<OptionSpec>& options = *new std::vector<OptionSpec>{
      {"master", 'm', "ADDRESS", "the master; default $ROOTWRIGHT_MASTER, else 127.0.0.1:7420"},
      {"json", 0, nullptr, "one JSON object a line, for programs"},
      {"no-color", 0, nullptr, "no colours; NO_COLOR in the environment does the same"},
      {"help", 'h', nullptr, "show help"},
      {"version", 0, nullptr, "show the version"},
  };
  return options;
}

}  // namespace rootwright::cli
