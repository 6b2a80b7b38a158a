#pragma once

#include <filesystem>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/architecture.h"

namespace rootwright {

// What a program is for, by the first 64 bytes of its file (elf(5)). InvalidArgument when it is no ELF file
// or for a machine that Rootwright does not know.
absl::StatusOr<Architecture> ArchitectureOfElf(absl::string_view header);

// That of /bin/sh in a tree. Links are followed as if the tree were the root, and never out of it.
// InvalidArgument when there is no such program.
absl::StatusOr<Architecture> ArchitectureOfTree(const std::filesystem::path& tree);

}  // namespace rootwright
