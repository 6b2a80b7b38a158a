#pragma once

#include <sys/stat.h>

#include <filesystem>
#include <functional>
#include <map>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/mutex.h"
#include "vmimages/image_description.h"

namespace rootwright {

struct StoredImage {
  std::filesystem::path folder;
  ImageDescription description;
};

// Images on disk, each named by the digest of its recipe:
//
//   <store>/<recipe digest>/image.json    what it is; the SHA-256 of each other file
//   <store>/<recipe digest>/…             its files; all 0444, the folder 0555. A folder among them is one
//                                         "file": a tree whose entries keep what they have, with a digest
//                                         over all
//   <store>/<recipe digest>.lock          held (flock) by the one who makes it
//   <store>/.making-<recipe digest>-…     where it is made, renamed when whole
//
// So a folder with an image's name is a whole image or has been damaged since, and that is
// found out: before an image is handed out its files are hashed (about 1 s for each 300 MB),
// again only when a file's inode, size or times changed within the life of this object. Of a tree
// each entry is looked at for that (5 ms for each 1000).
// Nothing is synced to disk: a power cut in the middle is damage like any other.
//
// Safe to use from several threads and processes.
class ImageStore {
 public:
  explicit ImageStore(std::filesystem::path folder) : folder_(std::move(folder)) {}

  // Takes a line that people should see.
  using Log = std::function<void(absl::string_view)>;
  // Puts an image's files into a new folder and describes them; `files` in the description is
  // filled in by the store from what is there.
  using Maker = std::function<absl::StatusOr<ImageDescription>(const std::filesystem::path& folder)>;

  // The image, verified. If there is none, or it is damaged (`log` says so), it is made; a
  // second caller waits for the first (`log` says so, every 30 s). An error of the maker is returned, and
  // nothing is left.
  absl::StatusOr<StoredImage> FindOrMake(const std::string& recipe_digest, const Maker& maker, const Log& log,
                                         std::stop_token stop);

  // NotFound when there is none; DataLoss says what is wrong with it.
  absl::StatusOr<StoredImage> Find(const std::string& recipe_digest);

  // The same from image.json alone: nothing else is looked at.
  absl::StatusOr<StoredImage> Describe(const std::string& recipe_digest) const;

  // Recipe digests of all images, whole or damaged.
  absl::StatusOr<std::vector<std::string>> List() const;

  // Machines that run from it keep its files open and go on. NotFound when it is not there.
  absl::Status Remove(const std::string& recipe_digest, std::stop_token stop);

  // Removes what was being made by processes that died, and nothing that is being made now.
  absl::Status RemoveLeftovers() const;

 private:
  // What changes when somebody writes to a file.
  struct Fingerprint {
    explicit Fingerprint(const struct stat& info);
    friend bool operator==(const Fingerprint&, const Fingerprint&) = default;
    dev_t device;
    ino_t inode;
    off_t size;
    int64_t modified_ns;
    int64_t changed_ns;
  };

  absl::Status Verify(const std::filesystem::path& path, const ImageDescription::File& expected);
  absl::Status VerifyTree(const std::filesystem::path& path, const ImageDescription::File& expected);
  absl::StatusOr<StoredImage> Make(const std::string& recipe_digest, const Maker& maker);
  // The lock of the image is held by the caller.
  absl::Status Delete(const std::string& recipe_digest) const;

  const std::filesystem::path folder_;
  Mutex mutex_;
  // Path to what it was when its digest was last seen to be right.
  std::map<std::string, Fingerprint> verified_ RW_GUARDED_BY(mutex_);
  // The same of trees, by FingerprintTree.
  std::map<std::string, std::string> verified_trees_ RW_GUARDED_BY(mutex_);
};

}  // namespace rootwright
