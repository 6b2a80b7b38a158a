#pragma once

#include <string>
#include <string_view>

namespace rootwright::guest {

// What went wrong, as an Error message carries it; code 0 when nothing did.
struct Problem {
  int code = 0;
  std::string text;

  explicit operator bool() const { return code != 0; }
  // "what: object: strerror(code)".
  static Problem Of(int code, std::string_view what, std::string_view object);
};

// Makes a folder and those above it.
Problem MakeFolders(const std::string& path);

// The device ("/dev/vdb") of the virtio disk with this serial; empty when there is none.
std::string FindDisk(std::string_view serial);
// "vda 'root', vdb ''": for messages.
std::string DisksSeen();

// mount(2), with "serial:NAME" sources and a target that is made.
Problem MountFileSystem(const std::string& source, const std::string& target, const std::string& type,
                        unsigned long flags, const std::string& options);

}  // namespace rootwright::guest
