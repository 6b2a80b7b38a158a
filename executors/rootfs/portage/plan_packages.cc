#include "executors/rootfs/portage/plan_packages.h"

#include <algorithm>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/fault.h"
#include "base/size_text.h"
#include "base/status.h"
#include "executors/rootfs/portage/cached_packages.h"
#include "executors/rootfs/portage/distfile_cache.h"
#include "executors/rootfs/portage/plan_report.h"
#include "executors/rootfs/portage/portage_build.h"
#include "executors/rootfs/portage/portage_command.h"

namespace rootwright {
namespace {

namespace fs = std::filesystem;

// Each change may bring in packages that need another.
constexpr int kMostChanges = 20;
constexpr size_t kLongestAnswer = 64 << 20;

// $1 a file below etc/portage, which may be a folder, $2 a line for it.
constexpr char kAddLine[] = R"sh(path=/etc/portage/$1
if [ -f "$path" ]; then
  [ ! -s "$path" ] || [ -z "$(tail -c 1 "$path")" ] || echo >>"$path"
else
  mkdir -p "$path"
  path=$path/zz-rootwright-allowed
fi
printf '%s\n' "$2" >>"$path"
)sh";

absl::StatusOr<EmergePlan> AskPortage(RootfsState& state, StepContext& context) {
  if (state.portage.world.empty()) {
    EmergePlan nothing;
    nothing.possible = true;
    return nothing;
  }
  std::string answer;
  RW_ASSIGN_OR_RETURN(const TargetOutcome outcome,
                      RunPortageProgram(state, context, PlanProgram(), [&](absl::string_view data) {
                        if (answer.size() < kLongestAnswer) answer.append(data.data(), data.size());
                      }));
  if (!outcome.result.ok()) {
    return absl::InternalError(absl::StrCat("ask Portage for a plan: ", outcome.Ending(), ": ",
                                            outcome.result.cause, outcome.tail.LastLines(3)));
  }
  return ParseEmergePlan(answer);
}

// With the packages of the cache that are whole; each that is not takes another question.
absl::StatusOr<EmergePlan> AskPortageWithPackages(RootfsState& state, StepContext& context) {
  RW_RETURN_IF_ERROR(OfferPackages(state, context));
  for (;;) {
    RW_ASSIGN_OR_RETURN(EmergePlan plan, AskPortage(state, context));
    RW_ASSIGN_OR_RETURN(const bool good, ConfirmPackages(state, context, plan));
    if (good) return plan;
  }
}

absl::Status MakeChanges(RootfsState& state, StepContext& context, const std::vector<ProposedLine>& lines) {
  context.reporter.Log(OutputStream::kStdout,
                       absl::StrCat("changed, as the specification allows:\n", ProposalsAsDiff(lines)));
  for (const ProposedLine& line : lines) {
    context.reporter.Warn(absl::StrCat("changed, as the specification allows: ", line.file, ": ", line.line));
    TargetScript script{kAddLine, "", {}, {}, {}};
    script.arguments = {line.file, line.line};
    RW_ASSIGN_OR_RETURN(const TargetOutcome outcome, RunInTarget(state, context, script));
    if (!outcome.result.ok())
      return absl::InternalError(
          absl::StrCat("change ", line.file, ": ", outcome.Ending(), ": ", outcome.tail.LastLines(2)));
  }
  return absl::OkStatus();
}

StepResult Refuse(const RootfsState& state, StepContext& context) {
  const std::vector<std::string> refusals = Refusals(state.portage.plan, state.specification);
  for (const std::string& refusal : refusals)
    context.reporter.Log(OutputStream::kStderr, absl::StrCat(refusal, "\n"));
  if (const std::string diff = ProposalsAsDiff(ProposalsOf(state.portage.plan)); !diff.empty()) {
    context.reporter.Log(OutputStream::kStderr,
                         absl::StrCat("Portage proposes, and nothing of it was done:\n", diff));
  }
  return StepResult::Failed(absl::StrJoin(refusals, "; "));
}

// What the user brought along needs no fetching.
bool IsBrought(const RootfsState& state, const Distfile& file) {
  for (const fs::path& root : {state.source.folder / kPreInstallOverlay, state.portage.build_root.tree}) {
    const fs::path path = root / "var/cache/distfiles" / file.name;
    std::error_code error;
    if (fs::is_regular_file(fs::symlink_status(path, error)) && file.size_bytes >= 0 &&
        !file.digests.empty() && VerifyDistfile(path, file).ok())
      return true;
  }
  return false;
}

absl::StatusOr<StepResult> ShowDistfiles(RootfsState& state, StepContext& context) {
  PortageBuild& portage = state.portage;
  std::vector<Distfile> files;
  int64_t total = 0;
  for (const Distfile& file : portage.plan.files) {
    if (portage.distfiles.count(file.name) != 0) continue;
    // A name that is a path is refused when it is fetched, and not looked for.
    if (CheckDistfile(file).code() != absl::StatusCode::kInvalidArgument || file.restricted) {
      if (file.name.find('/') == std::string::npos && IsBrought(state, file)) continue;
    }
    files.push_back(file);
    total += std::max<int64_t>(file.size_bytes, 0);
  }
  if (files.empty()) return StepResult{};
  const std::string number = absl::StrCat(portage.settings.shared_distfiles.size());
  const fs::path folder = state.paths.folder / "distfiles" / number;
  const auto progress = [&](int64_t bytes, const Distfile& file) {
    context.reporter.Progress({bytes, total, "fetching", file.name, ProgressUpdate::Unit::kBytes});
  };
  const absl::Status had = DistfileCache(state.host.distfile_cache)
                               .MakeDistdir(files, folder, progress, context.deadline, context.stop);
  // Another attempt would end the same way.
  if (absl::IsDataLoss(had) || absl::IsNotFound(had) || absl::IsInvalidArgument(had))
    return StepResult::Failed(std::string(had.message()));
  RW_RETURN_IF_ERROR(absl::IsUnavailable(had) ? WithFault(had, Fault::kRemote) : had);
  const std::string at = kPortageDistfiles + number;
  RW_RETURN_IF_ERROR(
      state.preparation.environment->ShareInputs(folder, state.root + at, context.deadline, context.stop));
  portage.settings.shared_distfiles.push_back(at);
  for (const Distfile& file : files) portage.distfiles.insert(file.name);
  return StepResult{};
}

void Tell(RootfsState& state, StepContext& context) {
  PlanSize size;
  for (const PlannedPackage& package : state.portage.plan.packages) {
    ++size.packages;
    if (package.binary) ++size.binary_packages;
    size.download_bytes += package.download_bytes;
    context.reporter.Log(OutputStream::kStdout, absl::StrCat(PackageInOneLine(package), "\n"));
  }
  for (const std::string& remark : Remarks(state.portage.plan, state.specification))
    context.reporter.Warn(remark);
  context.reporter.PlanReady(size);
}

}  // namespace

