#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/clock.h"
#include "executors/executor.h"
#include "vmimages/machine_image.h"

namespace rootwright {

// The files of one machine, all in its build's work folder:
//
//   kernel, initrd   copies, so that libvirt, which makes QEMU's user the owner of what a
//                    machine boots, leaves the image store alone
//   root.qcow2       overlay of the image's disk: what the machine writes
//   tree.raw         sparse; receives an imported tree
//   input0.raw, …    sparse; each receives a folder of inputs
//   out.raw          sparse; receives the tar of what changed
//   console.log      what the machine's serial port says
//   guest.sock       the host end of the guest port
//   shell.sock       the same for shells
//   network.sock     that of the network card, if there is one
class MachineFiles {
 public:
  explicit MachineFiles(std::filesystem::path folder) : folder_(std::move(folder)) {}

  // Makes them, but for the console and the sockets. ResourceExhausted, with figures,
  // when the host has no room; FailedPrecondition when the folder's path is too long for a
  // socket or a folder above it keeps QEMU's user out.
  absl::Status Make(const EnvironmentSpec& spec, const MachineImage& image, Deadline deadline);

  // The last lines of the console, each with two spaces before it, made printable, 2 KiB at
  // most; says so when there are none.
  std::string ConsoleTail() const;

  std::filesystem::path kernel() const { return folder_ / "kernel"; }
  std::filesystem::path initrd() const { return folder_ / "initrd"; }
  std::filesystem::path root_disk() const { return folder_ / "root.qcow2"; }
  std::filesystem::path tree_disk() const { return folder_ / "tree.raw"; }
  std::filesystem::path input_disk(int index) const {
    return folder_ / ("input" + std::to_string(index) + ".raw");
  }
  std::filesystem::path out_disk() const { return folder_ / "out.raw"; }
  std::filesystem::path console() const { return folder_ / "console.log"; }
  std::filesystem::path socket() const { return folder_ / "guest.sock"; }
  std::filesystem::path shell_socket() const { return folder_ / "shell.sock"; }
  std::filesystem::path network_socket() const { return folder_ / "network.sock"; }

 private:
  const std::filesystem::path folder_;
};

}  // namespace rootwright
