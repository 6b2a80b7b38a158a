#include "executors/libvirt/libvirt_check.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "base/find_program.h"

namespace rootwright {

HostCheck CheckLibvirt(LibvirtConnection& connection) {
  const absl::StatusOr<std::string> version = connection.DaemonVersion();
  if (version.ok()) {
    return {"libvirt", HostCheck::Result::kOk,
            absl::StrCat("libvirt ", *version, " (", connection.uri(), ")"), ""};
  }
  const std::string remedy = FindProgram("libvirtd").empty()
                                 ? "apt-get install libvirt-daemon-system"
                                 : "systemctl start libvirtd, or without systemd: ci/private-libvirtd DIR";
  return {"libvirt", HostCheck::Result::kFailed, std::string(version.status().message()), remedy};
}

}  // namespace rootwright
