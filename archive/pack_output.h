#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "archive/pack.h"
#include "base/sha256.h"
#include "base/unique_fd.h"

namespace rootwright {

// Where packed bytes go: compressed, hashed and written to a temporary name beside the
// final one. Only Finish gives it that name, after all is on the disk; without Finish the
// destructor removes it. One thread (compression has its own).
class PackOutput {
 public:
  static absl::StatusOr<std::unique_ptr<PackOutput>> Create(const std::filesystem::path& path,
                                                            const PackOptions& options);
  PackOutput(const PackOutput&) = delete;
  PackOutput& operator=(const PackOutput&) = delete;
  ~PackOutput();

  absl::Status Write(absl::string_view bytes);
  absl::Status Finish();

  // Of the file, after Finish.
  int64_t size() const { return size_; }
  std::string digest() const { return sha256_.Digest(); }

  class Compressor;

 private:
  explicit PackOutput(std::filesystem::path path);
  absl::Status WriteOut(absl::string_view bytes);

  std::filesystem::path path_;
  std::string temporary_;
  UniqueFd fd_;
  // Null for a plain tar.
  std::unique_ptr<Compressor> compressor_;
  std::vector<char> compressed_;
  Sha256 sha256_;
  int64_t size_ = 0;
};

}  // namespace rootwright
