#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/status.h"
#include "executors/rootfs/rootfs_steps.h"
#include "executors/rootfs/target_command.h"
#include "executors/rootfs/tree_files.h"

namespace rootwright {
namespace {

// What belongs to the making of a root filesystem and not to what it is. Keys and machine
// identity go, too: every device that boots from the result must make its own (systemd does
// it for an empty /etc/machine-id).
constexpr char kCleanUp[] =
    R"(rm -rf /.rootwright /var/lib/apt/lists/*_* /var/lib/apt/lists/.??* \
  /var/lib/apt/lists/auxfiles /var/lib/apt/lists/lock /var/lib/apt/lists/partial/* /var/cache/apt/*.bin \
  /var/cache/apt/archives/*.deb /var/log/apt/* /var/log/bootstrap.log /var/log/alternatives.log /var/log/dpkg.log \
  /var/lib/dpkg/*-old /var/cache/debconf/*-old /var/cache/ldconfig/aux-cache /etc/*- /var/lib/systemd/random-seed \
  /var/lib/dbus/machine-id /tmp/* /var/tmp/*
for entry in /run/*; do
  [ "$entry" = /run/lock ] || rm -rf "$entry" 2>/dev/null || :
done
for log in /var/log/lastlog /var/log/faillog /var/log/wtmp /var/log/btmp; do
  if [ -f "$log" ]; then : > "$log"; fi
done
if [ -f /etc/machine-id ]; then : > /etc/machine-id; fi
)";

// Keys that the packages' scripts made in the build would be the same on every device. Those
// that an overlay brought (named in "$@") are the user's wish and stay.
constexpr char kRemoveHostKeys[] =
    R"(for key in /etc/ssh/ssh_host_*_key /etc/ssh/ssh_host_*_key.pub /etc/dropbear/dropbear_*_host_key; do
  [ -e "$key" ] || continue
  for kept; do [ "$kept" != "$key" ] || continue 2; done
  rm "$key"
  echo "removed $key"
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
  explicit CleanUp(RootfsState& state) : state_(state) {}
  std::string name() const override { return "clean_up"; }
  Place place() const override { return Place::kEnvironment; }

  absl::StatusOr<StepResult> Apply(StepContext& context) override {
    std::string script = absl::StrCat("set --", Quoted(KeysFromOverlays()), "\n", kRemoveHostKeys, kCleanUp);
    // Ours only: an overlay may have replaced it.
    absl::StrAppend(&script, "if grep -qs 'Placed by Rootwright' /", kPolicyPath, "; then rm /", kPolicyPath,
                    "; fi\n");
    RW_ASSIGN_OR_RETURN(const TargetOutcome outcome, RunInTarget(state_, context, {script, "", {}, {}, {}}));
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
};

}  // namespace

std::unique_ptr<Step> MakeCleanUp(RootfsState& state) { return std::make_unique<CleanUp>(state); }

}  // namespace rootwright
