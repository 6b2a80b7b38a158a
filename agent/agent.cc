#include "agent/agent.h"

#include <unistd.h>

#include <chrono>
#include <ctime>
#include <functional>
#include <random>
#include <set>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "agent/admin/admin_server.h"
#include "agent/build/builds.h"
#include "agent/build/drain.h"
#include "agent/build/host_routines.h"
#include "agent/build/slots.h"
#include "agent/host_watch.h"
#include "agent/journal/journals.h"
#include "agent/link/artifact_uploader.h"
#include "agent/link/link.h"
#include "agent/link/master_channel.h"
#include "agent/link/session.h"
#include "agent/link/shells.h"
#include "agent/state_lock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/random.h"
#include "base/status.h"
#include "base/version.h"
#include "base/wait.h"
#include "executors/container/mounts.h"
#include "executors/rootfs/portage/binary_package_cache.h"

namespace rootwright {
namespace {

constexpr absl::Duration kHealthInterval = absl::Seconds(2);
// From asking the builds to end until the machines are ended without them.
constexpr absl::Duration kEndLimit = absl::Seconds(30);
// For the last events to reach the master.
constexpr absl::Duration kDeliverLimit = absl::Seconds(3);

// Removes what an earlier life left, machines apart; its builds are told as infrastructure errors.
absl::Status RemoveLeftovers(const StatePaths& paths, Journals& journals) {
  Builds::FinishAbandoned(journals, Clock::Real());
  // Roots of containers, also while no libvirt is there: what is below a mount must not be removed through
  // it.
  RW_RETURN_IF_ERROR(UnmountBelow(paths.work()));
  std::error_code error;
  std::filesystem::remove_all(paths.work(), error);
  if (error) return ErrnoStatus(error.value(), "remove", paths.work().string());
  return MakeFolders(paths.work());
}

absl::StatusOr<RootfsHost> MakeRootfsHost(const AgentConfig& config, const HostParts& host) {
  RootfsHost rootfs;
  rootfs.package_cache = config.package_folder;
  rootfs.apt_mirror = config.apt_mirror;
  rootfs.apt_keyring = config.apt_keyring;
  rootfs.programs = host.programs;
  rootfs.build_roots = host.roots.get();
  rootfs.distfile_cache = config.distfile_folder;
  const StatePaths paths(config.state_folder);
  rootfs.build_times = paths.build_times();
  if (const AgentConfig::BinaryPackages& packages = config.binary_packages; !packages.off) {
    RW_ASSIGN_OR_RETURN(rootfs.binary_packages,
                        BinaryPackageCache::Create({packages.folder, packages.quota_bytes,
                                                    paths.binary_package_key(), packages.trusted_keys}));
    RW_RETURN_IF_ERROR(WriteFileAtomically(paths.binary_package_key().string() + ".pub",
                                           rootfs.binary_packages->public_key() + "\n"));
  }
  for (const AgentConfig::Repository& repository : config.portage_repositories)
    rootfs.repositories.push_back({repository.name, repository.folder});
  if (!config.platforms_file.empty()) {
    RW_ASSIGN_OR_RETURN(const std::string text, ReadFile(config.platforms_file, 1 << 20));
    RW_ASSIGN_OR_RETURN(rootfs.platforms, ParsePlatforms(text, config.platforms_file.string()));
  }
  return rootfs;
}

std::set<BuildTarget> TargetsOf(const HostReport& report) {
  std::set<BuildTarget> targets;
  for (const auto& target : report.targets) targets.insert({target.architecture, target.isolation});
  return targets;
}

}  // namespace

// In the order of making; each refers to those before it.
struct Agent::Parts {
  Parts(const AgentConfig& with, HostParts host_parts, RootfsHost rootfs, UniqueFd held)
      : config(with),
        paths(with.state_folder),
        host(std::move(host_parts)),
        watch(config, *host.executors, Clock::Real()),
        lock(std::move(held)),
        drain(doorbell),
        slots({config.slots, MemoryForBuilds(config), [this] { return FreeBytes(paths.state()); }}),
        channel(MasterChannel::Create(config.master)),
        uploader(*channel, SleepFor),
        routines(std::move(rootfs), host.executors->of(Isolation::kMachine),
                 host.executors->of(Isolation::kContainer)) {}

  v1::Capabilities Capabilities() const {
    v1::Capabilities capabilities = watch.capabilities();
    for (const std::string& name : host.roots->store().Names()) capabilities.add_build_roots(name);
    return capabilities;
  }

