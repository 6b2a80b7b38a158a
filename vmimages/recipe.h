#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/architecture.h"

namespace rootwright {

// What the image of a build machine, or the root of a container, is made of. Two recipes with equal text and
// the same guest program give images that are interchangeable, so the digest of both is the image's name in
// the store. Versions of packages are not part of it: the archive decides them, and image.json says which
// they were.
struct ImageRecipe {
  // A machine boots disk images; a container starts on a folder of files and has no kernel of its own.
  enum class Kind { kMachine, kContainerRoot };
  Kind kind = Kind::kMachine;
  Architecture architecture = Architecture::kArm64;
  // What people call it: "debian-12-arm64", "debian-12-amd64-root".
  std::string name;
  // Debian's: "bookworm".
  std::string suite;
  std::vector<std::string> components;
  // Unpacked, not configured: what build commands find in "/".
  std::vector<std::string> packages;
  // Metapackage whose dependency "linux-image-<version>" is the kernel.
  std::string kernel_package;
  // Loaded before anything else, with what they need.
  std::vector<std::string> modules;
  // Loaded by a machine with a network card, with what they need beyond the others.
  std::vector<std::string> network_modules;
  // Of the file system, sparse; what a build may write to it is bounded by this.
  int64_t root_disk_bytes = 0;
};

// The recipe for an architecture's machines. Unimplemented when there is none yet.
absl::StatusOr<ImageRecipe> RecipeFor(Architecture architecture);
// That of its containers: the same packages, so that a command finds the same in "/" of both.
ImageRecipe ContainerRecipeFor(Architecture architecture);

// All of the recipe as text, one "key: value" a line; for image.json and the digest.
std::string RecipeText(const ImageRecipe& recipe);

// SHA-256 over the text, the digest of the guest program (empty where the image has none) and the version of
// the image format, which changes whenever the maker does things differently.
std::string RecipeDigest(const ImageRecipe& recipe, absl::string_view guest_sha256);

}  // namespace rootwright
