#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace rootwright {

// image.json: what an image in the store is, was made of and was made with. It holds no time and
// no path, so the same inputs and tools describe themselves the same way everywhere.
struct ImageDescription {
  struct File {
    // Inside the image's folder.
    std::string name;
    int64_t size_bytes = 0;
    // 64 lower-case hexadecimal digits.
    std::string sha256;

    friend bool operator==(const File&, const File&) = default;
  };
  struct Package {
    std::string name;
    std::string version;
    std::string architecture;

    friend bool operator==(const Package&, const Package&) = default;
  };

  // "debian-12-arm64".
  std::string name;
  // RecipeText, and RecipeDigest.
  std::string recipe;
  std::string recipe_digest;
  // SHA-256 of the guest program inside the initrd.
  std::string guest_sha256;
  // "6.1.0-50-cloud-arm64".
  std::string kernel_release;
  std::vector<File> files;
  std::vector<Package> packages;
  // Program on the host to its version: "mke2fs" → "1.47.0".
  std::map<std::string, std::string> tools;

  friend bool operator==(const ImageDescription&, const ImageDescription&) = default;
};

// SHA-256 over everything in the description, and so over recipe and content.
std::string DigestOf(const ImageDescription& description);

// The text of image.json; its digest stands in it.
std::string ToJson(const ImageDescription& description);

// DataLoss when it is not JSON, lacks something, names a file outside its folder, or does not have the digest
// that it claims.
absl::StatusOr<ImageDescription> ParseImageDescription(absl::string_view json);

}  // namespace rootwright