  const AgentConfig config;
  const StatePaths paths;
  HostParts host;
  HostWatch watch;
  UniqueFd lock;
  Doorbell doorbell;
  std::unique_ptr<Journals> journals;
  Drain drain;
  Slots slots;
  std::unique_ptr<MasterChannel> channel;
  ArtifactUploader uploader;
  HostRoutines routines;
  std::unique_ptr<Builds> builds;
  std::unique_ptr<Shells> shells;
  std::unique_ptr<Session> session;
  std::unique_ptr<Link> link;
  std::unique_ptr<AdminServer> admin;
  absl::Status link_end;
  std::jthread health;
};

Agent::Agent(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

Agent::~Agent() {
  std::error_code error;
  std::filesystem::remove(parts_->paths.admin_address(), error);
}

absl::StatusOr<std::unique_ptr<Agent>> Agent::Start(const AgentConfig& config, HostParts host) {
  const StatePaths paths(config.state_folder);
  RW_ASSIGN_OR_RETURN(UniqueFd lock, LockState(paths));
  RW_ASSIGN_OR_RETURN(RootfsHost rootfs, MakeRootfsHost(config, host));
  auto parts = std::make_unique<Parts>(config, std::move(host), std::move(rootfs), std::move(lock));
  Parts& p = *parts;
  // Machines of an earlier life end here, before their files go.
  p.watch.Look();
  RW_ASSIGN_OR_RETURN(p.journals, Journals::Open(paths, p.doorbell));
  RW_RETURN_IF_ERROR(RemoveLeftovers(paths, *p.journals));
  RW_RETURN_IF_ERROR(p.host.roots->store().RemoveLeftovers());
  p.builds = std::make_unique<Builds>(
      *p.journals, p.slots, p.drain, paths,
      BuildPolicy{FillLimits(config.default_limits, {}), FillLimits(config.maximum_limits, LargestLimits()),
                  TargetsOf(p.watch.report()), config.maximum_keep_failed, p.watch.report().outbound_network},
      Build::Host{p.routines, p.uploader, Clock::Real(), WatchdogSettings{}}, p.doorbell,
      [&p](Isolation isolation) { return p.watch.Health(isolation); });
  p.shells = std::make_unique<Shells>(*p.channel, *p.builds);
  p.session = std::make_unique<Session>(
      AgentIdentity{config.name, RandomHex(32), kVersion, [&p] { return p.Capabilities(); }}, *p.journals,
      *p.builds, p.drain, *p.shells, Clock::Real());
  // It tells the admin port only while it runs.
  p.link = std::make_unique<Link>(*p.session, *p.channel, p.doorbell, Clock::Real(),
                                  Backoff(absl::Milliseconds(100), absl::Seconds(5), std::random_device()()),
                                  [&p](bool linked) { p.admin->SetHealth("link", linked); });
  AgentFacts facts{config.name,
                   kVersion,
                   config.master,
                   Clock::Real().Wall(),
                   [&p] { return p.Capabilities(); },
                   [&p] {
                     std::vector<HostCheck> checks = p.watch.report().checks;
                     checks.push_back(p.host.roots->Check());
                     return checks;
                   },
                   [&p] { return p.link->linked(); }};
  RW_ASSIGN_OR_RETURN(p.admin, AdminServer::Start(config.admin_listen, std::move(facts), *p.builds, p.drain,
                                                  ImageAdmin{p.host.roots->store(), p.host.programs,
                                                             paths.work(), [&p] { p.link->Redial(); }}));
  p.admin->SetHealth("link", false);
  const auto look = [&p] {
    const HostWatch::Sight sight = p.watch.Look();
    if (sight.changed) {
      p.builds->SetTargets(TargetsOf(p.watch.report()));
      p.link->Redial();
    }
    p.admin->SetHealth("libvirt", sight.libvirt.ok());
    p.admin->SetHealth("disk", CheckDisk(p.config).ok());
  };
  look();
  p.health = std::jthread([look](std::stop_token stop) {
    while (SleepFor(kHealthInterval, stop).ok()) look();
  });
  RW_RETURN_IF_ERROR(WriteFileAtomically(paths.admin_address(), absl::StrCat(p.admin->address(), "\n")));
  spdlog::info("rootwright-agent {} '{}': admin port {}, master {}", kVersion, config.name,
               p.admin->address(), config.master);
  return std::unique_ptr<Agent>(new Agent(std::move(parts)));
}

absl::Status Agent::Run(const sigset_t& signals) {
  Parts& p = *parts_;
  std::jthread link([&p](std::stop_token stop) {
    p.link_end = p.link->Run(stop);
    // The same way out as for a signal.
    if (!p.link_end.ok()) kill(getpid(), SIGTERM);
  });
  int signal = 0;
  sigwait(&signals, &signal);
  spdlog::info("ending: no new builds");
  p.drain.Start(Drain::By::kShutdown, "the agent ends");
  EndBuilds(signals);
  link.request_stop();
  p.doorbell.Ring();
  link.join();
  return p.link_end;
}

void Agent::EndBuilds(const sigset_t& signals) {
  Parts& p = *parts_;
  bool forced = false;
  // True when `done` within the limit; a further signal ends every wait.
  const auto wait = [&](absl::Duration limit, const std::function<bool()>& done) {
    const Deadline deadline = Deadline::In(limit);
    const timespec look = {0, 20'000'000};
    while (!done() && !deadline.Passed() && !forced) forced = sigtimedwait(&signals, nullptr, &look) > 0;
    return done();
  };
  const auto none_runs = [&] { return p.builds->running() == 0; };
  wait(p.config.shutdown_grace, none_runs);
  p.builds->EndAll(Infrastructure(v1::INFRASTRUCTURE_ERROR_CODE_AGENT, true,
                                  absl::StrCat("build: agent ", p.config.name, ": it was told to end")));
  if (!wait(kEndLimit, none_runs)) {
    spdlog::warn("ending: by force");
    for (const Isolation isolation : kIsolations) p.host.executors->of(isolation).Reap({}).IgnoreError();
    // The rest is removed at the next start; threads that hang are not waited for.
    std::_Exit(1);
  }
  wait(kDeliverLimit, [&] { return p.journals->All().empty() || !p.link->linked(); });
}

}  // namespace rootwright
