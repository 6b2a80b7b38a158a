#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/architecture.h"

namespace rootwright {

// What a build root was made from, as it stands in its image.json.
struct RootRecipe {
  // Built by Rootwright from images/portage, or handed in by somebody: a stage of Gentoo.
  enum class Origin { kMade, kImported };
  Origin origin = Origin::kMade;
  std::string name;
  Architecture architecture = Architecture::kAmd64;
  // In order: {"specification", "3f0c…"}, {"archive", "sha256:…"}, {"verified", "signature of …"}. Keys are
  // lower-case words, values have no line end.
  struct Fact {
    std::string key;
    std::string value;

    friend bool operator==(const Fact&, const Fact&) = default;
  };
  std::vector<Fact> facts;

  // The first fact of that key; empty: none.
  std::string Get(absl::string_view key) const;

  friend bool operator==(const RootRecipe&, const RootRecipe&) = default;
};

// One "key: value" a line.
std::string RecipeText(const RootRecipe& recipe);
// DataLoss when it is not such a text.
absl::StatusOr<RootRecipe> ParseRootRecipe(absl::string_view text);

// Names its folder in the store. Of a root that was made over all of the recipe and the format; of an
// imported one over its name, so that a name is taken once.
std::string KeyOf(const RootRecipe& recipe);
std::string KeyOfImported(absl::string_view name);

// "portage-arm64".
std::string OwnRootName(Architecture architecture);

// OK for a name that an imported root may have: 1 to 63 characters of [a-z0-9._-], the first a letter or
// digit; not one of Rootwright's own.
absl::Status CheckRootName(absl::string_view name);

// "stage3-amd64-openrc-20261101T170000Z.tar.xz" → "stage3-amd64-openrc-20261101t170000z". What remains may
// still be none that CheckRootName takes.
std::string RootNameOfArchive(absl::string_view file_name);

}  // namespace rootwright
