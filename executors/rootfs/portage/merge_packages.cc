#include <algorithm>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/status.h"
#include "executors/rootfs/portage/cached_packages.h"
#include "executors/rootfs/portage/merge_progress.h"
#include "executors/rootfs/portage/merge_report.h"
#include "executors/rootfs/portage/portage_build.h"
#include "executors/rootfs/portage/portage_command.h"
#include "executors/rootfs/portage/portage_steps.h"

namespace rootwright {
namespace {

constexpr int64_t kLongestLog = 64 << 20;
// Of packages whose logs are kept; the others fail for the same reason as a rule.
constexpr size_t kMostLogs = 20;

// Reads names on standard input and says which are not there; $1 is where packages go.
constexpr char kFindMissing[] = R"(while read -r name; do
  [ -d "$1/var/db/pkg/$name" ] || echo "$name"
done
)";

// "app-test/fails-1" → "app-test_fails-1.log", whatever a package is called.
std::string LogName(const std::string& cpv) {
  std::string name = cpv.substr(0, 120);
  std::replace_if(
      name.begin(), name.end(),
      [](unsigned char c) { return !absl::ascii_isalnum(c) && c != '.' && c != '-' && c != '_'; }, '_');
  if (name.empty() || name[0] == '.') name.insert(0, "_");
  return name + ".log";
}

class MergePackages : public Step {
 public:
  explicit MergePackages(RootfsState& state) : state_(state) {}
  std::string name() const override { return "install_packages"; }
  Place place() const override { return Place::kEnvironment; }

  absl::StatusOr<StepResult> Apply(StepContext& context) override {
    if (state_.portage.plan.packages.empty()) return StepResult::Done("nothing to install");
    RW_RETURN_IF_ERROR(ShowPackages(state_, context));
    ChooseOrder();
    MergeReport report;
    std::vector<MergeFailure> failures;
    completed_ = 0;
    progress_ = std::make_unique<MergeProgress>(state_.portage.plan, state_.host.build_times, PlaceOf());
    const auto take = [&](absl::string_view data) {
      for (MergeEvent& event : report.Append(data)) {
        if (const auto* snapshot = std::get_if<EmergeSnapshot>(&event)) Tell(*snapshot, context);
        if (const auto* entry = std::get_if<EmergeLogEntry>(&event)) Tell(*entry, context);
        if (auto* failure = std::get_if<MergeFailure>(&event)) failures.push_back(std::move(*failure));
      }
    };
    RW_ASSIGN_OR_RETURN(const TargetOutcome outcome,
                        RunPortageProgram(state_, context, MergeProgram(), take));
    StepResult result;
    AddUse(outcome.result, result);
    if (const absl::Status kept = progress_->Remember(absl::Now()); !kept.ok())
      context.reporter.Warn(absl::StrCat("how long packages took: ", std::string(kept.message())));
    if (outcome.result.ok()) {
      RW_RETURN_IF_ERROR(KeepPackages(state_, context));
      result.summary = absl::StrCat(state_.portage.plan.packages.size(), " packages");
      return result;
    }
    RW_RETURN_IF_ERROR(KeepLogs(failures, context));
    RW_RETURN_IF_ERROR(KeepPackages(state_, context));
    Explain(outcome, failures, result);
    return result;
  }

  absl::StatusOr<StepResult> Verify(StepContext& context) override {
    std::string names;
    for (const PlannedPackage& package : state_.portage.plan.packages)
      absl::StrAppend(&names, package.cpv, "\n");
    if (names.empty()) return StepResult{};
    std::string missing;
    TargetScript script{
        kFindMissing, names, [&](absl::string_view data) { absl::StrAppend(&missing, data); }, {}, {}};
    script.arguments = {state_.portage.product_root()};
    RW_ASSIGN_OR_RETURN(const TargetOutcome outcome, RunInTarget(state_, context, script));
    if (outcome.result.ok() && missing.empty()) return StepResult{};
    return StepResult::Failed(
        absl::StrCat("planned, but not installed: ", outcome.tail.LastLines(2),
                     absl::StrJoin(absl::StrSplit(missing, '\n', absl::SkipEmpty()), ", ")));
  }

 private:
  void ChooseOrder() {
    const std::vector<PlannedPackage>& planned = state_.portage.plan.packages;
    const auto count = [&](const auto& holds) {
      return std::count_if(planned.begin(), planned.end(), holds);
    };
    EmergeSettings& settings = state_.portage.settings;
    settings.merges_binaries_alone =
        count([](const PlannedPackage& package) { return !package.binary; }) == 0;
    // What is replaced may have functions, too.
    settings.functions_never_meet =
        settings.merges_binaries_alone && count([](const PlannedPackage& package) {
                                            return !package.functions.empty() || !package.replaces.empty();
                                          }) <= 1;
  }

