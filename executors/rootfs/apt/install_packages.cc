#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/status.h"
#include "executors/rootfs/apt/apt_steps.h"
#include "executors/rootfs/apt/dpkg_status.h"
#include "executors/rootfs/rootfs_state.h"
#include "executors/rootfs/target_command.h"

namespace rootwright {
namespace {

// Runs the preinst scripts named on standard input, "package file" a line; what it writes on
// standard output is for us, the scripts' own goes to standard error. dpkg(1) and
// deb-preinst(5) say what a script may expect in its environment; debconf finds a preinst's package only
// where dpkg itself unpacks it, so it is told.
constexpr char kRunPreinsts[] = R"(exec 3>&1 1>&2
while read -r package file; do
  [ -x "$file" ] || continue
  echo "preinst $package" >&3
  code=0
  DPKG_MAINTSCRIPT_NAME=preinst DPKG_MAINTSCRIPT_PACKAGE=$package DPKG_MAINTSCRIPT_PACKAGE_REFCOUNT=1 \
    DPKG_MAINTSCRIPT_ARCH=$ARCHITECTURE DPKG_ADMINDIR=/var/lib/dpkg DPKG_ROOT= DEBCONF_PACKAGE=$package \
    "$file" install </dev/null 3>&- || code=$?
  [ $code = 0 ] || { echo "failed $package $code" >&3; exit $code; }
done
)";

// One pass configures everything, triggers included; dpkg's own words go to the log, its
// status lines to us.
constexpr char kConfigure[] = R"(exec 3>&1 1>&2
dpkg --status-fd 3 --force-unsafe-io --abort-after=1 --configure --pending </dev/null
)";

constexpr char kAudit[] = R"(problems=$(dpkg --audit)
[ -z "$problems" ] || { echo "$problems"; exit 1; }
)";

class InstallPackages : public Step {
 public:
  explicit InstallPackages(RootfsState& state) : state_(state) {}
  std::string name() const override { return "install_packages"; }
  Place place() const override { return Place::kEnvironment; }

  absl::StatusOr<StepResult> Apply(StepContext& context) override {
    StepResult result;
    RW_RETURN_IF_ERROR(RunPreinsts(context, result));
    if (result.ok()) RW_RETURN_IF_ERROR(Configure(context, result));
    if (result.ok()) RW_RETURN_IF_ERROR(UndoShortcuts(context, result));
    return result;
  }

  // dpkg's own word on it, with all of its own programs back in place.
  absl::StatusOr<StepResult> Verify(StepContext& context) override {
    StepResult result;
    RW_ASSIGN_OR_RETURN(const TargetOutcome outcome, RunInTarget(state_, context, {kAudit, "", {}, {}, {}}));
    AddUse(outcome.result, result);
    if (!outcome.result.ok()) {
      Fail(result, outcome, outcome.result.exit_code,
           absl::StrCat("dpkg --audit finds problems: ", outcome.tail.LastLines(3)));
    }
    return result;
  }

 private:
  int64_t total() const { return static_cast<int64_t>(state_.plan.packages.size()); }

  static void Fail(StepResult& result, const TargetOutcome& outcome, int exit_code, std::string failure) {
    result.failure = std::move(failure);
    result.exit_code = exit_code == 0 && outcome.result.signal == 0 ? 1 : exit_code;
    result.signal = outcome.result.signal;
  }

  // base-passwd makes /etc/passwd and /etc/group, which all others may use; then in the
  // order of the plan, where dependencies come first.
  std::string PreinstList() const {
    std::set<std::string> left_out;
    for (const UsedShortcut& shortcut : state_.shortcuts) {
      left_out.insert(shortcut.skipped_preinsts.begin(), shortcut.skipped_preinsts.end());
    }
    std::string first;
    std::string others;
    for (const DebianPackage& package : state_.plan.packages) {
      if (left_out.count(package.name) != 0) continue;
      // Multi-Arch: same has the architecture in the name; the one that exists is run.
      for (const std::string& qualifier : {std::string(), absl::StrCat(":", package.architecture)}) {
        absl::StrAppend(package.name == "base-passwd" ? &first : &others, package.name,
                        " /var/lib/dpkg/info/", package.name, qualifier, ".preinst\n");
      }
    }
    return first + others;
  }

