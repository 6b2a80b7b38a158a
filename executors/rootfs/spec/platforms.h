#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/architecture.h"

namespace rootwright {

// What a specification is built for. platforms.proto says what each field means; defaults are
// filled in where the architecture has them.
struct Platform {
  std::string name;
  Architecture architecture = Architecture::kAmd64;
  std::string abi;
  std::string chost;
  std::string cflags;
  // Empty: the image's own, the agent's default, the usual one of the architecture.
  std::string profile;
  std::string cpu_model;
  std::string image;

  // Gentoo's name of the architecture.
  std::string keyword() const;
};

// Reads a platforms file, protobuf's text format. InvalidArgument lists every mistake as
// "origin:line:column: …", one a line.
absl::StatusOr<std::vector<Platform>> ParsePlatforms(absl::string_view text, absl::string_view origin);

// The file that comes with the program.
absl::string_view ShippedPlatformsText();
std::vector<Platform> ShippedPlatforms();

// NotFound tells the nearest name and all others.
absl::StatusOr<Platform> FindPlatform(const std::vector<Platform>& platforms, absl::string_view name);

// Of the branch "armv7a_hardfp_gateway" the longest platform whose name and "_" it begins
// with. NotFound tells the branch that was probably meant, and all platforms.
absl::StatusOr<Platform> PlatformOfBranch(const std::vector<Platform>& platforms, absl::string_view branch);

}  // namespace rootwright
