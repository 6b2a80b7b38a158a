#pragma once

#include <filesystem>
#include <stop_token>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/clock.h"
#include "debian/apt.h"
#include "vmimages/image_description.h"
#include "vmimages/machine_image.h"
#include "vmimages/recipe.h"

namespace rootwright {

// Names of an image's files in its folder.
inline constexpr char kKernelFile[] = "kernel";
inline constexpr char kInitrdFile[] = "initrd";
inline constexpr char kRootDiskFile[] = "root.qcow2";
inline constexpr char kRootFolder[] = "root";

// Makes one image: packages from the mirror; kernel, initrd and root disk of a machine, or the root folder of
// a container. For one thread, used once.
class ImageMaker {
 public:
  ImageMaker(const MachineImages::Options& options, const ImageRecipe& recipe,
             std::filesystem::path guest_program, MachineImages::Progress progress, std::stop_token stop);

  // Leaves the image's files, and nothing else, in `folder`.
  absl::StatusOr<ImageDescription> Make(const std::filesystem::path& folder);

 private:
  struct Packages {
    AptPlan root;
    AptPlan kernel;
    // Parallel to the plans' packages.
    std::vector<std::filesystem::path> root_files;
    std::filesystem::path kernel_file;
  };
  absl::StatusOr<Packages> FetchPackages();
  absl::StatusOr<AptPlan> PlanFor(Apt& apt, const std::vector<std::string>& packages);
  // Writes kernel and initrd; returns the kernel's release.
  absl::StatusOr<std::string> MakeBoot(const Packages& packages, const std::filesystem::path& scratch,
                                       const std::filesystem::path& folder);
  // The files of the root, finished.
  absl::Status MakeRoot(const Packages& packages, const std::filesystem::path& tree);
  absl::Status MakeRootDisk(const std::filesystem::path& tree, const std::filesystem::path& scratch,
                            const std::filesystem::path& folder);
  absl::StatusOr<std::map<std::string, std::string>> ToolVersions();
  void Report(absl::string_view phase, absl::string_view item = "", int64_t done = 0,
              int64_t total = 0) const;
  Apt::Progress ReportPackages(absl::string_view phase) const;

  const MachineImages::Options& options_;
  const ImageRecipe& recipe_;
  const std::filesystem::path guest_program_;
  const MachineImages::Progress progress_;
  const std::stop_token stop_;
  const Deadline deadline_;
};

}  // namespace rootwright
