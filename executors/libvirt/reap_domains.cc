#include "executors/libvirt/reap_domains.h"

#include "absl/strings/match.h"
#include "base/log.h"
#include "base/status.h"
#include "executors/libvirt/domain_text.h"

namespace rootwright {

absl::StatusOr<std::vector<std::string>> ReapDomains(
    LibvirtConnection& connection, const std::set<std::string>& keep, absl::string_view ours,
    const std::function<void(const std::string& domain, const std::string& xml)>& reaped) {
  RW_ASSIGN_OR_RETURN(const std::vector<std::string> domains, connection.ListDomains(kDomainPrefix));
  std::vector<std::string> builds;
  for (const std::string& domain : domains) {
    const std::string id = domain.substr(kDomainPrefix.size());
    if (keep.count(id) != 0) continue;
    const absl::StatusOr<std::string> xml = connection.DomainDescription(domain);
    // It ended by itself meanwhile.
    if (absl::IsNotFound(xml.status())) continue;
    RW_RETURN_IF_ERROR(xml.status());
    if (!absl::StrContains(*xml, ours)) continue;
    const absl::Status destroyed = connection.DestroyDomain(domain);
    if (!destroyed.ok() && !absl::IsNotFound(destroyed)) return destroyed;
    reaped(domain, *xml);
    spdlog::info("reaped {}", domain);
    builds.push_back(id);
  }
  return builds;
}

}  // namespace rootwright
