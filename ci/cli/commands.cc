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
const OptionSpec kAdmin = {"admin", 0, "ADDRESS",
                           "the agent's admin port; default what its state folder's file admin-address says"};
const OptionSpec kQuiet = {"quiet", 'q', nullptr, "print the names alone, one a line"};

std::vector<OptionSpec> SubmitOptions() {
  return {
      {"arch", 'a', "ARCH", "the target's architecture; default that of the branch's platform",
       kArchitectures},
      {"cpu", 0, "MODEL", "QEMU's name of the CPU to emulate, e.g. cortex-a57"},
      {"abi", 0, "ABI", "calling convention; only the usual one of the architecture for now"},
      {"platform", 0, "NAME", "your name of the board, e.g. raspberrypi4"},
      {"isolation", 0, "KIND", "where target code runs; default auto", "auto machine container"},
      {"network", 0, "KIND", "outbound lets the build reach what the host's network does; default none",
       "none outbound"},
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
      {"from-source", 0, nullptr,
       "with Portage: neither take packages from the agent's cache nor keep new ones"},
      {"wall", 0, "TIME", "longest run, e.g. 2h"},
      {"silence", 0, "TIME", "longest time without output or CPU use"},
      {"boot", 0, "TIME", "longest time to the environment's first answer"},
      {"memory", 0, "SIZE", "memory of the environment, e.g. 1GiB"},
      {"disk", 0, "SIZE", "disk the build may fill, e.g. 8GiB"},
      {"vcpus", 0, "N", "virtual CPUs, 1 to 8"},
      {"log-limit", 0, "SIZE", "bytes of log kept"},
      {"processes", 0, "N", "processes in the environment at one time"},
      {"keep-failed", 0, "TIME", "keep the environment for a look inside when the build fails, e.g. 30m"},
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

std::vector<CommandSpec> AccessCommands() {
  return {
      {"build shell",
       "Open a shell in the environment of a build",
       "Of one that runs, beside what it does, or of a failed one that is kept ('build submit "
       "--keep-failed'). "
       "Begins where\n"
       "the build's steps work: in the tree that is built, as soon as there is one. With a terminal on "
       "standard "
       "input the\n"
       "shell has one too; else it has pipes. The exit code is the program's, 128 and the number when a "
       "signal "
       "ended it.\n"
       "What is changed is changed for the build, too.",
       {kBuildId},
       {{"root", 0, nullptr, "in the environment's own root instead"},
        {"working-directory", 'C', "FOLDER", "where it begins; default root's home"}},
       "the program to run instead of a login shell",
       "rootwright build shell 7f3a\n"
       "rootwright build shell 7f3a -- dpkg --audit\n"
       "rootwright build shell 7f3a -- tar -C /etc -c . > etc.tar"},
      {"build ssh",
       "Log into the environment of a build with ssh",
       "Runs a real sshd there, for this connection only, over the way that 'build shell' takes: no network, "
       "no "
       "port, no\n"
       "password. The keys are made for the build and kept below ~/.cache/rootwright. Ends in the tree that "
       "is "
       "built, as\n"
       "'build shell' does. Needs OpenSSH's client here and its server in the environment's image.",
       {kBuildId},
       {},
       "the command to run there, after options of ssh",
       "rootwright build ssh 7f3a\n"
       "rootwright build ssh 7f3a -- make -C /usr/src/app test"},
      {"build ssh-config",
       "Print what ssh, scp, rsync and IDEs need to reach a build",
       "A Host block for OpenSSH's configuration; the host's name is rootwright-ID, with the whole id.",
       {kBuildId},
       {},
       nullptr,
       "rootwright build ssh-config 7f3a > build.cfg && scp -F build.cfg rootwright-7f3a:/etc/motd .\n"
       "rootwright build ssh-config 7f3a >> ~/.ssh/config"},
      {"build ssh-proxy",
       "Speak ssh with a build on standard input and output",
       "What ssh runs as its ProxyCommand; 'build ssh-config' writes that.",
       {kBuildId},
       {},
       nullptr,
       "ssh -o ProxyCommand='rootwright build ssh-proxy 7f3a' root@rootwright-7f3a"},
      {"build release",
       "Give up the environment that a failed build left",
       "Its slot is free again then.",
       {kBuildId},
       {},
       nullptr,
       "rootwright build release 7f3a"},
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

// Those that ask the agent on this host.
std::vector<CommandSpec> ImageCommands() {
  return {
      {"image import",
       "Give the agent on this host a stage of Gentoo to build in",
       "The archive is verified by all that is given, unpacked, and kept under its name for platforms and "
       "builds "
       "that\n"
       "ask for that image. Device nodes are left out. Nothing is kept of an archive that is damaged, not "
       "what "
       "was\n"
       "promised, or for another architecture. FILE.DIGESTS and FILE.sha256 of Gentoo's mirrors are digests, "
       "FILE.asc\n"
       "is a signature; both are signed by the key of Gentoo's release engineering.",
       {{"FILE", Need::kRequired, Kind::kFile, "stage3-….tar.xz, or another archive of a root filesystem"}},
       {{"digest", 0, "DIGEST", "what it must have: sha256:… or sha512:…"},
        {"digests", 0, "FILE", "file with its digests, .DIGESTS or .sha256; with --key when it is signed"},
        {"signature", 0, "FILE", "its signature, .asc; needs --key"},
        {"key", 'k', "FILE", "OpenPGP public keys to trust, binary or armoured"},
        {"unverified", 0, nullptr, "take it on trust, when there is nothing to verify it by"},
        {"name", 'n', "NAME", "what builds call it; default FILE's name without its ends"},
        {"arch", 'a', "ARCH", "refuse it unless it is for this architecture", kArchitectures},
        kAdmin},
       nullptr,
       "rootwright image import stage3-amd64-openrc-20261101T170000Z.tar.xz --signature \\\n"
       "  stage3-amd64-openrc-20261101T170000Z.tar.xz.asc --key gentoo-release.asc --name stage3-amd64\n"
       "rootwright image import stage3-arm64.tar.xz --digest sha256:4be1…"},
      {"image list",
       "List the roots in which the agent on this host builds packages",
       "",
       {},
       {kQuiet, kAdmin},
       nullptr,
       "rootwright image list"},
      {"image remove",
       "Remove such a root",
       "Refused while a build uses it. Rootwright's own are made again when a build needs them.",
       {{"NAME", Need::kRequired, Kind::kImage, "as 'image list' shows it"}},
       {kAdmin},
       nullptr,
       "rootwright image remove stage3-amd64"},
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
    for (const auto& group :
         {BuildCommands(), AccessCommands(), FleetCommands(), ImageCommands(), LocalCommands()})
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
