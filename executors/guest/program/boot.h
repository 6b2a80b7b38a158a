#pragma once

#include <string>

namespace rootwright::guest {

// Brings a machine up as its first process: kernel file systems, the modules of the
// initramfs, the root disk, what programs expect to find. Returns the device of our port to the
// host. Every step says a line on the console; when one fails that nothing works without, the
// machine is powered off.
std::string Boot();

// The device of the port for shells; empty when the machine has none.
std::string ShellPort();

// The cgroup2 folder for commands, made by Boot; empty when the kernel has none.
std::string CommandCgroup();

[[noreturn]] void PowerOff();

}  // namespace rootwright::guest