absl::StatusOr<StepResult> PlanPackages(RootfsState& state, StepContext& context) {
  EmergePlan& plan = state.portage.plan;
  for (int changes = 0;; ++changes) {
    context.reporter.Progress({0, 0, "resolving", ""});
    RW_ASSIGN_OR_RETURN(plan, AskPortageWithPackages(state, context));
    if (plan.possible || changes == kMostChanges) break;
    const auto allowed = AllowedChanges(plan, state.specification.portage.allowed_changes);
    if (!allowed.has_value() || allowed->empty()) break;
    RW_RETURN_IF_ERROR(MakeChanges(state, context, *allowed));
  }
  RW_RETURN_IF_ERROR(AddRecord(state, "plan.json", PlanAsJson(plan), "application/json"));
  if (!plan.possible) return Refuse(state, context);
  Tell(state, context);
  RW_ASSIGN_OR_RETURN(const StepResult shown, ShowDistfiles(state, context));
  if (!shown.ok()) return shown;
  int64_t bytes = 0;
  for (const Distfile& file : plan.files) bytes += std::max<int64_t>(file.size_bytes, 0);
  const auto binary = std::count_if(plan.packages.begin(), plan.packages.end(),
                                    [](const PlannedPackage& package) { return package.binary; });
  return StepResult::Done(absl::StrCat(plan.packages.size(), " to install, ",
                                       binary == 0 ? "" : absl::StrCat(binary, " from the cache, "),
                                       SizeText(bytes), " of sources"));
}

}  // namespace rootwright
