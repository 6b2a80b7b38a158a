#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>

namespace rootwright {

// A libvirtd of a test's own (ci/private-libvirtd), in `libvirt` below a folder that others may pass. It ends
// with this object, with every machine and container it started, also when the test failed. Throws where it
// cannot work.
class PrivateLibvirtd {
 public:
  // `share` is the folder whose mounts it sees.
  PrivateLibvirtd(std::filesystem::path folder, std::filesystem::path share);
  ~PrivateLibvirtd();

  void Start();
  // By force, so that what it started goes on.
  void Kill();
  // `driver` is "qemu" or "lxc".
  std::string Uri(const std::string& driver) const;

 private:
  void End();

  const std::filesystem::path folder_;
  const std::filesystem::path share_;
  pid_t process_ = 0;
};

}  // namespace rootwright
