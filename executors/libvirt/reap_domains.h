#pragma once

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "executors/libvirt/libvirt_connection.h"

namespace rootwright {

// Destroys the domains of builds that are not in `keep` and whose description contains `ours`: those of other
// agents on the host are not touched. `reaped` is called for each, with its name and its description. Returns
// the ids of their builds.
absl::StatusOr<std::vector<std::string>> ReapDomains(
    LibvirtConnection& connection, const std::set<std::string>& keep, absl::string_view ours,
    const std::function<void(const std::string& domain, const std::string& xml)>& reaped);

}  // namespace rootwright
