#include "vmimages/image_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <atomic>
#include <fstream>
#include <optional>
#include <thread>

#include "base/file.h"
#include "base/wait.h"

namespace rootwright {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const std::string kDigest(64, 'a');

class ImageStoreTest : public testing::Test {
 protected:
  void SetUp() override {
    auto folder = ScopedFolder::Create(testing::TempDir(), "store-");
    ASSERT_TRUE(folder.ok()) << folder.status();
    folder_.emplace(*std::move(folder));
  }

  fs::path store() const { return folder_->path() / "images"; }
  fs::path FileOf(const std::string& name) const { return store() / kDigest / name; }

  ImageStore::Maker Maker(std::atomic<int>* made = nullptr) {
    return [made](const fs::path& folder) -> absl::StatusOr<ImageDescription> {
      if (made != nullptr) ++*made;
      if (auto status = WriteFileAtomically(folder / "kernel", "a kernel"); !status.ok()) return status;
      if (auto status = WriteFileAtomically(folder / "root.qcow2", "a disk"); !status.ok()) return status;
      ImageDescription description;
      description.name = "debian-12-test";
      return description;
    };
  }

  absl::StatusOr<StoredImage> FindOrMake(ImageStore& images, std::atomic<int>* made = nullptr) {
    return images.FindOrMake(kDigest, Maker(made),
                             [this](absl::string_view line) { log_.emplace_back(line); }, {});
  }

  // What is in the store's folder, locks excepted.
  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(store())) {
      if (entry.path().extension() != ".lock") names.push_back(entry.path().filename().string());
    }
    return names;
  }

  // As somebody with the right to would.
  void Overwrite(const fs::path& path, const std::string& content) {
    fs::permissions(path, fs::perms::owner_write, fs::perm_options::add);
    std::ofstream(path, std::ios::in | std::ios::out) << content;
    fs::permissions(path, fs::perms::owner_write, fs::perm_options::remove);
  }

  std::optional<ScopedFolder> folder_;
  std::vector<std::string> log_;
};

TEST_F(ImageStoreTest, MakesAnImageOnce) {
  ImageStore images(store());
  std::atomic<int> made = 0;
  const auto first = FindOrMake(images, &made);
  ASSERT_TRUE(first.ok()) << first.status();
  const auto second = FindOrMake(images, &made);
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ(made, 1);
  EXPECT_EQ(first->description, second->description);
  EXPECT_EQ(first->folder, store() / kDigest);
  EXPECT_EQ(first->description.recipe_digest, kDigest);
  EXPECT_EQ(first->description.files.size(), 2u);
  EXPECT_THAT(log_, IsEmpty());
}

