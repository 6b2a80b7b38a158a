#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/architecture.h"
#include "executors/environment.h"

namespace rootwright {

// What keeps a build apart from the host: a machine with a kernel of its own, or a container on the host's.
enum class Isolation { kMachine, kContainer };

// What a build reaches from its environment: its own loopback alone, or, through the host's user-mode
// network, what the host's network reaches as well (executors/network).
enum class Network { kNone, kOutbound };

// What an environment is to have. All set by the build; zero is not "default" here.
struct EnvironmentSpec {
  // Names everything that is made: domain, overlay, sockets.
  std::string build_id;
  Architecture architecture = Architecture::kAmd64;
  // QEMU's name; empty: the executor's default for the architecture.
  std::string cpu_model;
  int vcpus = 1;
  int64_t memory_bytes = 0;
  // What the build may write in the environment.
  int64_t disk_bytes = 0;
  int processes = 4096;
  Network network = Network::kNone;
  // An existing folder of the build's own on the host; everything is made in it. Other users may have to pass
  // it: QEMU runs as one.
  std::filesystem::path work_folder;
  // An existing folder in it, mode 0700: what a build makes there, such as a tree with set-user-ID programs
  // and devices, is nobody else's on this host to see or to run.
  std::filesystem::path private_folder() const { return work_folder / "private"; }
};

// The image that environments of one architecture start from.
struct ImageInfo {
  // E.g. "debian-12-arm64".
  std::string name;
  // SHA-256 over recipe and content; in the manifest of every result.
  std::string digest;
  // Of the machine's kernel, e.g. "6.1.0-50-cloud-arm64"; empty where the environment has none of its own.
  std::string kernel_release;
};

// How far something slow is: `done` of `total` (0 when not known) of `phase`, at `item`.
struct ProgressUpdate {
  enum class Unit { kItems, kBytes };
  int64_t done = 0;
  int64_t total = 0;
  std::string phase;
  std::string item;
  Unit unit = Unit::kItems;
  // The time still needed, where the step knows better than its counts tell.
  std::optional<absl::Duration> estimate = {};
};
using ProgressSink = std::function<void(const ProgressUpdate&)>;

// One thing that a host needs or likes to have.
struct HostCheck {
  enum class Result { kOk, kDegraded, kFailed };
  // E.g. "libvirt", "arm64 machines", "disk".
  std::string name;
  Result result = Result::kOk;
  // What was found, one line.
  std::string finding;
  // What to do, e.g. a command; empty when all is well.
  std::string remedy;
};

// What an executor found on its host.
struct HostReport {
  struct Target {
    Architecture architecture;
    // A guest was really seen to boot under KVM.
    bool accelerated = false;
    Isolation isolation = Isolation::kMachine;
  };
  std::vector<HostCheck> checks;
  std::vector<Target> targets;
  // Builds may have Network::kOutbound.
  bool outbound_network = false;
};

// Makes environments of one kind on this host. Calls may come from several threads.
class Executor {
 public:
  virtual ~Executor() = default;

  // Has the image ready and verified, making it first if it is not there.
  virtual absl::StatusOr<ImageInfo> PrepareImage(Architecture architecture, const ProgressSink& progress,
                                                 const OutputSink& log, std::stop_token stop) = 0;

  // Makes overlay and definition; nothing runs yet. ResourceExhausted, with figures, when
  // the host has no room for it.
  virtual absl::StatusOr<std::unique_ptr<Environment>> CreateEnvironment(const EnvironmentSpec& spec) = 0;

  // Ends and removes what exists on the host for builds not in `keep`; returns the ids of
  // those builds.
  virtual absl::StatusOr<std::vector<std::string>> Reap(const std::set<std::string>& keep) = 0;

  // Looks the host over; may take some seconds.
  virtual HostReport Inspect(std::stop_token stop) = 0;

  // Whether the host's side (libvirt) answers now; quick.
  virtual absl::Status CheckHealth() = 0;
};

}  // namespace rootwright
