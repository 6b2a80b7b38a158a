#include "executors/rootfs/roots/build_root_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <optional>
#include <thread>

#include "base/file.h"

namespace rootwright {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;

class BuildRootStoreTest : public testing::Test {
 protected:
  static RootRecipe Recipe(const std::string& name,
                           RootRecipe::Origin origin = RootRecipe::Origin::kImported) {
    return {
        .origin = origin, .name = name, .architecture = Architecture::kArm64, .facts = {{"archive", "x"}}};
  }
  absl::StatusOr<BuildRoot> Make(const RootRecipe& recipe) {
    const auto maker = [&](const fs::path& tree) -> absl::StatusOr<ImageDescription> {
      ++made_;
      fs::create_directory(tree / "etc");
      Write(tree / "etc/name");
      return ImageDescription{};
    };
    return store_.FindOrMake(recipe, maker,
                             [&](absl::string_view line) { log_.append(line.data(), line.size()); }, {});
  }
  static void Write(const fs::path& path) { ASSERT_TRUE(WriteFileAtomically(path, "content").ok()); }

  ScopedFolder folder_ = *ScopedFolder::Create(testing::TempDir(), "roots-");
  BuildRootStore store_{folder_.path() / "store"};
  int made_ = 0;
  std::string log_;
};

TEST_F(BuildRootStoreTest, MakesOnceAndHandsOutWhatItMade) {
  const auto first = Make(Recipe("stage3"));
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(first->name, "stage3");
  EXPECT_FALSE(first->debian);
  EXPECT_EQ(*ReadFile(first->tree / "etc/name"), "content");
  const auto second = Make(Recipe("stage3"));
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(made_, 1);
  EXPECT_EQ(second->digest, first->digest);
  EXPECT_EQ(store_.FindImported("stage3", {})->digest, first->digest);
  struct stat info {};
  ASSERT_EQ(stat((folder_.path() / "store").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0700u) << "set-user-ID programs are nobody's to run";
}

TEST_F(BuildRootStoreTest, ADamagedRootIsMadeAnewOrTold) {
  const auto made = Make(Recipe("portage-arm64", RootRecipe::Origin::kMade));
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_TRUE(made->debian);
  Write(made->tree / "etc/more");
  ASSERT_TRUE(Make(Recipe("portage-arm64", RootRecipe::Origin::kMade)).ok());
  EXPECT_EQ(made_, 2);
  EXPECT_THAT(log_, HasSubstr("damaged"));
  const auto imported = Make(Recipe("stage3"));
  Write(imported->tree / "etc/more");
  const absl::Status damaged = store_.FindImported("stage3", {}).status();
  EXPECT_TRUE(absl::IsDataLoss(damaged));
  EXPECT_THAT(std::string(damaged.message()), HasSubstr("import it again"));
}

TEST_F(BuildRootStoreTest, NothingIsLeftOfOneThatCouldNotBeMade) {
  const auto fail = [](const fs::path& tree) -> absl::StatusOr<ImageDescription> {
    fs::create_directory(tree / "half");
    return absl::DataLossError("truncated");
  };
  EXPECT_TRUE(absl::IsDataLoss(store_.FindOrMake(Recipe("stage3"), fail, {}, {}).status()));
  EXPECT_TRUE(store_.List()->empty());
  EXPECT_TRUE(absl::IsNotFound(store_.FindImported("stage3", {}).status()));
  for (const auto& entry : fs::directory_iterator(folder_.path() / "store"))
    EXPECT_FALSE(entry.is_directory());
}

TEST_F(BuildRootStoreTest, ListsByNameWithoutLookingAtTrees) {
  ASSERT_TRUE(Make(Recipe("b")).ok());
  ASSERT_TRUE(Make(Recipe("a")).ok());
  const auto roots = store_.List();
  ASSERT_TRUE(roots.ok());
  ASSERT_EQ(roots->size(), 2U);
  EXPECT_EQ((*roots)[0].recipe, Recipe("a"));
  EXPECT_EQ((*roots)[0].size_bytes, 7);
  EXPECT_FALSE((*roots)[0].in_use);
  EXPECT_GT((*roots)[0].made_at, absl::Now() - absl::Hours(1));
  EXPECT_THAT(store_.Names(), ElementsAre("a", "b"));
  EXPECT_THAT(std::string(store_.FindImported("c", {}).status().message()), HasSubstr("there are: a, b"));
}

TEST_F(BuildRootStoreTest, IsNotRemovedWhileItIsUsed) {
  std::optional<BuildRoot> used = *Make(Recipe("stage3"));
  std::optional<BuildRoot> copy = used;
  used.reset();
  EXPECT_TRUE((*store_.List())[0].in_use);
  const absl::Status refused = store_.Remove("stage3", {});
  EXPECT_TRUE(absl::IsFailedPrecondition(refused)) << refused;
  EXPECT_THAT(std::string(refused.message()), HasSubstr("a build uses it"));
  EXPECT_TRUE(fs::exists(copy->tree / "etc/name"));
  copy.reset();
  EXPECT_TRUE(store_.Remove("stage3", {}).ok());
  EXPECT_TRUE(store_.List()->empty());
  EXPECT_TRUE(absl::IsNotFound(store_.Remove("stage3", {})));
}

TEST_F(BuildRootStoreTest, WhatAProcessLeftThatDiedGoes) {
  ASSERT_TRUE(Make(Recipe("stage3")).ok());
  const fs::path left = folder_.path() / "store" / (".making-" + std::string(64, 'a') + "-abcdef");
  fs::create_directories(left / "root/etc");
  ASSERT_TRUE(store_.RemoveLeftovers().ok());
  EXPECT_FALSE(fs::exists(left));
  EXPECT_THAT(store_.Names(), ElementsAre("stage3"));
}

TEST_F(BuildRootStoreTest, WhatIsBeingMadeStays) {
  const auto slow = [&](const fs::path& tree) -> absl::StatusOr<ImageDescription> {
    BuildRootStore other(folder_.path() / "store");
    EXPECT_TRUE(other.RemoveLeftovers().ok());
    EXPECT_TRUE(fs::exists(tree));
    return ImageDescription{};
  };
  EXPECT_TRUE(store_.FindOrMake(Recipe("stage3"), slow, {}, {}).ok());
}

TEST_F(BuildRootStoreTest, WhoIsStoppedWhileAnotherMakesItLeavesThatOneToIt) {
  absl::Status waiting;
  const auto slow = [&](const fs::path&) -> absl::StatusOr<ImageDescription> {
    std::stop_source stop;
    std::jthread waiter([&] {
      BuildRootStore theirs(folder_.path() / "store");
      const auto never = [](const fs::path&) -> absl::StatusOr<ImageDescription> {
        ADD_FAILURE() << "made twice";
        return ImageDescription{};
      };
      // Says so once it waits.
      const auto heard = [&](absl::string_view) { stop.request_stop(); };
      waiting = theirs.FindOrMake(Recipe("stage3"), never, heard, stop.get_token()).status();
    });
    waiter.join();
    return ImageDescription{};
  };
  const absl::StatusOr<BuildRoot> made = store_.FindOrMake(Recipe("stage3"), slow, {}, {});
  EXPECT_TRUE(made.ok()) << made.status();
  EXPECT_TRUE(absl::IsCancelled(waiting)) << waiting;
}

TEST_F(BuildRootStoreTest, TwoWhoWantOneAtOnceGetOne) {
  std::jthread other([&] {
    BuildRootStore theirs(folder_.path() / "store");
    const auto never = [](const fs::path&) -> absl::StatusOr<ImageDescription> { return ImageDescription{}; };
    EXPECT_TRUE(theirs.FindOrMake(Recipe("stage3"), never, {}, {}).ok());
  });
  EXPECT_TRUE(Make(Recipe("stage3")).ok());
  other.join();
  EXPECT_EQ(store_.List()->size(), 1U);
}

}  // namespace
}  // namespace rootwright
