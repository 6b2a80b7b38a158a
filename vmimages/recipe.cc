#include "vmimages/recipe.h"

#include <array>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/sha256.h"

namespace rootwright {
namespace {

constexpr int kFormatVersion = 2;

// A further architecture is a row here, if Debian has a kernel for its virtual machine.
struct Row {
  Architecture architecture;
  const char* kernel_package;
};
constexpr std::array<Row, 2> kRows = {{
    {Architecture::kArm64, "linux-image-cloud-arm64"},
    {Architecture::kAmd64, "linux-image-cloud-amd64"},
}};

// Debian's essential packages without dpkg and its kin, which a machine that is thrown away
// has no use for, the tools that scripts take for granted, and for a person who wants in OpenSSH, which
// is made ready when that is wanted (ci/cli/ssh_commands.cc), and the rsync that theirs calls.
const std::vector<std::string>& MachinePackages() {
  static const auto& packages = *new std::vector<std::string>{
      "base-files",     "base-passwd",    "bash",      "bsdutils",    "coreutils", "dash",
      "debianutils",    "diffutils",      "findutils", "grep",        "gzip",      "hostname",
      "libc-bin",       "mawk",           "mount",     "ncurses-bin", "procps",    "ncurses-base",
      "openssh-client", "openssh-server", "perl-base", "rsync",       "sed",       "tar",
      "util-linux",     "usr-is-merged",  "xz-utils",  "zstd"};
  return packages;
}

// The disks, the channel and entropy; the file systems of base image and build.
const std::vector<std::string>& MachineModules() {
  static const auto& modules = *new std::vector<std::string>{
      "virtio_pci", "virtio_blk", "virtio_console", "virtio_rng", "crc32c_generic", "ext4", "overlay"};
  return modules;
}

}  // namespace

absl::StatusOr<ImageRecipe> RecipeFor(Architecture architecture) {
  const std::string debian = NamesOf(architecture).debian;
  for (const Row& row : kRows) {
    if (row.architecture != architecture) continue;
    return ImageRecipe{.architecture = architecture,
                       .name = absl::StrCat("debian-12-", debian),
                       .suite = "bookworm",
                       .components = {"main"},
                       .packages = MachinePackages(),
                       .kernel_package = row.kernel_package,
                       .modules = MachineModules(),
                       .network_modules = {"virtio_net"},
                       .root_disk_bytes = int64_t{16} << 30};
  }
  return absl::UnimplementedError(
      absl::StrCat("find a machine image recipe: ", debian, ": there is none yet"));
}

ImageRecipe ContainerRecipeFor(Architecture architecture) {
  return ImageRecipe{.kind = ImageRecipe::Kind::kContainerRoot,
                     .architecture = architecture,
                     .name = absl::StrCat("debian-12-", NamesOf(architecture).debian, "-root"),
                     .suite = "bookworm",
                     .components = {"main"},
                     .packages = MachinePackages(),
                     .kernel_package = "",
                     .modules = {},
                     .network_modules = {},
                     .root_disk_bytes = 0};
}

std::string RecipeText(const ImageRecipe& recipe) {
  const std::string root =
      absl::StrCat("name: ", recipe.name, "\narchitecture: ", NamesOf(recipe.architecture).debian,
                   "\nsuite: ", recipe.suite, "\ncomponents: ", absl::StrJoin(recipe.components, " "),
                   "\npackages: ", absl::StrJoin(recipe.packages, " "), "\n");
  if (recipe.kind == ImageRecipe::Kind::kContainerRoot) return root;
  return absl::StrCat(root, "kernel: ", recipe.kernel_package,
                      "\nmodules: ", absl::StrJoin(recipe.modules, " "),
                      "\nnetwork_modules: ", absl::StrJoin(recipe.network_modules, " "),
                      "\nroot_disk_bytes: ", recipe.root_disk_bytes, "\n");
}

std::string RecipeDigest(const ImageRecipe& recipe, absl::string_view guest_sha256) {
  const char* const kind = recipe.kind == ImageRecipe::Kind::kMachine ? "machine image" : "container root";
  return Sha256::Of(absl::StrCat("rootwright ", kind, ", format ", kFormatVersion, "\n", RecipeText(recipe),
                                 "guest: ", guest_sha256, "\n"));
}

}  // namespace rootwright
