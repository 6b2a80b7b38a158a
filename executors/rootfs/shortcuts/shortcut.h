#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/architecture.h"
#include "base/clock.h"
#include "debian/apt.h"
#include "executors/environment.h"
#include "executors/rootfs/spec/specification.h"

namespace rootwright {

// What a shortcut works on: the unpacked tree on the host, before any package's script ran.
struct ShortcutContext {
  std::filesystem::path tree;
  Architecture architecture;
  const AptPlan& plan;
  // What is going to be laid over the tree and run in it before packages are configured: a
  // shortcut whose result that could change must do nothing.
  const Specification& specification;
  std::filesystem::path pre_install_overlay;
  OutputSink log;
  Deadline deadline;
  std::stop_token stop;
};

// What a shortcut did.
struct UsedShortcut {
  std::string name;
  // One line for the manifest: what was done, on how much.
  std::string note;
  // Shell lines that take its help out of the tree again, run inside the target after the
  // last package is configured; empty when nothing has to be.
  std::string undo;
  // Packages whose preinst need not run.
  std::vector<std::string> skipped_preinsts;
};

// Work that a package's script would do slowly in the machine, done natively on the host so
// that the result stays the same. Each can be switched off by its name, and everything works
// without it: one that does not fit (other Python, package not there) does nothing. It never
// runs target code and never follows a link of the tree out of it.
class Shortcut {
 public:
  virtual ~Shortcut() = default;
  // "ssh-host-keys".
  virtual std::string name() const = 0;
  // One line for people.
  virtual std::string description() const = 0;
  // Does it; absent: there was nothing to do.
  virtual absl::StatusOr<std::optional<UsedShortcut>> Apply(const ShortcutContext& context) = 0;
};

// All of them, in the order in which they are applied.
std::vector<std::unique_ptr<Shortcut>> AllShortcuts();
// Names of all.
std::vector<std::string> ShortcutNames();

}  // namespace rootwright