TEST_F(ImageStoreTest, TakesTheRightToWriteFromAnImage) {
  ImageStore images(store());
  ASSERT_TRUE(FindOrMake(images).ok());
  struct stat info;
  ASSERT_EQ(stat((store() / kDigest).c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0555u);
  for (const char* name : {"kernel", "root.qcow2", "image.json"}) {
    ASSERT_EQ(stat(FileOf(name).c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 07777, 0444u) << name;
  }
}

TEST_F(ImageStoreTest, FindsNothingInAnEmptyStore) {
  ImageStore images(store());
  EXPECT_TRUE(absl::IsNotFound(images.Find(kDigest).status()));
  EXPECT_THAT(images.List().value(), IsEmpty());
}

TEST_F(ImageStoreTest, DetectsAChangedByte) {
  ASSERT_TRUE(FindOrMake(*std::make_unique<ImageStore>(store())).ok());
  Overwrite(FileOf("root.qcow2"), "A");
  ImageStore images(store());
  const auto found = images.Find(kDigest);
  EXPECT_TRUE(absl::IsDataLoss(found.status()));
  EXPECT_THAT(std::string(found.status().message()), HasSubstr("root.qcow2"));
}

TEST_F(ImageStoreTest, DetectsAChangeAfterItWasVerified) {
  ImageStore images(store());
  ASSERT_TRUE(FindOrMake(images).ok());
  Overwrite(FileOf("kernel"), "A");
  EXPECT_TRUE(absl::IsDataLoss(images.Find(kDigest).status()));
}

TEST_F(ImageStoreTest, DetectsAMissingAndAShorterFile) {
  ImageStore images(store());
  ASSERT_TRUE(FindOrMake(images).ok());
  fs::resize_file(FileOf("root.qcow2"), 3);
  EXPECT_THAT(std::string(images.Find(kDigest).status().message()), HasSubstr("3 bytes instead of 6"));
  fs::permissions(store() / kDigest, fs::perms::owner_write, fs::perm_options::add);
  fs::remove(FileOf("root.qcow2"));
  EXPECT_TRUE(absl::IsDataLoss(images.Find(kDigest).status()));
  fs::remove(FileOf("image.json"));
  EXPECT_TRUE(absl::IsDataLoss(images.Find(kDigest).status()));
}

TEST_F(ImageStoreTest, KeepsATreeAsItIsAndDetectsAChangeInIt) {
  const ImageStore::Maker maker = [](const fs::path& folder) -> absl::StatusOr<ImageDescription> {
    if (auto status = MakeFolders(folder / "root/etc"); !status.ok()) return status;
    if (auto status = WriteFileAtomically(folder / "root/etc/shadow", "x", 0640); !status.ok()) return status;
    return ImageDescription{.name = "debian-12-test-root"};
  };
  ImageStore images(store());
  const auto made = images.FindOrMake(kDigest, maker, nullptr, {});
  ASSERT_TRUE(made.ok()) << made.status();
  ASSERT_EQ(made->description.files.size(), 1u);
  EXPECT_EQ(made->description.files[0].name, "root");
  EXPECT_EQ(fs::status(FileOf("root/etc/shadow")).permissions(), fs::perms(0640));
  EXPECT_TRUE(images.Find(kDigest).ok());
  std::ofstream(FileOf("root/etc/shadow")) << "y";
  EXPECT_TRUE(absl::IsDataLoss(images.Find(kDigest).status()));
}

TEST_F(ImageStoreTest, DetectsAnImageUnderAnotherName) {
  ImageStore images(store());
  ASSERT_TRUE(FindOrMake(images).ok());
  const std::string other(64, 'b');
  fs::rename(store() / kDigest, store() / other);
  EXPECT_TRUE(absl::IsDataLoss(images.Find(other).status()));
}

TEST_F(ImageStoreTest, MakesADamagedImageAnewAndSaysSo) {
  ImageStore images(store());
  std::atomic<int> made = 0;
  ASSERT_TRUE(FindOrMake(images, &made).ok());
  Overwrite(FileOf("kernel"), "A");
  const auto again = FindOrMake(images, &made);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(made, 2);
  EXPECT_EQ(ReadFile(FileOf("kernel")).value(), "a kernel");
  EXPECT_THAT(log_, ElementsAre(HasSubstr("damaged")));
  EXPECT_THAT(Names(), ElementsAre(kDigest));
}

TEST_F(ImageStoreTest, KeepsNothingOfAMakerThatFails) {
  ImageStore images(store());
  const auto failing = [](const fs::path& folder) -> absl::StatusOr<ImageDescription> {
    if (auto status = WriteFileAtomically(folder / "kernel", "half"); !status.ok()) return status;
    return absl::UnavailableError("no mirror");
  };
  const auto image = images.FindOrMake(kDigest, failing, {}, {});
  EXPECT_TRUE(absl::IsUnavailable(image.status()));
  EXPECT_THAT(Names(), IsEmpty());
}

TEST_F(ImageStoreTest, KeepsNothingValidOfAMakerThatDies) {
  // In a child process, as by a kill in mid-make.
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    ImageStore images(store());
    (void)images.FindOrMake(kDigest,
                            [](const fs::path& folder) -> absl::StatusOr<ImageDescription> {
                              std::ofstream(folder / "kernel") << "half";
                              _exit(0);
                            },
                            {}, {});
    _exit(1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
  ASSERT_EQ(Names().size(), 1u);

  ImageStore images(store());
  EXPECT_TRUE(absl::IsNotFound(images.Find(kDigest).status()));
  EXPECT_THAT(images.List().value(), IsEmpty());
  ASSERT_TRUE(FindOrMake(images).ok());
  EXPECT_THAT(Names(), ElementsAre(kDigest));
}

TEST_F(ImageStoreTest, LetsOneOfTwoMakersMakeIt) {
  std::atomic<int> made = 0;
  absl::Status first, second;
  const auto make = [&](absl::Status& status) {
    ImageStore images(store());
    status = images.FindOrMake(kDigest, Maker(&made), {}, {}).status();
  };
  std::thread one([&] { make(first); });
  std::thread two([&] { make(second); });
  one.join();
  two.join();
  EXPECT_TRUE(first.ok()) << first;
  EXPECT_TRUE(second.ok()) << second;
  EXPECT_EQ(made, 1);
}

TEST_F(ImageStoreTest, StopsWaitingForAnotherMakerWhenAsked) {
  std::stop_source stop;
  absl::Status waited;
  ImageStore images(store());
  const auto image = images.FindOrMake(
      kDigest,
      [&](const fs::path& folder) {
        // The lock is held here.
        std::thread other([&] {
          waited = ImageStore(store()).FindOrMake(kDigest, Maker(), {}, stop.get_token()).status();
        });
        stop.request_stop();
        other.join();
        return Maker()(folder);
      },
      {}, {});
  EXPECT_TRUE(image.ok()) << image.status();
  EXPECT_TRUE(absl::IsCancelled(waited)) << waited;
}

TEST_F(ImageStoreTest, ListsAndRemovesImages) {
  ImageStore images(store());
  ASSERT_TRUE(FindOrMake(images).ok());
  EXPECT_THAT(images.List().value(), ElementsAre(kDigest));
  EXPECT_TRUE(images.Remove(kDigest, {}).ok());
  EXPECT_THAT(images.List().value(), IsEmpty());
  EXPECT_THAT(Names(), IsEmpty());
  EXPECT_TRUE(absl::IsNotFound(images.Remove(kDigest, {})));
}

}  // namespace
}  // namespace rootwright
