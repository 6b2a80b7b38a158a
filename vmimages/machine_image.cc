#include "vmimages/machine_image.h"

#include "absl/strings/str_cat.h"
#include "base/sha256.h"
#include "base/status.h"
#include "vmimages/image_maker.h"

namespace rootwright {

absl::StatusOr<MachineImage> MachineImages::Prepare(Architecture architecture, const Progress& progress,
                                                    const Log& log, std::stop_token stop) {
  RW_ASSIGN_OR_RETURN(const ImageRecipe recipe, RecipeFor(architecture));
  const std::filesystem::path guest =
      options_.guest_programs / NamesOf(architecture).debian / "rootwright-guest";
  const absl::StatusOr<std::string> guest_sha256 = Sha256::OfFile(guest);
  if (!guest_sha256.ok()) {
    return absl::FailedPreconditionError(
        absl::StrCat("prepare machine image: ", recipe.name, ": the guest program is missing: ",
                     guest_sha256.status().message(), "; build it with the target rootwright-guest"));
  }
  const auto make = [&](const std::filesystem::path& folder) {
    return ImageMaker(options_, recipe, guest, progress, stop).Make(folder);
  };
  absl::StatusOr<StoredImage> image = store_.FindOrMake(RecipeDigest(recipe, *guest_sha256), make, log, stop);
  if (!image.ok()) return Annotate(image.status(), absl::StrCat("prepare machine image ", recipe.name));
  return MachineImage{.name = image->description.name,
                      .digest = DigestOf(image->description),
                      .kernel = image->folder / kKernelFile,
                      .initrd = image->folder / kInitrdFile,
                      .root_disk = image->folder / kRootDiskFile,
                      .root_format = DiskFormat::kQcow2,
                      .description = std::move(image->description)};
}

absl::StatusOr<ContainerImage> MachineImages::PrepareContainer(Architecture architecture,
                                                               const Progress& progress, const Log& log,
                                                               std::stop_token stop) {
  const ImageRecipe recipe = ContainerRecipeFor(architecture);
  const auto make = [&](const std::filesystem::path& folder) {
    return ImageMaker(options_, recipe, {}, progress, stop).Make(folder);
  };
  absl::StatusOr<StoredImage> image = store_.FindOrMake(RecipeDigest(recipe, ""), make, log, stop);
  if (!image.ok()) return Annotate(image.status(), absl::StrCat("prepare container image ", recipe.name));
  return ContainerImage{.name = image->description.name,
                        .digest = DigestOf(image->description),
                        .root = image->folder / kRootFolder,
                        .description = std::move(image->description)};
}

}  // namespace rootwright
