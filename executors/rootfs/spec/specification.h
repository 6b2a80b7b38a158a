#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "executors/rootfs/spec/overlay_attributes.h"
#include "executors/rootfs/spec/portage_settings.h"
#include "executors/rootfs/spec/problem.h"

namespace rootwright {

// The names a specification's folder is made of.
inline constexpr char kConfigurationFile[] = "configuration.yml";
inline constexpr char kPreInstallOverlay[] = "pre_install_overlay";
inline constexpr char kPostInstallOverlay[] = "post_install_overlay";

enum class PackageManager { kApt, kPortage };

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
  PackageManager package_manager = PackageManager::kApt;
  // Of use with kApt. Packages are in the order of the file, no name twice.
  AptSettings apt;
  std::vector<RequestedPackage> packages;
  // Of use with kPortage.
  PortageSettings portage;
  std::vector<SpecCommand> pre_install_commands;
  std::vector<SpecCommand> post_install_commands;
  std::vector<OverlayAttribute> overlay_attributes;

  // How many packages and sets are asked for, with either package manager.
  size_t packages_asked() const;
};

struct ParsedSpecification {
  // Of use only when there are no problems.
  Specification specification;
  // All errors that were found, in the order of the file.
  std::vector<SpecProblem> problems;
  // What does not keep it from being built, in the order of the file.
  std::vector<SpecProblem> warnings;

  bool ok() const { return problems.empty(); }
  // Both kinds, in the order of the file.
  std::vector<SpecProblem> AllInOrder() const;
};

struct ParseOptions {
  // Gentoo's name of the target's architecture, "arm64": keywords of others are warned of.
  // Empty: not known.
  std::string keyword;
  // Its name in messages.
  std::string file = kConfigurationFile;
};

// Parses the text of a configuration.yml, at most 1 MiB of UTF-8: one with an apt
// `package_manager` is for Debian packages, any other for Portage, as embEDUx wrote them.
// Never fails otherwise: what is wrong is in `problems`.
ParsedSpecification ParseSpecification(absl::string_view text, const ParseOptions& options = {});

// The same for a specification's folder: the configuration and both overlays, which may be
// missing. Nothing outside the folder is read, wherever links in it lead.
ParsedSpecification LoadSpecification(const std::filesystem::path& folder, const ParseOptions& options = {});

}  // namespace rootwright
