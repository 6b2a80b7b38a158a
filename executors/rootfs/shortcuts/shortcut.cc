#include "executors/rootfs/shortcuts/shortcut.h"

namespace rootwright {

std::vector<std::unique_ptr<Shortcut>> AllShortcuts() { return {}; }

std::vector<std::string> ShortcutNames() {
  std::vector<std::string> names;
  for (const std::unique_ptr<Shortcut>& shortcut : AllShortcuts()) names.push_back(shortcut->name());
  return names;
}

}  // namespace rootwright
