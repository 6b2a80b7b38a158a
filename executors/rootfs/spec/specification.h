#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "executors/rootfs/spec/problem.h"

namespace rootwright {

// The names a specification's folder is made of.
inline constexpr char kConfigurationFile[] = "configuration.yml";
inline constexpr char kPreInstallOverlay[] = "pre_install_overlay";
inline constexpr char kPostInstallOverlay[] = "post_install_overlay";

// Where Debian packages come from.
struct AptSettings {
  // "bookworm".
  std::string suite;
  std::vector<std::string> components = {"main"};
};

struct RequestedPackage {
  std::string name;
  // Exactly this one; empty: what the suite has.
  std::string version;
  // Where it stands in configuration.yml.
  int line = 0;
  int column = 0;
};

// A line for the target's shell.
struct SpecCommand {
  std::string text;
  int line = 0;
};

// What a root filesystem is to be, as the user wrote it.
struct Specification {
  AptSettings apt;
  // In the order of the file, no name twice.
  std::vector<RequestedPackage> packages;
  std::vector<SpecCommand> pre_install_commands;
  std::vector<SpecCommand> post_install_commands;
};

struct ParsedSpecification {
  // Of use only when there are no problems.
  Specification specification;
  // All that were found, in the order of the file.
  std::vector<SpecProblem> problems;

  bool ok() const { return problems.empty(); }
};

// Parses the text of a configuration.yml, at most 1 MiB of UTF-8. `file` is its name in
// messages. Never fails otherwise: what is wrong is in `problems`.
ParsedSpecification ParseSpecification(absl::string_view text, absl::string_view file = kConfigurationFile);

// The same for a specification's folder: the configuration and both overlays, which may be
// missing. Nothing outside the folder is read, wherever links in it lead.
ParsedSpecification LoadSpecification(const std::filesystem::path& folder);

}  // namespace rootwright
