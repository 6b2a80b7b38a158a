#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "base/architecture.h"
#include "vmimages/overlay.h"

namespace rootwright {

// Serials of the disks: how the guest tells them apart, whatever order its kernel finds them in.
inline constexpr absl::string_view kRootDisk = "root";
inline constexpr absl::string_view kTreeDisk = "tree";
inline constexpr absl::string_view kOutDisk = "out";
// The disks for inputs, from 0.
inline std::string InputDisk(int index) { return "input" + std::to_string(index); }

// Names the virtio-serial port that rootwright-guest answers on.
inline constexpr absl::string_view kGuestPort = "rootwright.0";
// The same for shells.
inline constexpr absl::string_view kShellPort = "rootwright.1";

// A socket's path holds at most this many bytes (sun_path with its final zero is 108).
inline constexpr size_t kMaxSocketPath = 107;

// One virtio-blk disk.
struct DomainDisk {
  std::string serial;
  DiskFormat format = DiskFormat::kRaw;
  std::filesystem::path file;
  // What a qcow2 overlay lies on: an image shared with other machines, whose owner libvirt
  // must leave alone. It is opened for reading only, and must be readable for QEMU's user.
  std::optional<std::filesystem::path> base;
  DiskFormat base_format = DiskFormat::kQcow2;
};

// A transient machine that boots a kernel directly. It has disks, a serial console kept in a
// file, a random number generator and the guest port, perhaps a network card; no screen, no USB.
struct DomainSpec {
  enum class Accelerator { kTcg, kKvm };
  std::string name;
  Architecture architecture = Architecture::kArm64;
  Accelerator accelerator = Accelerator::kTcg;
  // QEMU's name; with KVM on the host's architecture, "host" passes the host's through.
  // Never "max" under TCG: QEMU before 10 emulates pointer authentication at 6× the boot time.
  std::string cpu_model;
  int vcpus = 1;
  int64_t memory_bytes = 0;
  // Cache for translated code; rounded up to MiB. TCG only. 0: QEMU's own choice, which is
  // a quarter of the guest's memory or 1 GiB, whichever version.
  int64_t translation_buffer_bytes = 0;
  std::filesystem::path kernel;
  std::filesystem::path initrd;
  std::string command_line;
  std::vector<DomainDisk> disks;
  std::filesystem::path console_file;
  // Where libvirt makes the host end of the guest port; at most kMaxSocketPath bytes.
  std::filesystem::path guest_socket;
  std::filesystem::path shell_socket;
  // Where the host's end of a network card listens (executors/network/machine_network.h). Empty: no card.
  std::filesystem::path network_socket;
};

// libvirt's XML for it. Pure: text in, text out; everything that comes from outside is escaped.
std::string DomainXml(const DomainSpec& spec);

// The model that machines of an architecture get unless the build asks for another.
absl::string_view DefaultCpuModel(Architecture architecture);

}  // namespace rootwright
