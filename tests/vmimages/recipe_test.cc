#include "vmimages/recipe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

namespace rootwright {
namespace {

using testing::ContainsRegex;
using testing::MatchesRegex;

TEST(RecipeFor, KnowsTheMachinesThatWeBuildIn) {
  for (const Architecture architecture : {Architecture::kArm64, Architecture::kAmd64}) {
    const auto recipe = RecipeFor(architecture);
    ASSERT_TRUE(recipe.ok()) << recipe.status();
    EXPECT_EQ(recipe->name, std::string("debian-12-") + NamesOf(architecture).debian);
    EXPECT_THAT(recipe->packages,
                testing::IsSupersetOf({"tar", "mount", "coreutils", "dash", "base-passwd"}));
  }
}

TEST(RecipeFor, SaysWhenThereIsNone) {
  const auto recipe = RecipeFor(Architecture::kArmel);
  EXPECT_TRUE(absl::IsUnimplemented(recipe.status()));
  EXPECT_THAT(std::string(recipe.status().message()), ContainsRegex("armel"));
}

TEST(ContainerRecipe, HasThePackagesOfTheMachineAndNoKernel) {
  const ImageRecipe recipe = ContainerRecipeFor(Architecture::kAmd64);
  EXPECT_EQ(recipe.name, "debian-12-amd64-root");
  EXPECT_EQ(recipe.packages, RecipeFor(Architecture::kAmd64)->packages);
  EXPECT_THAT(RecipeText(recipe), testing::Not(testing::HasSubstr("kernel")));
  EXPECT_NE(RecipeDigest(recipe, ""), RecipeDigest(*RecipeFor(Architecture::kAmd64), ""));
}

TEST(RecipeDigest, IsTheSameForTheSameRecipeAndGuest) {
  const ImageRecipe recipe = RecipeFor(Architecture::kArm64).value();
  EXPECT_EQ(RecipeDigest(recipe, "abc"), RecipeDigest(recipe, "abc"));
  EXPECT_THAT(RecipeDigest(recipe, "abc"), MatchesRegex("[0-9a-f]+"));
  EXPECT_EQ(RecipeDigest(recipe, "abc").size(), 64u);
}

TEST(RecipeDigest, ChangesWithEveryPartOfTheRecipe) {
  const ImageRecipe recipe = RecipeFor(Architecture::kArm64).value();
  const std::string digest = RecipeDigest(recipe, "abc");
  EXPECT_NE(RecipeDigest(recipe, "abd"), digest);
  const std::vector<std::function<void(ImageRecipe&)>> changes = {
      [](ImageRecipe& r) { r.architecture = Architecture::kRiscv64; },
      [](ImageRecipe& r) { r.name = "other"; },
      [](ImageRecipe& r) { r.suite = "trixie"; },
      [](ImageRecipe& r) { r.components.push_back("contrib"); },
      [](ImageRecipe& r) { r.packages.push_back("hello"); },
      [](ImageRecipe& r) { r.kernel_package = "linux-image-arm64"; },
      [](ImageRecipe& r) { r.modules.pop_back(); },
      [](ImageRecipe& r) { r.root_disk_bytes += 4096; },
  };
  for (const auto& change : changes) {
    ImageRecipe changed = recipe;
    change(changed);
    EXPECT_NE(RecipeDigest(changed, "abc"), digest) << RecipeText(changed);
  }
}

}  // namespace
}  // namespace rootwright
