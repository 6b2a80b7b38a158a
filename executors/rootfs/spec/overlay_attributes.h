#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace rootwright {

// Owner and mode of one thing in an overlay, for what git does not keep.
struct OverlayAttribute {
  // kPreInstallOverlay or kPostInstallOverlay.
  std::string overlay;
  // Below it, without a leading "/": "etc/shadow".
  std::string path;
  // Names of the target, or numbers; empty: root.
  std::string owner;
  std::string group;
  // Permission bits, 0 to 07777.
  std::optional<int> mode;
  // Where it stands in configuration.yml.
  int line = 0;
  int column = 0;
};

// A script for the target's shell, to be run in its root after `overlay` was laid; empty when
// there is nothing to do. It ends with an error at the first that cannot be set.
std::string AttributeScript(const std::vector<OverlayAttribute>& attributes, absl::string_view overlay);

// A user or group as chown takes it.
bool IsOwnerName(absl::string_view text);

}  // namespace rootwright
