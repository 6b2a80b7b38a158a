#include "executors/rootfs/roots/root_recipe.h"

#include <algorithm>
#include <array>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/sha256.h"
#include "base/status.h"

namespace rootwright {
namespace {

// Changes whenever a root is made differently from the same specification.
constexpr char kFormat[] = "rootwright build root 1\n";
constexpr char kImportedFormat[] = "rootwright imported root 1\n";
constexpr char kMade[] = "made";
constexpr char kImported[] = "imported";
constexpr size_t kLongestName = 63;
constexpr std::array kAll = {Architecture::kAmd64, Architecture::kArm64, Architecture::kArmhf,
                             Architecture::kRiscv64, Architecture::kArmel};

absl::Status Damaged(absl::string_view why) {
  return absl::DataLossError(absl::StrCat("read the recipe of a build root: ", why));
}

bool IsNameCharacter(char c) {
  return absl::ascii_islower(static_cast<unsigned char>(c)) ||
         absl::ascii_isdigit(static_cast<unsigned char>(c)) || c == '.' || c == '_' || c == '-';
}

}  // namespace

std::string RootRecipe::Get(absl::string_view key) const {
  const auto found =
      std::find_if(facts.begin(), facts.end(), [&](const Fact& fact) { return fact.key == key; });
  return found == facts.end() ? "" : found->value;
}

std::string RecipeText(const RootRecipe& recipe) {
  std::string text =
      absl::StrCat("origin: ", recipe.origin == RootRecipe::Origin::kMade ? kMade : kImported,
                   "\nname: ", recipe.name, "\narchitecture: ", NamesOf(recipe.architecture).debian, "\n");
  for (const RootRecipe::Fact& fact : recipe.facts) absl::StrAppend(&text, fact.key, ": ", fact.value, "\n");
  return text;
}

absl::StatusOr<RootRecipe> ParseRootRecipe(absl::string_view text) {
  RootRecipe recipe;
  for (const absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    const std::pair<absl::string_view, absl::string_view> parts =
        absl::StrSplit(line, absl::MaxSplits(": ", 1));
    if (parts.first.size() + 2 > line.size()) return Damaged(absl::StrCat("'", line, "' is no fact"));
    recipe.facts.push_back({std::string(parts.first), std::string(parts.second)});
  }
  const std::string origin = recipe.Get("origin");
  if (origin != kMade && origin != kImported) return Damaged("it has no origin");
  recipe.origin = origin == kMade ? RootRecipe::Origin::kMade : RootRecipe::Origin::kImported;
  recipe.name = recipe.Get("name");
  if (recipe.name.empty()) return Damaged("it has no name");
  const std::optional<Architecture> architecture = ArchitectureFromDebianName(recipe.Get("architecture"));
  if (!architecture) return Damaged("it has no architecture");
  recipe.architecture = *architecture;
  // The three are always the first.
  if (recipe.facts[0].key != "origin" || recipe.facts[1].key != "name" ||
      recipe.facts[2].key != "architecture")
    return Damaged("its facts are in another order");
  recipe.facts.erase(recipe.facts.begin(), recipe.facts.begin() + 3);
  return recipe;
}

std::string KeyOf(const RootRecipe& recipe) {
  if (recipe.origin == RootRecipe::Origin::kImported) return KeyOfImported(recipe.name);
  return Sha256::Of(absl::StrCat(kFormat, RecipeText(recipe)));
}

std::string KeyOfImported(absl::string_view name) {
  return Sha256::Of(absl::StrCat(kImportedFormat, "name: ", name, "\n"));
}

std::string OwnRootName(Architecture architecture) {
  return absl::StrCat("portage-", NamesOf(architecture).debian);
}

absl::Status CheckRootName(absl::string_view name) {
  const bool good = !name.empty() && name.size() <= kLongestName &&
                    absl::ascii_isalnum(static_cast<unsigned char>(name.front())) &&
                    std::all_of(name.begin(), name.end(), IsNameCharacter);
  if (!good) {
    return absl::InvalidArgumentError(
        absl::StrCat("name: '", name, "': 1 to ", kLongestName,
                     " characters of a-z, 0-9, '.', '_' and '-' are one, the first a letter or digit"));
  }
  for (const Architecture architecture : kAll) {
    if (name == OwnRootName(architecture)) {
      return absl::InvalidArgumentError(
          absl::StrCat("name: '", name, "': is that of Rootwright's own image; choose another"));
    }
  }
  return absl::OkStatus();
}

std::string RootNameOfArchive(absl::string_view file_name) {
  for (const absl::string_view end : {".xz", ".zst", ".gz", ".bz2"}) absl::ConsumeSuffix(&file_name, end);
  absl::ConsumeSuffix(&file_name, ".tar");
  return absl::AsciiStrToLower(file_name);
}

}  // namespace rootwright
