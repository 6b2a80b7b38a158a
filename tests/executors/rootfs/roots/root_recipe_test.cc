#include "executors/rootfs/roots/root_recipe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rootwright {
namespace {

using Origin = RootRecipe::Origin;

TEST(RootRecipe, ComesBackFromItsText) {
  const RootRecipe recipe{.origin = Origin::kImported,
                          .name = "stage3",
                          .architecture = Architecture::kArm64,
                          .facts = {{"archive", "sha256:1"}, {"verified", "signature by key A: B"}}};
  const std::string text = RecipeText(recipe);
  EXPECT_EQ(text,
            "origin: imported\nname: stage3\narchitecture: arm64\narchive: sha256:1\nverified: signature by "
            "key A: B\n");
  const auto again = ParseRootRecipe(text);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(*again, recipe);
  EXPECT_EQ(again->Get("archive"), "sha256:1");
  EXPECT_EQ(again->Get("nothing"), "");
}

TEST(RootRecipe, OtherTextIsRefused) {
  for (const char* text :
       {"", "name: x\n", "origin: made\nname: x\narchitecture: vax\n", "origin: made\nname\n",
        "origin: made\narchitecture: arm64\nname: x\n", "kind: machine\nname: debian\n"})
    EXPECT_TRUE(absl::IsDataLoss(ParseRootRecipe(text).status())) << text;
}

TEST(RootRecipe, AMadeRootIsNamedByAllOfItAnImportedOneByItsName) {
  RootRecipe made{.name = "portage-amd64", .facts = {{"specification", "a"}}};
  const std::string key = KeyOf(made);
  made.facts[0].value = "b";
  EXPECT_NE(KeyOf(made), key);
  RootRecipe imported{.origin = Origin::kImported, .name = "stage3"};
  EXPECT_EQ(KeyOf(imported), KeyOfImported("stage3"));
  imported.facts.push_back({"archive", "x"});
  EXPECT_EQ(KeyOf(imported), KeyOfImported("stage3"));
  EXPECT_NE(KeyOfImported("stage4"), KeyOfImported("stage3"));
}

TEST(RootNames, AreWhatFilesAndPeopleCanHold) {
  for (const char* good : {"stage3", "stage3-amd64-openrc_23.0-20261101t170000z", "0", "portage-next"})
    EXPECT_TRUE(CheckRootName(good).ok()) << good;
  for (const std::string& bad :
       {std::string(), std::string("Stage3"), std::string(".hidden"), std::string("-x"), std::string("a/b"),
        std::string(".."), std::string("a b"), std::string(64, 'a')})
    EXPECT_TRUE(absl::IsInvalidArgument(CheckRootName(bad))) << bad;
  EXPECT_THAT(std::string(CheckRootName("portage-arm64").message()), testing::HasSubstr("Rootwright's own"));
}

TEST(RootNames, ComeFromTheArchive) {
  EXPECT_EQ(RootNameOfArchive("stage3-amd64-openrc-20261101T170000Z.tar.xz"),
            "stage3-amd64-openrc-20261101t170000z");
  EXPECT_EQ(RootNameOfArchive("root.tar"), "root");
  EXPECT_EQ(RootNameOfArchive(".tar.xz"), "");
}

}  // namespace
}  // namespace rootwright
