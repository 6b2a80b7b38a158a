// What comes with a stage: digests, keys, gpgv's words, the head of its shell, the recipe of a root. The
// first byte says which.
#include <cstdint>
#include <cstdlib>

#include "executors/rootfs/roots/elf_architecture.h"
#include "executors/rootfs/roots/openpgp.h"
#include "executors/rootfs/roots/root_recipe.h"
#include "executors/rootfs/roots/stage_digests.h"

namespace {

void CheckDigestsOf(absl::string_view text) {
  const auto digests = rootwright::ParseStageDigests(text);
  if (!digests.ok()) return;
  for (const rootwright::StageDigest& digest : *digests) {
    const bool right = digest.digest.size() == 64 || digest.digest.size() == 128;
    if (!right || digest.file_name.empty()) std::abort();
  }
  const auto ignored = rootwright::CheckDigests(*digests, "x", {});
}

void CheckRecipeOf(absl::string_view text) {
  const auto recipe = rootwright::ParseRootRecipe(text);
  if (recipe.ok() && !rootwright::ParseRootRecipe(rootwright::RecipeText(*recipe)).ok()) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const absl::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 6) {
    case 0:
      CheckDigestsOf(text);
      break;
    case 1: {
      const auto ignored = rootwright::BinaryKeyring(text);
      break;
    }
    case 2: {
      const auto ignored = rootwright::ReadGpgvStatus(text, "x");
      break;
    }
    case 3: {
      const auto ignored = rootwright::ArchitectureOfElf(text);
      break;
    }
    case 4:
      CheckRecipeOf(text);
      break;
    default: {
      const auto option = rootwright::ParseDigestOption(text);
      const auto name = rootwright::CheckRootName(rootwright::RootNameOfArchive(text));
    }
  }
  return 0;
}