  absl::Status RunPreinsts(StepContext& context, StepResult& result) {
    std::string package;
    int code = 0;
    TargetScript script{absl::StrCat("ARCHITECTURE=", NamesOf(state_.request.environment.architecture).debian,
                                     "\n", kRunPreinsts),
                        PreinstList(),
                        {},
                        {},
                        {}};
    std::string pending;
    script.take_stdout = [&](absl::string_view data) {
      pending.append(data.data(), data.size());
      for (size_t end; (end = pending.find('\n')) != std::string::npos; pending.erase(0, end + 1)) {
        const std::vector<std::string> words = absl::StrSplit(pending.substr(0, end), ' ');
        if (words.size() < 2) continue;
        package = words[1];
        if (words[0] == "preinst") context.reporter.Progress({0, total(), "pre-installation", package});
      }
    };
    RW_ASSIGN_OR_RETURN(const TargetOutcome outcome, RunInTarget(state_, context, script));
    AddUse(outcome.result, result);
    if (outcome.result.ok()) return absl::OkStatus();
    code = outcome.result.exit_code;
    Fail(result, outcome, code,
         absl::StrCat(package, ": its pre-installation script failed (", outcome.Ending(),
                      "): ", outcome.tail.LastLines(3)));
    return absl::OkStatus();
  }

  absl::Status Configure(StepContext& context, StepResult& result) {
    DpkgStatus status;
    OutputTail of_package;
    std::string failed_output;
    TargetScript script{kConfigure, "", {}, {}, {}};
    script.take_stdout = [&](absl::string_view data) {
      for (const DpkgStatus::Change& change : status.Append(data)) {
        context.reporter.Progress({status.done(), total(), change.phase, change.item});
        if (change.phase != "configured") of_package.Clear();
      }
      if (status.failure().has_value() && failed_output.empty()) failed_output = of_package.LastLines(3);
    };
    script.see_stderr = [&](absl::string_view data) { of_package.Append(data); };
    RW_ASSIGN_OR_RETURN(const TargetOutcome outcome, RunInTarget(state_, context, script));
    AddUse(outcome.result, result);
    if (outcome.result.ok()) return absl::OkStatus();
    if (status.failure().has_value()) {
      const DpkgStatus::Failure& failure = *status.failure();
      const bool dependency = absl::StrContains(failure.why, "dependency problems");
      Fail(result, outcome, failure.exit_code,
           absl::StrCat(failure.package, ": ",
                        dependency ? failure.why
                                   : absl::StrCat("its post-installation script failed (exit ",
                                                  failure.exit_code, ")"),
                        failed_output.empty() ? "" : ": ", failed_output));
    } else {
      Fail(result, outcome, outcome.result.exit_code,
           absl::StrCat("dpkg --configure failed (", outcome.Ending(), "): ", outcome.tail.LastLines(3)));
    }
    return absl::OkStatus();
  }

  absl::Status UndoShortcuts(StepContext& context, StepResult& result) {
    std::string undo;
    for (const UsedShortcut& shortcut : state_.shortcuts) absl::StrAppend(&undo, shortcut.undo);
    if (undo.empty()) return absl::OkStatus();
    RW_ASSIGN_OR_RETURN(const TargetOutcome outcome, RunInTarget(state_, context, {undo, "", {}, {}, {}}));
    AddUse(outcome.result, result);
    if (outcome.result.ok()) return absl::OkStatus();
    return absl::InternalError(absl::StrCat("take host shortcuts out of the target: ", outcome.Ending(), ": ",
                                            outcome.tail.LastLines(2)));
  }

  RootfsState& state_;
};

}  // namespace

std::unique_ptr<Step> MakeInstallPackages(RootfsState& state) {
  return std::make_unique<InstallPackages>(state);
}

}  // namespace rootwright
