#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/size_text.h"
#include "base/status.h"
#include "executors/rootfs/apt/apt_steps.h"
#include "executors/rootfs/apt/debian_root.h"
#include "executors/rootfs/rootfs_state.h"

namespace rootwright {
namespace {

class TranslatePackages : public Step {
 public:
  explicit TranslatePackages(RootfsState& state) : state_(state) {}
  std::string name() const override { return "translate_packages"; }
  Place place() const override { return Place::kHost; }

  absl::StatusOr<StepResult> Apply(StepContext& context) override {
    const Specification& specification = state_.specification;
    absl::StatusOr<AptPlan> plan =
        state_.debian.Resolve(specification.apt, specification.packages, context.deadline, context.stop);
    // The mirror answers, but has no such suite or component: a mistake in the specification.
    if (absl::IsNotFound(plan.status())) {
      return StepResult::Failed(
          absl::StrCat(kConfigurationFile, ": package_manager: ", std::string(plan.status().message())));
    }
    RW_ASSIGN_OR_RETURN(state_.plan, std::move(plan));
    if (!state_.plan.unresolved.empty()) return Unresolved(context);
    int64_t download_bytes = 0;
    int64_t installed_bytes = 0;
    for (const DebianPackage& package : state_.plan.packages) {
      download_bytes += package.size_bytes;
      installed_bytes += package.installed_bytes;
      context.reporter.Log(OutputStream::kStdout, absl::StrCat(package.name, " ", package.version, "\n"));
    }
    context.reporter.PlanReady(
        {static_cast<int>(state_.plan.packages.size()), download_bytes, installed_bytes});
    return StepResult::Done(
        absl::StrCat(state_.plan.packages.size(), " to install, ", SizeText(download_bytes), " of packages"));
  }

 private:
  // "configuration.yml:9:3: nanoo: no such package in bookworm main"
  StepResult Unresolved(StepContext& context) const {
    std::vector<std::string> failures;
    for (const UnresolvedPackage& missing : state_.plan.unresolved) {
      failures.push_back(absl::StrCat(PlaceOf(missing.name), missing.name, ": ", missing.why));
      context.reporter.Log(OutputStream::kStderr, absl::StrCat(failures.back(), "\n"));
    }
    return StepResult::Failed(absl::StrJoin(failures, "; "));
  }

  std::string PlaceOf(const std::string& name) const {
    const std::string bare = name.substr(0, name.find_first_of("=:"));
    for (const RequestedPackage& package : state_.specification.packages) {
      if (package.name == bare)
        return absl::StrCat(kConfigurationFile, ":", package.line, ":", package.column, ": ");
    }
    return absl::StrCat(kConfigurationFile, ": ");
  }

  RootfsState& state_;
};

}  // namespace

std::unique_ptr<Step> MakeTranslatePackages(RootfsState& state) {
  return std::make_unique<TranslatePackages>(state);
}

}  // namespace rootwright
