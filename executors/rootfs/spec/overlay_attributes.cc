#include "executors/rootfs/spec/overlay_attributes.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"

namespace rootwright {
namespace {

constexpr size_t kLongestName = 32;

// One word for a shell, whatever is in it.
std::string ShellWord(absl::string_view text) {
  return absl::StrCat("'", absl::StrReplaceAll(text, {{"'", "'\\''"}}), "'");
}

}  // namespace

std::string AttributeScript(const std::vector<OverlayAttribute>& attributes, absl::string_view overlay) {
  std::string script;
  for (const OverlayAttribute& attribute : attributes) {
    if (attribute.overlay != overlay) continue;
    const std::string path = ShellWord(absl::StrCat("/", attribute.path));
    if (!attribute.owner.empty() || !attribute.group.empty()) {
      absl::StrAppend(&script, "chown -h -- ", attribute.owner.empty() ? "root" : attribute.owner, ":",
                      attribute.group.empty() ? "root" : attribute.group, " ", path, "\n");
    }
    // After chown, which takes away set-user-id bits.
    if (attribute.mode.has_value()) {
      absl::StrAppend(&script, absl::StrFormat("chmod %04o ", *attribute.mode), path, "\n");
    }
  }
  return script.empty() ? "" : absl::StrCat("set -e\n", script);
}

bool IsOwnerName(absl::string_view text) {
  const auto good = [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '-' || c == '.';
  };
  return !text.empty() && text.size() <= kLongestName && text.front() != '-' && text.front() != '.' &&
         std::all_of(text.begin(), text.end(), good);
}

}  // namespace rootwright
