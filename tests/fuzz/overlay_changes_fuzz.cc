// Changes as a hostile machine may send them, laid over a small tree. Whatever happens, the
// file beside the tree stays as it is.
#include <fcntl.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "archive/overlay_changes.h"
#include "base/file.h"
#include "base/unique_fd.h"

namespace {

namespace fs = std::filesystem;

class Playground {
 public:
  // In memory where there is such a place: it is made and removed for every input.
  Playground()
      : folder_(*rootwright::ScopedFolder::Create(
            fs::exists("/dev/shm") ? "/dev/shm" : fs::temp_directory_path(), "rootwright-fuzz-")) {
    std::ofstream(folder_.path() / "secret") << "safe";
  }
  void Apply(const uint8_t* data, size_t size) const {
    const fs::path tree = folder_.path() / "tree";
    fs::create_directories(tree / "etc");
    std::ofstream(tree / "etc/name") << "value";
    std::error_code error;
    fs::create_symlink("../secret", tree / "way", error);
    fs::create_directory_symlink("..", tree / "up", error);
    std::ofstream(folder_.path() / "changes.tar", std::ios::binary)
        .write(reinterpret_cast<const char*>(data), static_cast<std::streamsize>(size));
    const rootwright::UniqueFd archive(open((folder_.path() / "changes.tar").c_str(), O_RDONLY | O_CLOEXEC));
    const auto ignored = rootwright::ApplyOverlayChanges(
        archive.get(), "changes.tar", tree, {.entries = 100, .name_bytes = 1 << 16, .content_bytes = 1 << 16},
        rootwright::Deadline::Never(), {});
    fs::remove_all(tree, error);
    const auto secret = rootwright::ReadFile(folder_.path() / "secret");
    if (!secret.ok() || *secret != "safe") std::abort();
    if (std::distance(fs::directory_iterator(folder_.path()), {}) > 2) std::abort();
  }

 private:
  rootwright::ScopedFolder folder_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const Playground playground;
  playground.Apply(data, size);
  return 0;
}
