#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/file.h"
#include "base/subprocess.h"

namespace rootwright {

// A root filesystem whose commands run natively, each in mount, process, network and IPC namespaces of its
// own, so that no mount, process or device outlives a command. What they write goes to a folder beside the
// root, which stays as it is. Needs root and overlayfs.
class NativeRoot {
 public:
  // `root` outlives this; a folder is made below `parent` and goes with the object.
  static absl::StatusOr<NativeRoot> Create(const std::filesystem::path& root,
                                           const std::filesystem::path& parent);

  struct Command {
    std::vector<std::string> argv;
    std::map<std::string, std::string> variables;
    std::string input;
    std::function<void(absl::string_view)> on_stdout;
    // Path in the root to a folder of the host that is seen there, read-only.
    std::map<std::string, std::filesystem::path> folders;
  };
  absl::StatusOr<SubprocessResult> Run(const Command& command) const;

  // A file that they wrote.
  absl::StatusOr<std::string> Read(const std::string& path) const;
  // Where what they wrote is: "/etc/x" is at Written() / "etc/x".
  std::filesystem::path Written() const { return folder_.path() / "upper"; }

 private:
  NativeRoot(std::filesystem::path root, ScopedFolder folder)
      : root_(std::move(root)), folder_(std::move(folder)) {}

  std::filesystem::path root_;
  ScopedFolder folder_;
};

}  // namespace rootwright
