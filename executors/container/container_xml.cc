#include "executors/container/container_xml.h"

#include "absl/strings/str_cat.h"
#include "executors/libvirt/domain_text.h"

namespace rootwright {
namespace {

constexpr int64_t kKiB = 1024;
// Half of the memory for /run, half for /dev/shm: the limit of the memory is what holds both.
constexpr int64_t kMemoryFolders = 2;
// Microseconds.
constexpr int kPeriod = 100'000;

std::string IdMapXml(const char* kind, const IdRange& ids) {
  return absl::StrCat("    <", kind, " start='0' target='", ids.first, "' count='", ids.count, "'/>\n");
}

std::string CapabilitiesXml() {
  std::string xml = "    <capabilities policy='deny'>\n";
  for (const std::string& name : ContainerCapabilities())
    absl::StrAppend(&xml, "      <", name, " state='on'/>\n");
  return absl::StrCat(xml, "    </capabilities>\n");
}

std::string MemoryFolderXml(const char* target, int64_t bytes) {
  return absl::StrCat("    <filesystem type='ram'>\n      <source usage='", bytes / kKiB,
                      "' units='KiB'/>\n      <target dir='", target, "'/>\n    </filesystem>\n");
}

std::string FolderXml(const std::filesystem::path& source, const char* target, const char* more) {
  return absl::StrCat("    <filesystem type='mount'>\n      <source dir='", EscapeXml(source.string()),
                      "'/>\n      <target dir='", target, "'/>\n", more, "    </filesystem>\n");
}

}  // namespace

const std::vector<std::string>& ContainerCapabilities() {
  static const auto& names = *new std::vector<std::string>{
      "chown",  "dac_override", "dac_read_search", "fowner",  "fsetid",           "kill",      "mknod",
      "setgid", "setuid",       "setpcap",         "setfcap", "net_bind_service", "sys_chroot"};
  return names;
}

std::string ContainerXml(const ContainerDomain& domain) {
  return absl::StrCat("<domain type='lxc'>\n  <name>", EscapeXml(domain.name),
                      "</name>\n  <memory unit='KiB'>", domain.memory_bytes / kKiB, "</memory>\n  <vcpu>",
                      domain.vcpus, "</vcpu>\n  <cputune>\n    <period>", kPeriod, "</period>\n    <quota>",
                      int64_t{kPeriod} * domain.vcpus, "</quota>\n  </cputune>\n  <os>\n    <type arch='",
                      EscapeXml(domain.architecture), "'>exe</type>\n    <init>", kGuestFolder,
                      "/rootwright-guest</init>\n    <initarg>--fds</initarg>\n    <initarg>3</initarg>\n    "
                      "<initarg>4</initarg>\n  </os>\n  <idmap>\n",
                      IdMapXml("uid", domain.ids), IdMapXml("gid", domain.ids),
                      "  </idmap>\n  <features>\n    <privnet/>\n", CapabilitiesXml(),
                      // One that ends by itself, in any way, is gone: nothing is ever restarted.
                      "  </features>\n  <clock offset='utc'/>\n  <on_poweroff>destroy</on_poweroff>\n"
                      "  <on_reboot>destroy</on_reboot>\n  <on_crash>destroy</on_crash>\n  <devices>\n",
                      FolderXml(domain.root, "/", ""),
                      MemoryFolderXml("/run", domain.memory_bytes / kMemoryFolders),
                      FolderXml(domain.guest_folder, kGuestFolder, "      <readonly/>\n"),
                      MemoryFolderXml("/dev/shm", domain.memory_bytes / kMemoryFolders),
                      // libvirt wants one; nobody reads it.
                      "    <console type='pty'/>\n  </devices>\n</domain>\n");
}

}  // namespace rootwright
