#include <string>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "base/size_text.h"
#include "base/status.h"
#include "executors/rootfs/rootfs_steps.h"
#include "executors/rootfs/spec/portage_keyword.h"

namespace rootwright {
namespace {

class ParsePackages : public Step {
 public:
  explicit ParsePackages(RootfsState& state) : state_(state) {}
  std::string name() const override { return kParsePackages; }
  Place place() const override { return Place::kHost; }

  absl::StatusOr<StepResult> Apply(StepContext& context) override {
    ParseOptions options;
    options.keyword = KeywordOf(state_.request.environment.architecture);
    ParsedSpecification parsed = LoadSpecification(state_.source.folder, options);
    for (const SpecProblem& warning : parsed.warnings) context.reporter.Warn(ProblemInOneLine(warning));
    if (!parsed.ok()) {
      context.reporter.Log(OutputStream::kStderr, FormatProblems(parsed.AllInOrder()));
      const size_t others = parsed.problems.size() - 1;
      return StepResult::Failed(absl::StrCat(ProblemInOneLine(parsed.problems.front()),
                                             others == 0 ? "" : absl::StrCat(" (and ", others, " more)")));
    }
    if (!parsed.warnings.empty())
      context.reporter.Log(OutputStream::kStderr, FormatProblems(parsed.warnings));
    std::string platform;
    if (parsed.specification.package_manager == PackageManager::kPortage) {
      if (const std::string why = ChoosePlatform(); !why.empty())
        return StepResult::Failed(absl::StrCat(kConfigurationFile, ": ", why));
      platform = absl::StrCat(" for platform ", state_.portage.platform.name);
    }
    state_.specification = std::move(parsed.specification);
    return StepResult::Done(absl::StrCat(state_.specification.packages_asked(), " packages asked", platform));
  }

 private:
  // Of a Portage specification: what the request names, else its branch, else the one named as the
  // architecture. Returns why there is none.
  std::string ChoosePlatform() {
    const RootfsRequest& request = state_.request;
    const std::vector<Platform>& platforms = state_.host.platforms;
    if (state_.host.build_roots == nullptr) return "it is for Portage, for which this agent is not set up";
    const Architecture architecture = request.environment.architecture;
    absl::StatusOr<Platform> platform = request.platform.empty()
                                            ? PlatformOfBranch(platforms, BranchOf(request.source.ref))
                                            : FindPlatform(platforms, request.platform);
    if (!platform.ok() && request.platform.empty())
      platform = FindPlatform(platforms, NamesOf(architecture).debian);
    if (!platform.ok()) return std::string(platform.status().message());
    if (platform->architecture != architecture) {
      return absl::StrCat("platform ", platform->name, " is for ", NamesOf(platform->architecture).debian,
                          ", this build for ", NamesOf(architecture).debian);
    }
    state_.portage.platform = *std::move(platform);
    return "";
  }

  static std::string BranchOf(absl::string_view ref) {
    return std::string(absl::StripPrefix(ref, "refs/heads/"));
  }

  RootfsState& state_;
};

class TranslatePackages : public Step {
 public:
  explicit TranslatePackages(RootfsState& state) : state_(state) {}
  std::string name() const override { return "translate_packages"; }
  Place place() const override { return Place::kHost; }

  absl::StatusOr<StepResult> Apply(StepContext& context) override {
    const Specification& specification = state_.specification;
    absl::StatusOr<AptPlan> plan =
        state_.debian->Resolve(specification.apt, specification.packages, context.deadline, context.stop);
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

void AddSpecificationSteps(RootfsState& state, std::vector<std::unique_ptr<Step>>& steps) {
  steps.push_back(MakeFetchSource("fetch_specs", state.request.source, state.paths.source(), state.source));
  steps.push_back(std::make_unique<ParsePackages>(state));
}

std::unique_ptr<Step> MakeTranslatePackages(RootfsState& state) {
  return std::make_unique<TranslatePackages>(state);
}

}  // namespace rootwright
