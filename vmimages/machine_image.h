#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <stop_token>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/architecture.h"
#include "vmimages/image_store.h"
#include "vmimages/overlay.h"
#include "vmimages/recipe.h"

namespace rootwright {

// What a build machine starts from. The files are read-only: a machine writes to an overlay
// (vmimages/overlay.h) of root_disk.
struct MachineImage {
  // "debian-12-arm64".
  std::string name;
  // SHA-256 over recipe and content.
  std::string digest;
  std::filesystem::path kernel;
  // Its /init is the guest program.
  std::filesystem::path initrd;
  // An ext4 file system without a partition table, label "rootwright".
  std::filesystem::path root_disk;
  DiskFormat root_format = DiskFormat::kQcow2;
  // In image.json: recipe, packages, tools.
  ImageDescription description;
};

// What a container starts from: a folder with the files of a root, owned by the host's own numbers. Nobody
// may write to it: containers have copy-on-write views of it.
struct ContainerImage {
  // "debian-12-amd64-root".
  std::string name;
  std::string digest;
  std::filesystem::path root;
  ImageDescription description;
};

// How far the making of an image is: `done` of `total` (0 when not known) of `phase`, at `item`.
// The phases are "resolve", "download", "kernel", "unpack", "root_disk", "hash";
// "download" is left out when the cache has all packages, "kernel" and "root_disk" for containers.
struct ImageProgress {
  std::string phase;
  std::string item;
  int64_t done = 0;
  int64_t total = 0;
};

// Has the images of this host's machines and containers: makes them from Debian packages, keeps them in a
// store, and hands them out verified. All is done on the host, for any architecture alike: packages are
// unpacked, not configured, so no program of theirs runs; there is no mount, no loop device and no user-mode
// emulation. It must be root, for the files' owners. Making one takes some seconds with the packages in the
// cache, and is given up after half an hour.
//
// Calls may come from several threads; those for the same image wait for each other.
class MachineImages {
 public:
  struct Options {
    std::filesystem::path store;
    // Of class Apt: its state and its packages, which builds may share.
    std::filesystem::path apt;
    // Has <Debian architecture>/rootwright-guest.
    std::filesystem::path guest_programs;
    // The program rootwright-unpack.
    std::filesystem::path unpack_program;
    std::string mirror = "http://deb.debian.org/debian";
    std::filesystem::path keyring = "/usr/share/keyrings/debian-archive-keyring.gpg";
  };
  explicit MachineImages(Options options) : options_(std::move(options)), store_(options_.store) {}

  // Called from the calling thread.
  using Progress = std::function<void(const ImageProgress&)>;
  // Takes a line that people should see.
  using Log = std::function<void(absl::string_view)>;

  // The image for machines of this architecture, made first if it is not there or damaged.
  // Unimplemented when there is no recipe, FailedPrecondition when this host lacks the guest
  // program, Unavailable when packages are needed and the mirror cannot be reached.
  absl::StatusOr<MachineImage> Prepare(Architecture architecture, const Progress& progress, const Log& log,
                                       std::stop_token stop);

  // The same for containers. They need no guest program in the image.
  absl::StatusOr<ContainerImage> PrepareContainer(Architecture architecture, const Progress& progress,
                                                  const Log& log, std::stop_token stop);

  // For listing and removing images of other recipes.
  ImageStore& store() { return store_; }

 private:
  const Options options_;
  ImageStore store_;
};

}  // namespace rootwright
