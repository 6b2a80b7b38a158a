// Makes the arm64 machine image from Debian's packages and looks at its parts. The image and
// the packages stay in the cache that other tests and the agent use.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <optional>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/subprocess.h"
#include "vmimages/machine_image.h"

namespace rootwright {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

std::string Environment(const char* name, const std::string& fallback) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : fallback;
}

MachineImages::Options TestOptions() {
  const fs::path cache = Environment("ROOTWRIGHT_CACHE", "/var/cache/rootwright");
  const fs::path programs = Environment("ROOTWRIGHT_BIN", "build/dev/bin");
  return {.store = cache / "images",
          .apt = cache / "packages",
          .guest_programs = programs.parent_path() / "guest",
          .unpack_program = programs / "rootwright-unpack"};
}

class MachineImageTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    MachineImages images(TestOptions());
    auto image = images.Prepare(Architecture::kArm64, {}, [](absl::string_view) {}, {});
    ASSERT_TRUE(image.ok()) << image.status();
    image_.emplace(*std::move(image));
  }
  static void TearDownTestSuite() {
    image_.reset();
    folder_.reset();
  }
  void SetUp() override {
    if (!image_) GTEST_SKIP() << "there is no image";
  }

  static std::string Output(std::vector<std::string> argv) {
    const auto result = CheckSubprocess({.argv = std::move(argv)}, Deadline::In(absl::Minutes(5)), {});
    EXPECT_TRUE(result.ok()) << result.status();
    return result.ok() ? result->output : "";
  }

  // The root disk as a raw file, for e2fsprogs.
  static fs::path RawRoot() {
    if (!folder_) folder_.emplace(ScopedFolder::Create(testing::TempDir(), "image-").value());
    const fs::path raw = folder_->path() / "root.ext4";
    if (!fs::exists(raw)) {
      Output({"qemu-img", "convert", "-f", NameOf(image_->root_format), "-O", "raw",
              image_->root_disk.string(), raw.string()});
    }
    return raw;
  }
  static std::string Debugfs(const std::string& request) {
    return Output({"debugfs", "-R", request, RawRoot().string()});
  }

  static std::optional<MachineImage> image_;
  static std::optional<ScopedFolder> folder_;
};

std::optional<MachineImage> MachineImageTest::image_;
std::optional<ScopedFolder> MachineImageTest::folder_;

TEST_F(MachineImageTest, HasANameADigestAndReadOnlyFiles) {
  EXPECT_EQ(image_->name, "debian-12-arm64");
  EXPECT_THAT(image_->digest, SizeIs(64));
  for (const fs::path& file : {image_->kernel, image_->initrd, image_->root_disk}) {
    struct stat info;
    ASSERT_EQ(stat(file.c_str(), &info), 0) << file;
    EXPECT_EQ(info.st_mode & 07777, 0444u) << file;
  }
}

TEST_F(MachineImageTest, HasAnArm64Kernel) {
  const std::string kernel = ReadFile(image_->kernel, 128 << 20).value();
  // Documentation/arm64/booting.rst: the magic of an Image.
  EXPECT_EQ(kernel.substr(56, 4), "ARM\x64");
  EXPECT_THAT(image_->description.kernel_release, HasSubstr("-cloud-arm64"));
}

TEST_F(MachineImageTest, HasASmallInitrdWithGuestAndModules) {
  EXPECT_LT(fs::file_size(image_->initrd), 4u << 20);
  const std::string listing = Output({"cmake", "-E", "tar", "tf", image_->initrd.string()});
  EXPECT_THAT(listing,
              AllOf(HasSubstr("init\n"), HasSubstr("modules/load\n"), HasSubstr("modules/virtio_blk.ko\n"),
                    HasSubstr("modules/virtio_console.ko\n"), HasSubstr("modules/overlay.ko\n")));
}

TEST_F(MachineImageTest, HasARootThatProgramsRunIn) {
  EXPECT_THAT(Debugfs("cat /etc/passwd"), HasSubstr("root:*:0:0:"));
  for (const char* program : {"/usr/bin/tar", "/usr/bin/mount", "/usr/bin/dash", "/usr/bin/mawk",
                              "/usr/lib/ld-linux-aarch64.so.1", "/usr/bin/perl"}) {
    EXPECT_THAT(Debugfs(std::string("stat ") + program), HasSubstr("Inode: ")) << program;
  }
  EXPECT_THAT(Debugfs("stat /lib"), HasSubstr("Fast link dest: \"usr/lib\""));
  EXPECT_THAT(Debugfs("stat /usr/bin/awk"), HasSubstr("Fast link dest: \"mawk\""));
  EXPECT_THAT(Debugfs("stat /tmp"), HasSubstr("Mode:  01777"));
  EXPECT_THAT(Debugfs("stat /usr/bin/su"), AllOf(HasSubstr("Mode:  04755"), HasSubstr("User:     0")));
}

TEST_F(MachineImageTest, HasARootDiskWithoutFaults) {
  Output({"e2fsck", "-f", "-n", RawRoot().string()});
  EXPECT_THAT(Output({"qemu-img", "info", image_->root_disk.string()}), HasSubstr("virtual size: 16 GiB"));
}

