#include "vmimages/image_maker.h"

#include <algorithm>
#include <system_error>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/file.h"
#include "base/sha256.h"
#include "base/status.h"
#include "base/subprocess.h"
#include "debian/unpack.h"
#include "vmimages/ext4.h"
#include "vmimages/initrd.h"
#include "vmimages/kernel.h"
#include "vmimages/kernel_modules.h"
#include "vmimages/machine_root.h"

namespace rootwright {
namespace {

namespace fs = std::filesystem;

// Far more than a slow mirror takes; the caller's stop is what ends it before.
constexpr absl::Duration kLimit = absl::Minutes(30);
constexpr absl::string_view kKernelPrefix = "linux-image-";
constexpr char kLabel[] = "rootwright";

bool IsKernel(const DebianPackage& package) {
  return absl::StartsWith(package.name, kKernelPrefix) && package.name.size() > kKernelPrefix.size() &&
         absl::ascii_isdigit(static_cast<unsigned char>(package.name[kKernelPrefix.size()]));
}

absl::Status CopyFile(const fs::path& from, const fs::path& to) {
  std::error_code error;
  fs::copy_file(from, to, error);
  if (error) return ErrnoStatus(error.value(), "copy to", to.string());
  return absl::OkStatus();
}

}  // namespace

ImageMaker::ImageMaker(const MachineImages::Options& options, const ImageRecipe& recipe,
                       fs::path guest_program, MachineImages::Progress progress, std::stop_token stop)
    : options_(options),
      recipe_(recipe),
      guest_program_(std::move(guest_program)),
      progress_(std::move(progress)),
      stop_(std::move(stop)),
      deadline_(Deadline::In(kLimit)) {}

absl::StatusOr<ImageDescription> ImageMaker::Make(const fs::path& folder) {
  ImageDescription description{.name = recipe_.name,
                               .recipe = RecipeText(recipe_),
                               .recipe_digest = {},
                               .guest_sha256 = {},
                               .kernel_release = {},
                               .files = {},
                               .packages = {},
                               .tools = {}};
  const bool machine = recipe_.kind == ImageRecipe::Kind::kMachine;
  if (machine) {
    RW_ASSIGN_OR_RETURN(description.guest_sha256, Sha256::OfFile(guest_program_));
  }
  RW_ASSIGN_OR_RETURN(description.tools, ToolVersions());
  RW_ASSIGN_OR_RETURN(const Packages packages, FetchPackages());
  for (const AptPlan* plan : {&packages.kernel, &packages.root}) {
    for (const DebianPackage& package : plan->packages) {
      description.packages.push_back({package.name, package.version, package.architecture});
    }
  }
  // Beside the image's folder in the store: the same disk, and found there after a crash.
  RW_ASSIGN_OR_RETURN(const ScopedFolder scratch,
                      ScopedFolder::Create(folder.parent_path(), folder.filename().string() + "-scratch-"));
  const fs::path tree = machine ? scratch.path() / "root" : folder / kRootFolder;
  if (machine) {
    RW_ASSIGN_OR_RETURN(description.kernel_release, MakeBoot(packages, scratch.path(), folder));
  }
  RW_RETURN_IF_ERROR(MakeRoot(packages, tree));
  if (machine) RW_RETURN_IF_ERROR(MakeRootDisk(tree, scratch.path(), folder));
  Report("hash");
  return description;
}

absl::StatusOr<ImageMaker::Packages> ImageMaker::FetchPackages() {
  Apt apt(options_.apt, recipe_.architecture,
          {{.mirror = options_.mirror,
            .suite = recipe_.suite,
            .components = recipe_.components,
            .keyring = options_.keyring}});
  Report("resolve", recipe_.suite);
  RW_RETURN_IF_ERROR(apt.Update(deadline_, stop_));
  Packages packages;
  RW_ASSIGN_OR_RETURN(packages.root, PlanFor(apt, recipe_.packages));
  if (recipe_.kind == ImageRecipe::Kind::kContainerRoot) {
    RW_ASSIGN_OR_RETURN(packages.root_files,
                        apt.Download(packages.root, ReportPackages("download"), deadline_, stop_));
    return packages;
  }
  RW_ASSIGN_OR_RETURN(const AptPlan with_kernel, PlanFor(apt, {recipe_.kernel_package}));
  const auto kernel = std::find_if(with_kernel.packages.begin(), with_kernel.packages.end(), IsKernel);
  if (kernel == with_kernel.packages.end()) {
    return absl::NotFoundError(
        absl::StrCat("find kernel: ", recipe_.kernel_package, ": depends on no linux-image-…"));
  }
  packages.kernel.packages = {*kernel};

  AptPlan all = packages.root;
  all.packages.push_back(*kernel);
  RW_ASSIGN_OR_RETURN(packages.root_files, apt.Download(all, ReportPackages("download"), deadline_, stop_));
  packages.kernel_file = packages.root_files.back();
  packages.root_files.pop_back();
  return packages;
}

absl::StatusOr<AptPlan> ImageMaker::PlanFor(Apt& apt, const std::vector<std::string>& packages) {
  RW_ASSIGN_OR_RETURN(AptPlan plan, apt.Resolve({}, packages, deadline_, stop_));
  if (plan.unresolved.empty()) return plan;
  return absl::NotFoundError(absl::StrCat(
      "resolve packages of the machine image: ",
      absl::StrJoin(plan.unresolved, "; ", [](std::string* out, const UnresolvedPackage& package) {
        absl::StrAppend(out, package.name, ": ", package.why);
      })));
}

absl::StatusOr<std::string> ImageMaker::MakeBoot(const Packages& packages, const fs::path& scratch,
                                                 const fs::path& folder) {
  Report("kernel", packages.kernel.packages[0].name);
  const fs::path unpacked = scratch / "kernel";
  RW_RETURN_IF_ERROR(MakeFolders(unpacked));
  RW_ASSIGN_OR_RETURN(const Kernel kernel, ExtractKernel(packages.kernel_file, unpacked, deadline_, stop_));
  RW_ASSIGN_OR_RETURN(const KernelModules modules, KernelModules::Read(kernel.modules));
  RW_ASSIGN_OR_RETURN(const std::vector<fs::path> load, modules.LoadOrder(recipe_.modules));
  // Those of the others come first in it, and are loaded already.
  std::vector<std::string> with_network = recipe_.modules;
  with_network.insert(with_network.end(), recipe_.network_modules.begin(), recipe_.network_modules.end());
  RW_ASSIGN_OR_RETURN(std::vector<fs::path> network, modules.LoadOrder(with_network));
  network.erase(network.begin(), network.begin() + static_cast<std::ptrdiff_t>(load.size()));
  RW_ASSIGN_OR_RETURN(const std::string initrd, BuildInitrd(guest_program_, load, network));
  RW_RETURN_IF_ERROR(WriteFileAtomically(folder / kInitrdFile, initrd));
  RW_RETURN_IF_ERROR(CopyFile(kernel.image, folder / kKernelFile));
  return kernel.release;
}

absl::Status ImageMaker::MakeRoot(const Packages& packages, const fs::path& tree) {
  const UnpackOptions options{.tree = tree,
                              .architecture = recipe_.architecture,
                              .jobs = 2,
                              .dpkg_database = false,
                              .unpack_program = options_.unpack_program};
  RW_RETURN_IF_ERROR(UnpackPackages(packages.root, packages.root_files, options, ReportPackages("unpack"),
                                    deadline_, stop_));
  return FinishMachineRoot(tree);
}

absl::Status ImageMaker::MakeRootDisk(const fs::path& tree, const fs::path& scratch, const fs::path& folder) {
  Report("root_disk");
  const fs::path raw = scratch / "root.ext4";
  RW_RETURN_IF_ERROR(MakeExt4(tree, raw, recipe_.root_disk_bytes, kLabel, deadline_, stop_));
  // Not the sparse file itself: this one has no holes to be hashed or lost in a copy.
  const SubprocessSpec convert{.argv = {"qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw.string(),
                                        (folder / kRootDiskFile).string()}};
  return Annotate(CheckSubprocess(convert, deadline_, stop_).status(), "make root disk");
}

absl::StatusOr<std::map<std::string, std::string>> ImageMaker::ToolVersions() {
  std::map<std::string, std::string> versions;
  std::vector<std::vector<std::string>> commands = {{"apt-get", "--version"}, {"dpkg-deb", "--version"}};
  if (recipe_.kind == ImageRecipe::Kind::kMachine) {
    commands.push_back({"mke2fs", "-V"});
    commands.push_back({"qemu-img", "--version"});
  }
  for (const std::vector<std::string>& argv : commands) {
    absl::StatusOr<SubprocessResult> result = CheckSubprocess({.argv = argv}, deadline_, stop_);
    if (!result.ok()) return Annotate(result.status(), "ask for the version of a tool");
    // mke2fs says it to standard error.
    const std::string& said = result->output.empty() ? result->error_output : result->output;
    versions[argv[0]] = said.substr(0, said.find('\n'));
  }
  return versions;
}

void ImageMaker::Report(absl::string_view phase, absl::string_view item, int64_t done, int64_t total) const {
  if (progress_) {
    progress_({.phase = std::string(phase), .item = std::string(item), .done = done, .total = total});
  }
}

Apt::Progress ImageMaker::ReportPackages(absl::string_view phase) const {
  return [this, phase = std::string(phase)](int done, int total, absl::string_view package) {
    Report(phase, package, done, total);
  };
}

}  // namespace rootwright