  void Tell(const EmergeSnapshot& snapshot, StepContext& context) {
    completed_ = std::max(completed_, snapshot.completed);
    const int total = std::max(snapshot.total, completed_);
    if (snapshot.tasks.empty()) {
      context.reporter.Progress({completed_, total, "preparing", ""});
      return;
    }
    const EmergeTask& task = snapshot.tasks.front();
    context.reporter.Progress({completed_, total, PhaseInWords(task), task.cpv, ProgressUpdate::Unit::kItems,
                               progress_->Left(absl::Now())});
  }

  // Names also packages that go by between two snapshots.
  void Tell(const EmergeLogEntry& entry, StepContext& context) {
    const bool done = entry.kind == EmergeLogEntry::Kind::kCompleted;
    completed_ = std::max(completed_, done ? entry.number : entry.number - 1);
    progress_->Take(entry, absl::Now());
    context.reporter.Progress({completed_, std::max(entry.total, completed_), PhaseOf(entry.kind), entry.cpv,
                               ProgressUpdate::Unit::kItems, progress_->Left(absl::Now())});
  }

  static const char* PhaseOf(EmergeLogEntry::Kind kind) {
    switch (kind) {
      case EmergeLogEntry::Kind::kCompleted:
        return "installed";
      case EmergeLogEntry::Kind::kMerging:
        return "merging";
      case EmergeLogEntry::Kind::kMergingBinary:
        return "merging binary";
      default:
        return "starting";
    }
  }

  // Where packages take equally long.
  BuildPlace PlaceOf() const {
    const bool machine = !state_.preparation.image.kernel_release.empty();
    const bool emulated = absl::StrContains(state_.preparation.environment->Describe(), "emulated");
    return {NamesOf(state_.request.environment.architecture).debian,
            !machine ? "container" : (emulated ? "machine-emulated" : "machine")};
  }

  // As artifacts of the failed build.
  absl::Status KeepLogs(const std::vector<MergeFailure>& failures, StepContext& context) {
    for (size_t i = 0; i < std::min(failures.size(), kMostLogs); ++i) {
      const MergeFailure& failure = failures[i];
      if (failure.log.empty() || failure.log[0] != '/') continue;
      std::string content;
      const absl::Status got = state_.preparation.environment->GetFile(
          state_.root + failure.log, kLongestLog,
          [&](absl::string_view piece) {
            content.append(piece.data(), piece.size());
            return absl::OkStatus();
          },
          context.deadline, context.stop);
      // What the environment says of its logs is not trusted, and a log is not worth the build's own words.
      if (absl::IsCancelled(got) || absl::IsDeadlineExceeded(got) || absl::IsUnavailable(got)) return got;
      if (!got.ok()) {
        context.reporter.Warn(absl::StrCat("log of ", failure.cpv, ": ", std::string(got.message())));
        continue;
      }
      RW_RETURN_IF_ERROR(AddRecord(state_, LogName(failure.cpv), content, "text/plain"));
    }
    return absl::OkStatus();
  }

  void Explain(const TargetOutcome& outcome, const std::vector<MergeFailure>& failures,
               StepResult& result) const {
    result.exit_code =
        outcome.result.exit_code == 0 && outcome.result.signal == 0 ? 1 : outcome.result.exit_code;
    result.signal = outcome.result.signal;
    std::vector<std::string> reasons;
    for (const MergeFailure& failure : failures) {
      const bool kept =
          std::any_of(state_.records.begin(), state_.records.end(),
                      [&](const ArtifactFile& record) { return record.name == LogName(failure.cpv); });
      reasons.push_back(
          absl::StrCat(DescribeFailure(failure), kept ? "; its log is " + LogName(failure.cpv) : ""));
    }
    result.failure = absl::StrJoin(reasons, "; ");
    if (reasons.empty())
      result.failure = absl::StrCat("emerge failed (", outcome.Ending(), "): ", outcome.tail.LastLines(3));
    if (!outcome.result.cause.empty()) absl::StrAppend(&result.failure, "; ", outcome.result.cause);
  }

  RootfsState& state_;
  int completed_ = 0;
  std::unique_ptr<MergeProgress> progress_;
};

}  // namespace

std::unique_ptr<Step> MakeMergePackages(RootfsState& state) { return std::make_unique<MergePackages>(state); }

}  // namespace rootwright
