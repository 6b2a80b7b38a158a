#include "executors/qemu/domain_xml.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "executors/libvirt/domain_text.h"

namespace rootwright {
namespace {

constexpr int64_t kMiB = 1 << 20;
constexpr char kQemuNamespace[] = " xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'";

// What differs between the machines of the architectures.
struct Board {
  const char* machine;
  const char* cpu_model;
  // Target type of the serial port, and its console's name in a kernel command line.
  const char* serial_target;
  // Has ACPI to be told of a power button.
  bool acpi;
};

Board BoardOf(Architecture architecture) {
  switch (architecture) {
    case Architecture::kAmd64:
      return {"q35", "Nehalem", "isa-serial", true};
    case Architecture::kArm64:
      return {"virt", "cortex-a57", "system-serial", false};
    case Architecture::kArmhf:
      return {"virt", "cortex-a15", "system-serial", false};
    case Architecture::kArmel:
      return {"versatilepb", "arm926", "system-serial", false};
    case Architecture::kRiscv64:
      return {"virt", "rv64", "system-serial", false};
  }
  return {"", "", "", false};
}

int64_t RoundUp(int64_t bytes, int64_t unit) { return (bytes + unit - 1) / unit; }

std::string Path(const std::filesystem::path& path) { return EscapeXml(path.string()); }

std::string CpuXml(const DomainSpec& spec) {
  const std::string model =
      spec.cpu_model.empty() ? std::string(DefaultCpuModel(spec.architecture)) : spec.cpu_model;
  if (spec.accelerator == DomainSpec::Accelerator::kKvm && model == "host") {
    return "  <cpu mode='host-passthrough'/>\n";
  }
  return absl::StrCat("  <cpu mode='custom' match='exact' check='none'>\n    <model fallback='forbid'>",
                      EscapeXml(model), "</model>\n  </cpu>\n");
}

std::string FeaturesXml(const DomainSpec& spec, const Board& board) {
  std::string inner;
  if (board.acpi) absl::StrAppend(&inner, "    <acpi/>\n");
  // TCG emulates version 2 only with the a57 board's default; 3 also scales past 8 vCPUs.
  if (spec.architecture == Architecture::kArm64) absl::StrAppend(&inner, "    <gic version='2'/>\n");
  if (spec.accelerator == DomainSpec::Accelerator::kTcg && spec.translation_buffer_bytes > 0) {
    absl::StrAppend(&inner, "    <tcg>\n      <tb-cache unit='MiB'>",
                    RoundUp(spec.translation_buffer_bytes, kMiB), "</tb-cache>\n    </tcg>\n");
  }
  if (inner.empty()) return inner;
  return absl::StrCat("  <features>\n", inner, "  </features>\n");
}

// Straight on the root bus: a bridge for each device, libvirt's choice, is one more thing for the guest's
// kernel to probe while it boots, and nothing is ever plugged in later.
std::string RootBusAddress(int slot) {
  return absl::StrFormat(
      "      <address type='pci' domain='0x0000' bus='0x00' slot='0x%02x' function='0x0'/>\n", slot);
}

constexpr int kSerialSlot = 2;
constexpr int kRandomSlot = 3;
constexpr int kFirstDiskSlot = 4;
// Beyond the disks, and none that libvirt gives out.
constexpr int kNetworkSlot = 0x1c;

std::string DiskXml(const DomainDisk& disk, int index) {
  std::string xml = absl::StrCat(
      "    <disk type='file' device='disk'>\n      <driver name='qemu' type='", NameOf(disk.format),
      // Thrown away with the build: what a crash of the host would lose is lost anyway.
      "' cache='unsafe' discard='unmap' iothread='1'/>\n      <source file='", Path(disk.file), "'/>\n");
  if (disk.base) {
    absl::StrAppend(&xml, "      <backingStore type='file'>\n        <format type='",
                    NameOf(disk.base_format), "'/>\n        <source file='", Path(*disk.base),
                    "'>\n          <seclabel model='dac' relabel='no'/>\n        </source>\n"
                    "        <backingStore/>\n      </backingStore>\n");
  } else if (disk.format == DiskFormat::kQcow2) {
    absl::StrAppend(&xml, "      <backingStore/>\n");
  }
  absl::StrAppend(&xml, "      <target dev='vd", std::string(1, static_cast<char>('a' + index)),
                  "' bus='virtio'/>\n      <serial>", EscapeXml(disk.serial), "</serial>\n",
                  RootBusAddress(kFirstDiskSlot + index), "    </disk>\n");
  return xml;
}

std::string DevicesXml(const DomainSpec& spec, const Board& board) {
  std::string xml = "  <devices>\n";
  absl::StrAppend(&xml, "    <emulator>/usr/bin/", NamesOf(spec.architecture).qemu, "</emulator>\n");
  int index = 0;
  for (const DomainDisk& disk : spec.disks) absl::StrAppend(&xml, DiskXml(disk, index++));
  absl::StrAppend(&xml, "    <controller type='usb' model='none'/>\n",
                  "    <controller type='virtio-serial' index='0' ports='3'>\n", RootBusAddress(kSerialSlot),
                  "    </controller>\n", "    <serial type='file'>\n      <source path='",
                  Path(spec.console_file), "'/>\n      <target type='", board.serial_target,
                  "' port='0'/>\n    </serial>\n",
                  "    <channel type='unix'>\n      <source mode='bind' path='", Path(spec.guest_socket),
                  "'/>\n      <target type='virtio' name='", kGuestPort, "'/>\n    </channel>\n",
                  "    <channel type='unix'>\n      <source mode='bind' path='", Path(spec.shell_socket),
                  "'/>\n      <target type='virtio' name='", kShellPort, "'/>\n    </channel>\n",
                  "    <rng model='virtio'>\n      <backend model='random'>/dev/urandom</backend>\n",
                  RootBusAddress(kRandomSlot), "    </rng>\n", "    <memballoon model='none'/>\n");
  // Only q35 would get a screen by default.
  if (spec.architecture == Architecture::kAmd64)
    absl::StrAppend(&xml, "    <video>\n      <model type='none'/>\n    </video>\n");
  absl::StrAppend(&xml, "  </devices>\n");
  return xml;
}

// QEMU's own words: libvirt 9 knows passt, but starts it with a way to the host's loopback. No boot program:
// nothing is ever booted from the card.
std::string NetworkXml(const DomainSpec& spec) {
  if (spec.network_socket.empty()) return "";
  const std::string path = absl::StrReplaceAll(spec.network_socket.string(), {{",", ",,"}});
  const auto argument = [](const std::string& value) {
    return absl::StrCat("    <qemu:arg value='", EscapeXml(value), "'/>\n");
  };
  return absl::StrCat(
      "  <qemu:commandline>\n", argument("-netdev"),
      argument(absl::StrCat("stream,id=outbound,server=off,addr.type=unix,addr.path=", path)),
      argument("-device"),
      argument(absl::StrFormat("virtio-net-pci,netdev=outbound,romfile=,addr=0x%02x", kNetworkSlot)),
      "  </qemu:commandline>\n");
}

}  // namespace

absl::string_view DefaultCpuModel(Architecture architecture) { return BoardOf(architecture).cpu_model; }

std::string DomainXml(const DomainSpec& spec) {
  const Board board = BoardOf(spec.architecture);
  const bool kvm = spec.accelerator == DomainSpec::Accelerator::kKvm;
  const std::string network = NetworkXml(spec);
  return absl::StrCat("<domain type='", kvm ? "kvm" : "qemu", "'", network.empty() ? "" : kQemuNamespace,
                      ">\n  <name>", EscapeXml(spec.name), "</name>\n", "  <memory unit='KiB'>",
                      RoundUp(spec.memory_bytes, 1024), "</memory>\n", "  <vcpu placement='static'>",
                      spec.vcpus, "</vcpu>\n  <iothreads>1</iothreads>\n", "  <os>\n    <type arch='",
                      NamesOf(spec.architecture).libvirt, "' machine='", board.machine, "'>hvm</type>\n",
                      "    <kernel>", Path(spec.kernel), "</kernel>\n    <initrd>", Path(spec.initrd),
                      "</initrd>\n    <cmdline>", EscapeXml(spec.command_line), "</cmdline>\n  </os>\n",
                      FeaturesXml(spec, board), CpuXml(spec), "  <clock offset='utc'/>\n",
                      // A machine that ends by itself, in any way, is gone: nothing is ever restarted.
                      "  <on_poweroff>destroy</on_poweroff>\n  <on_reboot>destroy</on_reboot>\n  "
                      "<on_crash>destroy</on_crash>\n",
                      DevicesXml(spec, board), network, "</domain>\n");
}

}  // namespace rootwright
