#include <filesystem>
#include <functional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/status.h"
#include "executors/rootfs/rootfs_steps.h"
#include "executors/rootfs/target_command.h"

namespace rootwright {
namespace {

// What belongs to the making of a root filesystem and not to what it is. Keys and machine
// identity go, too: every device that boots from the result must make its own (systemd does
// it for an empty /etc/machine-id).
constexpr char kCleanUp[] =
    R"(rm -rf "$R"/.rootwright "$R"/var/lib/apt/lists/*_* "$R"/var/lib/apt/lists/.??* \
  "$R"/var/lib/apt/lists/auxfiles "$R"/var/lib/apt/lists/lock "$R"/var/lib/apt/lists/partial/* "$R"/var/cache/apt/*.bin \
  "$R"/var/cache/apt/archives/*.deb "$R"/var/log/apt/* "$R"/var/log/bootstrap.log "$R"/var/log/alternatives.log "$R"/var/log/dpkg.log \
  "$R"/var/lib/dpkg/*-old "$R"/var/cache/debconf/*-old "$R"/var/cache/ldconfig/aux-cache "$R"/etc/*- "$R"/var/lib/systemd/random-seed \
  "$R"/var/lib/dbus/machine-id "$R"/tmp/* "$R"/var/tmp/*
for entry in "$R"/run/*; do
  [ "$entry" = "$R"/run/lock ] || rm -rf "$entry" 2>/dev/null || :
done
for log in "$R"/var/log/lastlog "$R"/var/log/faillog "$R"/var/log/wtmp "$R"/var/log/btmp; do
  if [ -f "$log" ]; then : > "$log"; fi
done
if [ -f "$R"/etc/machine-id ]; then : > "$R"/etc/machine-id; fi
)";

// Keys that the packages' scripts made in the build would be the same on every device. Those
// that an overlay brought (named in "$@") are the user's wish and stay.
constexpr char kRemoveHostKeys[] =
    R"(for key in "$R"/etc/ssh/ssh_host_*_key "$R"/etc/ssh/ssh_host_*_key.pub "$R"/etc/dropbear/dropbear_*_host_key; do
  [ -e "$key" ] || continue
  for kept; do [ "$R$kept" != "$key" ] || continue 2; done
  rm "$key"
  echo "removed ${key#"$R"}"
done
)";

// Shell words, single-quoted.
std::string Quoted(const std::vector<std::string>& words) {
  std::string quoted;
  for (const std::string& word : words) {
    absl::StrAppend(&quoted, " '", absl::StrReplaceAll(word, {{"'", "'\\''"}}), "'");
  }
  return quoted;
}

class CleanUp : public Step {
 public:
  CleanUp(RootfsState& state, std::function<std::string()> product_root, std::string more)
      : state_(state), product_root_(std::move(product_root)), more_(std::move(more)) {}
  std::string name() const override { return "clean_up"; }
  Place place() const override { return Place::kEnvironment; }

  absl::StatusOr<StepResult> Apply(StepContext& context) override {
    const std::string script =
        absl::StrCat("set --", Quoted(KeysFromOverlays()), "\n", kRemoveHostKeys, kCleanUp, more_);
    RW_ASSIGN_OR_RETURN(const TargetOutcome outcome,
                        RunInTarget(state_, context, {script, "", {}, {}, {{"R", product_root_()}}}));
    if (absl::StrContains(outcome.tail.LastLines(20), "removed /etc/ssh/ssh_host_")) {
      context.reporter.Warn(
          "ssh host keys removed: each device must make its own, e.g. by 'ssh-keygen -A' at boot");
    }
    StepResult result;
    AddUse(outcome.result, result);
    if (outcome.result.ok()) return result;
    // The target's own shell and rm did that; what they are the specification decides.
    return StepResult::Failed(absl::StrCat(outcome.Ending(), ": ", outcome.tail.LastLines(2)),
                              outcome.result.exit_code, outcome.result.signal);
  }

 private:
  // Absolute paths in the target.
  std::vector<std::string> KeysFromOverlays() const {
    std::vector<std::string> keys;
    for (const char* overlay : {kPreInstallOverlay, kPostInstallOverlay}) {
      for (const char* folder : {"etc/ssh", "etc/dropbear"}) {
        std::error_code error;
        const std::filesystem::path path = state_.source.folder / overlay / folder;
        for (const auto& entry : std::filesystem::directory_iterator(path, error)) {
          keys.push_back(absl::StrCat("/", folder, "/", entry.path().filename().string()));
        }
      }
    }
    return keys;
  }

  RootfsState& state_;
  const std::function<std::string()> product_root_;
  const std::string more_;
};

}  // namespace

std::unique_ptr<Step> MakeCleanUp(RootfsState& state, std::function<std::string()> product_root,
                                  std::string more) {
  return std::make_unique<CleanUp>(state, std::move(product_root), std::move(more));
}

}  // namespace rootwright