TEST_F(MachineImageTest, SaysWhatItIsMadeOf) {
  const std::vector<ImageDescription::Package>& packages = image_->description.packages;
  EXPECT_THAT(packages, Contains(testing::Field(&ImageDescription::Package::name, "tar")));
  EXPECT_THAT(packages, Contains(testing::Field(&ImageDescription::Package::name,
                                                "linux-image-" + image_->description.kernel_release)));
  EXPECT_THAT(image_->description.tools.at("mke2fs"), HasSubstr("1."));
}

TEST_F(MachineImageTest, IsHandedOutAgainWithoutBeingMade) {
  MachineImages images(TestOptions());
  int reports = 0;
  const auto again = images.Prepare(Architecture::kArm64, [&](const ImageProgress&) { ++reports; }, {}, {});
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->digest, image_->digest);
  EXPECT_EQ(reports, 0);
}

TEST_F(MachineImageTest, IsMadeForAnotherArchitecture) {
  const auto folder = ScopedFolder::Create(testing::TempDir(), "amd64-");
  ASSERT_TRUE(folder.ok());
  MachineImages::Options options = TestOptions();
  options.store = folder->path() / "images";
  std::vector<std::string> phases;
  const auto progress = [&](const ImageProgress& update) {
    // Only told when a package is not in the cache.
    if (update.phase == "download") return;
    if (phases.empty() || phases.back() != update.phase) phases.push_back(update.phase);
  };
  const auto image = MachineImages(options).Prepare(Architecture::kAmd64, progress, {}, {});
  ASSERT_TRUE(image.ok()) << image.status();
  EXPECT_EQ(image->name, "debian-12-amd64");
  EXPECT_THAT(Output({"cmake", "-E", "tar", "tf", image->initrd.string()}),
              HasSubstr("modules/overlay.ko\n"));
  EXPECT_THAT(phases, ElementsAre("resolve", "kernel", "unpack", "root_disk", "hash"));
}

TEST_F(MachineImageTest, BootsUntilTheGuestProgramIsReady) {
  const fs::path overlay = RawRoot().parent_path() / "overlay.qcow2";
  const Deadline deadline = Deadline::In(absl::Minutes(3));
  ASSERT_TRUE(CreateOverlay(image_->root_disk, image_->root_format, overlay, deadline, {}).ok());
  std::string console;
  std::stop_source ready;
  SubprocessSpec machine{.argv = {"qemu-system-aarch64",
                                  "-M",
                                  "virt",
                                  "-cpu",
                                  "cortex-a57",
                                  "-m",
                                  "512",
                                  "-nodefaults",
                                  "-nographic",
                                  "-no-reboot",
                                  "-serial",
                                  "stdio",
                                  "-kernel",
                                  image_->kernel.string(),
                                  "-initrd",
                                  image_->initrd.string(),
                                  "-append",
                                  "console=ttyAMA0 quiet panic=-1",
                                  "-drive",
                                  "if=none,id=root,cache=unsafe,format=qcow2,file=" + overlay.string(),
                                  "-device",
                                  "virtio-blk-pci,drive=root,serial=root",
                                  "-device",
                                  "virtio-serial-pci",
                                  "-chardev",
                                  "null,id=guest",
                                  "-device",
                                  "virtserialport,chardev=guest,name=rootwright.0"}};
  machine.on_stdout = [&](absl::string_view text) {
    absl::StrAppend(&console, text);
    if (absl::StrContains(console, "rootwright-guest: ready")) ready.request_stop();
  };
  const auto ended = RunSubprocess(machine, deadline, ready.get_token());
  EXPECT_TRUE(absl::IsCancelled(ended.status())) << ended.status() << "\n" << console;
}

TEST_F(MachineImageTest, IsNotMadeWhenStopped) {
  const auto folder = ScopedFolder::Create(testing::TempDir(), "stopped-");
  ASSERT_TRUE(folder.ok());
  MachineImages::Options options = TestOptions();
  options.store = folder->path() / "images";
  std::stop_source stop;
  MachineImages images(options);
  const auto image = images.Prepare(
      Architecture::kArm64,
      [&](const ImageProgress& progress) {
        if (progress.phase == "unpack") stop.request_stop();
      },
      {}, stop.get_token());
  EXPECT_TRUE(absl::IsCancelled(image.status())) << image.status();
  for (const auto& entry : fs::directory_iterator(options.store))
    EXPECT_EQ(entry.path().extension(), ".lock");
}

TEST_F(MachineImageTest, NeedsTheGuestProgram) {
  MachineImages::Options options = TestOptions();
  options.guest_programs = "/nonexistent";
  const auto image = MachineImages(options).Prepare(Architecture::kArm64, {}, {}, {});
  EXPECT_TRUE(absl::IsFailedPrecondition(image.status()));
  EXPECT_THAT(std::string(image.status().message()), HasSubstr("rootwright-guest"));
}

}  // namespace
}  // namespace rootwright
