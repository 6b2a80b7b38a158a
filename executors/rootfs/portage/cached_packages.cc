#include "executors/rootfs/portage/cached_packages.h"

#include <algorithm>
#include <fstream>
#include <system_error>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/file.h"
#include "base/size_text.h"
#include "base/status.h"
#include "executors/rootfs/portage/package_settings.h"
#include "executors/rootfs/portage/portage_build.h"
#include "executors/rootfs/target_command.h"

namespace rootwright {
namespace {

namespace fs = std::filesystem;

// Another build that holds the cache is done with it in that time.
constexpr absl::Duration kLockLimit = absl::Minutes(2);

// $1 is PKGDIR.
constexpr char kList[] = R"sh([ ! -d "$1" ] || { cd "$1"; find . -type f -name '*.gpkg.tar'; })sh";

bool StopsTheBuild(const absl::Status& status, const StepContext& context) {
  return absl::IsCancelled(status) || (absl::IsDeadlineExceeded(status) && context.deadline.Passed());
}

CacheWarning WarnBy(StepContext& context) {
  return [&reporter = context.reporter](const std::string& text) { reporter.Warn(text); };
}

// OK, with a warning, unless it stops the build.
absl::Status Without(const absl::Status& status, absl::string_view what, StepContext& context) {
  if (StopsTheBuild(status, context)) return status;
  context.reporter.Warn(absl::StrCat(what, ": ", std::string(status.message())));
  return absl::OkStatus();
}

absl::StatusOr<BinaryPackageScope> ScopeOf(const RootfsState& state) {
  const PortageBuild& portage = state.portage;
  std::vector<fs::path> layers;
  for (const char* layer : {"before", "before-append", "pre_install_overlay", "after", "after-append"})
    layers.push_back(state.paths.inputs() / layer);
  BinaryPackageScope scope;
  scope.architecture = NamesOf(state.request.environment.architecture).debian;
  scope.profile = portage.settings.profile;
  scope.build_root = portage.build_root.digest;
  RW_ASSIGN_OR_RETURN(scope.settings, SettingsOfPackages(layers));
  absl::StrAppend(&scope.settings, "\nroot ", portage.product_root());
  // They may change what packages are built with.
  for (const SpecCommand& command : state.specification.pre_install_commands)
    absl::StrAppend(&scope.settings, "\ncommand ", command.text);
  return scope;
}

absl::Status PutIndex(RootfsState& state, StepContext& context) {
  RW_ASSIGN_OR_RETURN(const std::string index, ReadFile(state.portage.packages_folder / "Packages"));
  return state.preparation.environment->PutFile(
      absl::StrCat(state.root, state.portage.settings.binary_packages, "/Packages"), 0644, index,
      context.deadline, context.stop);
}

// "dev-libs/popt/popt-1.19-1.gpkg.tar", from an environment that is not trusted.
bool IsPlainPath(absl::string_view path) {
  const std::vector<absl::string_view> parts = absl::StrSplit(path, '/');
  return parts.size() <= 3 && path.size() < 400 &&
         std::all_of(parts.begin(), parts.end(), [](absl::string_view part) {
           return !part.empty() && part[0] != '.' &&
                  std::all_of(part.begin(), part.end(), [](unsigned char c) {
                    return absl::ascii_isalnum(c) || absl::StrContains("+_.-", static_cast<char>(c));
                  });
         });
}

absl::StatusOr<std::vector<std::string>> MadePackages(RootfsState& state, StepContext& context) {
  std::string answer;
  TargetScript script{kList,
                      "",
                      [&](absl::string_view data) {
                        if (answer.size() < (4 << 20)) answer.append(data.data(), data.size());
                      },
                      {},
                      {}};
  script.arguments = {state.portage.settings.binary_packages};
  RW_ASSIGN_OR_RETURN(const TargetOutcome listed, RunInTarget(state, context, script));
  if (!listed.result.ok()) return absl::DataLossError(absl::StrCat("list them: ", listed.Ending()));
  std::vector<std::string> paths;
  for (absl::string_view line : absl::StrSplit(answer, '\n', absl::SkipEmpty())) {
    absl::ConsumePrefix(&line, "./");
    if (IsPlainPath(line)) paths.emplace_back(line);
  }
  // Each planned package is built once.
  paths.resize(std::min(paths.size(), state.portage.plan.packages.size()));
  return paths;
}

absl::Status TakeOut(RootfsState& state, StepContext& context, const std::string& path, const fs::path& to) {
  RW_RETURN_IF_ERROR(MakeFolders(to.parent_path()));
  std::ofstream file(to, std::ios::binary);
  const absl::Status got = state.preparation.environment->GetFile(
      absl::StrCat(state.root, state.portage.settings.binary_packages, "/", path),
      state.request.environment.disk_bytes,
      [&](absl::string_view piece) {
        file.write(piece.data(), static_cast<std::streamsize>(piece.size()));
        return file ? absl::OkStatus() : absl::ResourceExhaustedError(absl::StrCat("write: ", to.string()));
      },
      context.deadline, context.stop);
  file.close();
  return got;
}

}  // namespace

absl::Status OfferPackages(RootfsState& state, StepContext& context) {
  PortageBuild& portage = state.portage;
  if (!portage.settings.use_binary_packages) return absl::OkStatus();
  portage.packages.reset();
  portage.packages_folder = state.paths.folder / "packages";
  std::error_code ignored;
  fs::remove_all(portage.packages_folder, ignored);
  const absl::StatusOr<BinaryPackageScope> scope = ScopeOf(state);
  if (!scope.ok()) return Without(scope.status(), "binary packages are not used", context);
  RecipeDigests recipes(portage.recipes);
  auto handed = state.host.binary_packages->HandOut(
      *scope, recipes, portage.packages_folder, portage.settings.cached_packages, WarnBy(context),
      Earlier(context.deadline, Deadline::In(kLockLimit)), context.stop);
  if (!handed.ok()) return Without(handed.status(), "binary packages are not used", context);
  portage.packages = *std::move(handed);
  return PutIndex(state, context);
}

absl::StatusOr<bool> ConfirmPackages(RootfsState& state, StepContext& context, const EmergePlan& plan) {
  if (state.portage.packages == nullptr) return true;
  const absl::StatusOr<bool> good = state.portage.packages->Confirm(
      plan, WarnBy(context), Earlier(context.deadline, Deadline::In(kLockLimit)), context.stop);
  if (!good.ok()) {
    RW_RETURN_IF_ERROR(Without(good.status(), "binary packages are not used", context));
    state.portage.packages.reset();
    RW_RETURN_IF_ERROR(WriteFileAtomically(state.portage.packages_folder / "Packages", ""));
  }
  RW_RETURN_IF_ERROR(PutIndex(state, context));
  return good.value_or(false);
}

absl::Status ShowPackages(RootfsState& state, StepContext& context) {
  PortageBuild& portage = state.portage;
  if (portage.packages == nullptr || portage.packages->size() == 0) return absl::OkStatus();
  return state.preparation.environment->ShareInputs(
      portage.packages_folder, state.root + portage.settings.cached_packages, context.deadline, context.stop);
}

absl::Status KeepPackages(RootfsState& state, StepContext& context) {
  PortageBuild& portage = state.portage;
  if (!portage.settings.use_binary_packages) return absl::OkStatus();
  constexpr char kNotKept[] = "binary packages are not kept";
  const absl::StatusOr<std::vector<std::string>> paths = MadePackages(state, context);
  if (!paths.ok()) return Without(paths.status(), kNotKept, context);
  if (paths->empty()) return absl::OkStatus();
  const fs::path folder = state.paths.folder / "made-packages";
  for (const std::string& path : *paths) {
    context.reporter.Progress({0, 0, "keeping", path.substr(path.rfind('/') + 1)});
    if (const absl::Status got = TakeOut(state, context, path, folder / path); !got.ok())
      RW_RETURN_IF_ERROR(Without(got, absl::StrCat("binary package ", path, " is not kept"), context));
  }
  const absl::StatusOr<BinaryPackageScope> scope = ScopeOf(state);
  if (!scope.ok()) return Without(scope.status(), kNotKept, context);
  RecipeDigests recipes(portage.recipes);
  const auto stored =
      state.host.binary_packages->Store(*scope, recipes, portage.plan, folder, WarnBy(context),
                                        Earlier(context.deadline, Deadline::In(kLockLimit)), context.stop);
  std::error_code ignored;
  fs::remove_all(folder, ignored);
  if (!stored.ok()) return Without(stored.status(), kNotKept, context);
  context.reporter.Log(OutputStream::kStdout, absl::StrCat("kept for later builds: ", stored->packages,
                                                           " packages, ", SizeText(stored->bytes), "\n"));
  return absl::OkStatus();
}

}  // namespace rootwright
