#include <string>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
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
      platform = absl::StrCat(" for platform ", state_.platform.name);
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
    state_.platform = *std::move(platform);
    return "";
  }

  static std::string BranchOf(absl::string_view ref) {
    return std::string(absl::StripPrefix(ref, "refs/heads/"));
  }

  RootfsState& state_;
};

}  // namespace

void AddSpecificationSteps(RootfsState& state, std::vector<std::unique_ptr<Step>>& steps) {
  steps.push_back(MakeFetchSource("fetch_specs", state.request.source, state.paths.source(), state.source));
  steps.push_back(std::make_unique<ParsePackages>(state));
}

}  // namespace rootwright
