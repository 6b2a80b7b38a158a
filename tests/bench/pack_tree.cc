// pack-tree TREE ARCHIVE: packs as pack_rootfs does, and nothing else, so that packing can be timed alone.

#include <cstdio>

#include "archive/pack.h"

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: pack-tree TREE ARCHIVE\n");
    return 2;
  }
  const auto packed = rootwright::PackTree(argv[1], argv[2], {}, [](int64_t, absl::string_view) {},
                                           rootwright::Deadline::Never(), {});
  if (packed.ok()) return 0;
  std::fprintf(stderr, "pack-tree: %s\n", packed.status().ToString().c_str());
  return 1;
}
