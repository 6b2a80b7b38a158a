#pragma once

#include <filesystem>
#include <functional>
#include <stop_token>
#include <vector>

#include "absl/status/status.h"
#include "base/architecture.h"
#include "base/clock.h"
#include "debian/apt.h"

namespace rootwright {

struct UnpackOptions {
  // The new root; an empty or missing folder.
  std::filesystem::path tree;
  Architecture architecture = Architecture::kAmd64;
  // Packages unpacked side by side.
  int jobs = 2;
  // Also write dpkg's database (status "install ok unpacked", info files, triggers), so
  // that `dpkg --configure -a` can go on from there.
  bool dpkg_database = true;
  // The program rootwright-unpack, which does the work in a namespace of its own.
  std::filesystem::path unpack_program;
};

// Unpacks .deb files (parallel to plan.packages) into a new root, as dpkg --unpack would on
// merged-usr Debian. No package code runs, and no archive entry can leave the tree: the
// work is done by a process that sees nothing but the tree. DataLoss names a damaged package.
absl::Status UnpackPackages(const AptPlan& plan, const std::vector<std::filesystem::path>& debs,
                            const UnpackOptions& options, const Apt::Progress& progress, Deadline deadline,
                            std::stop_token stop);

}  // namespace rootwright
