// A whole root as somebody may hand it in, unpacked into a tree. Whatever happens, the file beside the tree
// stays as it is, and no device comes to be.
#include <fcntl.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "archive/unpack_tree.h"
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
    fs::create_directories(tree);
    std::error_code error;
    std::ofstream(folder_.path() / "root.tar", std::ios::binary)
        .write(reinterpret_cast<const char*>(data), static_cast<std::streamsize>(size));
    const rootwright::UniqueFd archive(open((folder_.path() / "root.tar").c_str(), O_RDONLY | O_CLOEXEC));
    const auto ignored = rootwright::UnpackTree(
        archive.get(), "root.tar", tree, {.entries = 100, .name_bytes = 1 << 16, .content_bytes = 1 << 16},
        {}, rootwright::Deadline::Never(), {});
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(tree, error))
      if (entry.symlink_status().type() == fs::file_type::character ||
          entry.symlink_status().type() == fs::file_type::block)
        std::abort();
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
