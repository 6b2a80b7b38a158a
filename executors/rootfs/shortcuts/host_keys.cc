#include "executors/rootfs/shortcuts/host_keys.h"

#include <algorithm>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/status.h"
#include "base/subprocess.h"
#include "executors/rootfs/shortcuts/tree_path.h"

namespace rootwright {
namespace {

bool IsThere(const std::filesystem::path& path) {
  std::error_code ignored;
  return std::filesystem::exists(std::filesystem::symlink_status(path, ignored));
}

class HostKeys : public Shortcut {
 public:
  std::string name() const override { return "ssh-host-keys"; }
  std::string description() const override {
    return "the keys that openssh-server's script asks for are made on the host";
  }

  absl::StatusOr<std::optional<UsedShortcut>> Apply(const ShortcutContext& context) override {
    const auto& packages = context.plan.packages;
    if (std::none_of(packages.begin(), packages.end(),
                     [](const DebianPackage& package) { return package.name == "openssh-server"; })) {
      return std::nullopt;
    }
    if (!CanBeFolderInTree(context.tree, "/etc/ssh")) return std::nullopt;
    const std::filesystem::path folder = context.tree / "etc/ssh";
    RW_RETURN_IF_ERROR(MakeFolders(folder));
    for (const char* type : {"rsa", "ecdsa", "ed25519"}) {
      const std::filesystem::path key = folder / absl::StrCat("ssh_host_", type, "_key");
      // Also a link: ssh-keygen would write through it.
      if (IsThere(key) || IsThere(key.string() + ".pub")) continue;
      SubprocessSpec spec;
      spec.argv = {"ssh-keygen", "-q", "-N", "", "-C", "", "-t", type, "-f", key.string()};
      const absl::StatusOr<SubprocessResult> made = RunSubprocess(spec, context.deadline, context.stop);
      // Without the program on the host the package's script does it.
      if (absl::IsNotFound(made.status())) return std::nullopt;
      RW_RETURN_IF_ERROR(made.status());
      if (!made->ok()) return std::nullopt;
    }
    return UsedShortcut{name(), "rsa, ecdsa and ed25519 keys", "", {}};
  }
};

}  // namespace

std::unique_ptr<Shortcut> MakeHostKeys() { return std::make_unique<HostKeys>(); }

}  // namespace rootwright
