#include "executors/rootfs/shortcuts/idle_preinsts.h"

#include <array>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/file.h"
#include "base/sha256.h"
#include "base/status.h"
#include "executors/rootfs/shortcuts/tree_path.h"

namespace rootwright {
namespace {

// Scripts of Debian 12 with more in them than the patterns below, read and found idle. Not
// among them are libc6's and libpam-modules', which have their questions registered with debconf.
constexpr std::array<absl::string_view, 4> kRead = {{
    // adduser 3.134: acts on "upgrade" only.
    "7f6b6affc5b83a6bbe3c620457d13a96671b8482b9389ebfc393548dff92dff5",
    // e2fsprogs 1.47.0: acts on "upgrade" only.
    "0ac4873d936cbf6ea2c958b686aa5097f82306e1bd50fa6eff1b95337664dac1",
    // ucf 3.0043: acts on "upgrade" and "abort-upgrade" only.
    "b0f60a85a66c50243e5347faf7f0d8fae89bb5c53d028da25f3572beb3ee5809",
    // usrmerge 37: looks whether /usr is a mount of its own, which it is not here.
    "47a56941ebe370c101b000eca9eab6c745bcf47a270cd0f595069c1d2f6f8065",
}};

bool IsUpgradeBlock(absl::string_view line) {
  return absl::StartsWith(line, "if [ \"$1\" = \"install\" ] && [ -n \"$2\" ] ") &&
         absl::EndsWith(line, "; then");
}

}  // namespace

bool IsIdlePreinst(absl::string_view script) {
  const std::string digest = Sha256::Of(script);
  for (absl::string_view read : kRead) {
    if (read == digest) return true;
  }
  if (!absl::StartsWith(script, "#!/bin/sh") && !absl::StartsWith(script, "#! /bin/sh")) return false;
  bool in_block = false;
  for (absl::string_view raw : absl::StrSplit(script, '\n')) {
    const absl::string_view line = absl::StripAsciiWhitespace(raw);
    if (line.empty() || line.front() == '#') continue;
    if (in_block) {
      // Debhelper's blocks are flat: the first "fi" ends them.
      if (absl::StartsWith(line, "if ") || absl::StartsWith(line, "case ")) return false;
      in_block = line != "fi";
      continue;
    }
    in_block = IsUpgradeBlock(line);
    const bool helper = absl::StartsWith(line, "dpkg-maintscript-helper ") &&
                        absl::EndsWith(line, " -- \"$@\"") && line.find_first_of(";&|`$(") == line.find("$@");
    if (!in_block && !helper && line != "set -e" && line != "exit 0") return false;
  }
  return !in_block;
}

namespace {

class IdlePreinsts : public Shortcut {
 public:
  std::string name() const override { return "idle-preinsts"; }
  std::string description() const override {
    return "preinst scripts that do nothing on a new system are not started";
  }

  absl::StatusOr<std::optional<UsedShortcut>> Apply(const ShortcutContext& context) override {
    UsedShortcut used{name(), "", "", {}};
    int others = 0;
    if (!CanBeFolderInTree(context.tree, "/var/lib/dpkg/info")) return std::nullopt;
    for (const DebianPackage& package : context.plan.packages) {
      for (const std::string& qualifier : {std::string(), absl::StrCat(":", package.architecture)}) {
        const absl::StatusOr<std::string> script = ReadFile(
            context.tree / "var/lib/dpkg/info" / absl::StrCat(package.name, qualifier, ".preinst"), 1 << 20);
        if (absl::IsNotFound(script.status())) continue;
        RW_RETURN_IF_ERROR(script.status());
        if (IsIdlePreinst(*script))
          used.skipped_preinsts.push_back(package.name);
        else
          ++others;
      }
    }
    if (used.skipped_preinsts.empty()) return std::nullopt;
    used.note = absl::StrCat(used.skipped_preinsts.size(), " of ", used.skipped_preinsts.size() + others,
                             " preinst scripts left out");
    return used;
  }
};

}  // namespace

std::unique_ptr<Shortcut> MakeIdlePreinsts() { return std::make_unique<IdlePreinsts>(); }

}  // namespace rootwright
