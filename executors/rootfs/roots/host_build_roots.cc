#include "executors/rootfs/roots/host_build_roots.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/size_text.h"
#include "base/status.h"
#include "executors/rootfs/roots/portage_root.h"

namespace rootwright {

HostBuildRoots::HostBuildRoots(Options options, RootfsHost host, Executor& machines, Executor& containers)
    : options_(std::move(options)),
      host_(std::move(host)),
      machines_(machines),
      containers_(containers),
      store_(options_.store) {}

absl::StatusOr<BuildRoot> HostBuildRoots::Prepare(absl::string_view name, const EnvironmentSpec& waiting,
                                                  absl::Duration boot_limit, const ProgressSink& progress,
                                                  const OutputSink& log, std::stop_token stop) {
  if (name.empty() || name == OwnRootName(waiting.architecture))
    return PrepareOwn(waiting, boot_limit, progress, log, stop);
  RW_ASSIGN_OR_RETURN(const BuildRoot root, store_.FindImported(std::string(name), stop));
  RW_ASSIGN_OR_RETURN(const std::vector<RootSummary> roots, store_.List());
  for (const RootSummary& summary : roots) {
    if (summary.recipe.name != root.name || summary.recipe.architecture == waiting.architecture) continue;
    return absl::FailedPreconditionError(
        absl::StrCat("build root '", name, "': is for ", NamesOf(summary.recipe.architecture).debian,
                     ", and the build for ", NamesOf(waiting.architecture).debian));
  }
  return root;
}

absl::StatusOr<BuildRoot> HostBuildRoots::PrepareOwn(const EnvironmentSpec& waiting,
                                                     absl::Duration boot_limit, const ProgressSink& progress,
                                                     const OutputSink& log, const std::stop_token& stop) {
  const std::string name = OwnRootName(waiting.architecture);
  const absl::StatusOr<PortageSpecification> specification =
      ReadPortageSpecification(options_.specification, stop);
  RW_RETURN_IF_ERROR(Annotate(specification.status(), absl::StrCat("build root ", name)));
  const RootRecipe recipe{.origin = RootRecipe::Origin::kMade,
                          .name = name,
                          .architecture = waiting.architecture,
                          .facts = {{"specification", specification->commit},
                                    {"portage", absl::StrCat("sha256:", specification->archive_sha256)}}};
  const bool native = waiting.architecture == HostArchitecture() && containers_.CheckHealth().ok();
  const auto make = [&](const std::filesystem::path& tree) {
    PortageRootMaker maker(host_, native ? containers_ : machines_, waiting, boot_limit);
    return maker.Make(*specification, tree, progress, log, stop);
  };
  const auto say = [&](absl::string_view line) {
    if (log) log(OutputStream::kStdout, absl::StrCat(line, "\n"));
  };
  return store_.FindOrMake(recipe, make, say, stop);
}

HostCheck HostBuildRoots::Check() const {
  HostCheck check;
  check.name = "build roots";
  const absl::StatusOr<std::vector<RootSummary>> roots = store_.List();
  if (!roots.ok()) {
    check.result = HostCheck::Result::kDegraded;
    check.finding = std::string(roots.status().message());
    check.remedy = "set build_root_folder";
    return check;
  }
  std::vector<std::string> found;
  for (const RootSummary& root : *roots)
    found.push_back(absl::StrCat(root.recipe.name, " ", SizeText(root.size_bytes)));
  check.finding = found.empty() ? "none yet" : absl::StrJoin(found, ", ");
  if (HasPortageSpecification(options_.specification)) {
    absl::StrAppend(&check.finding, "; Rootwright's own are made when they are needed");
  } else {
    check.result = HostCheck::Result::kDegraded;
    absl::StrAppend(&check.finding,
                    "; Rootwright's own cannot be made here: ", options_.specification.string(),
                    " has no specification of the Portage image");
    check.remedy = "images/portage/make-specification FOLDER, and set portage_specification";
  }
  return check;
}

}  // namespace rootwright
