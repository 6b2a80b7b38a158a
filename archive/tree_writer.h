#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "archive/tar_entry.h"
#include "base/unique_fd.h"

namespace rootwright {

// Makes entries below one folder and nowhere else: names with "..", absolute names and
// links that lead outside are refused by the kernel (openat2), not only by looking at them.
// Needs root for owners and devices. One thread; several writers may share a folder.
class TreeWriter {
 public:
  // What a symlink in the middle of a path does.
  enum class Links {
    // PermissionDenied.
    kRefuse,
    // It is followed as if the folder were the root of the file system.
    kFollowInside,
  };
  // Fills the buffer with the next content of a file; 0 at its end.
  using Content = std::function<absl::StatusOr<size_t>(std::span<char>)>;

  static absl::StatusOr<TreeWriter> Create(const std::filesystem::path& folder, Links links);

  // Makes a file, symlink, hard link, device or fifo with owner, mode, time and attributes.
  // AlreadyExists when anything has its name. Content stops with ResourceExhausted past
  // max_bytes.
  absl::Status Make(const TarEntry& entry, const Content& content, int64_t max_bytes);

  // Makes a folder with mode 0755 if none is there: its own mode comes with SetFolder, after
  // its content. False when there was one; with kFollowInside a symlink to one counts.
  absl::StatusOr<bool> MakeFolder(const std::string& path);
  // NotFound when the name is none of a folder, or a symlink.
  absl::Status SetFolder(const TarEntry& entry);

  // Removes what has this name, with all that is below it; nothing there is fine.
  absl::Status Remove(const std::string& path);
  // Removes what has this name unless it is a folder: FailedPrecondition then.
  absl::Status RemoveFile(const std::string& path);
  // Removes what is below a folder.
  absl::Status Empty(const std::string& path);

 private:
  TreeWriter(UniqueFd root, Links links, std::string name);
  // The folder that holds `path`, open, and the last part of the name.
  struct Place {
    int folder = -1;
    std::string leaf;
  };
  absl::StatusOr<Place> Locate(const std::string& path);
  absl::StatusOr<UniqueFd> OpenFolder(const std::string& path, int more_flags = 0) const;
  absl::Status MakeFile(const Place& place, const TarEntry& entry, const Content& content, int64_t max_bytes);
  absl::Status MakeHardlink(const Place& place, const TarEntry& entry);
  absl::Status Failed(int error, absl::string_view what, absl::string_view path) const;
  void Forget();

  UniqueFd root_;
  Links links_;
  std::string name_;
  // The folder used last: entries of one folder come one after the other.
  std::string last_path_;
  UniqueFd last_;
};

// Only these are carried over from an archive or a tree.
bool KeptXattr(absl::string_view name);

}  // namespace rootwright
