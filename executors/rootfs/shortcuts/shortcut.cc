#include "executors/rootfs/shortcuts/shortcut.h"

#include "executors/rootfs/shortcuts/certificates.h"
#include "executors/rootfs/shortcuts/host_keys.h"
#include "executors/rootfs/shortcuts/idle_preinsts.h"
#include "executors/rootfs/shortcuts/maintscript_helper.h"
#include "executors/rootfs/shortcuts/python_bytecode.h"
#include "executors/rootfs/shortcuts/systemd_helper.h"

namespace rootwright {

std::vector<std::unique_ptr<Shortcut>> AllShortcuts() {
  std::vector<std::unique_ptr<Shortcut>> shortcuts;
  shortcuts.push_back(MakeIdlePreinsts());
  shortcuts.push_back(MakeCertificates());
  shortcuts.push_back(MakeHostKeys());
  shortcuts.push_back(MakePythonBytecode());
  shortcuts.push_back(MakeSystemdHelper());
  shortcuts.push_back(MakeMaintscriptHelper());
  return shortcuts;
}

std::vector<std::string> ShortcutNames() {
  std::vector<std::string> names;
  for (const std::unique_ptr<Shortcut>& shortcut : AllShortcuts()) names.push_back(shortcut->name());
  return names;
}

}  // namespace rootwright
