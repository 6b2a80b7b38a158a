#include "executors/guest/program/disk.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace rootwright::guest {
namespace {

// At most 64 bytes: serials have 20.
std::string ReadShort(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return {};
  char text[64];
  const ssize_t size = read(fd, text, sizeof text);
  close(fd);
  std::string result(text, size > 0 ? static_cast<size_t>(size) : 0);
  while (!result.empty() && (result.back() == '\n' || result.back() == '\0')) result.pop_back();
  return result;
}

// Calls visit(name, serial) for each disk until it returns true.
template <typename Visit>
void ForEachDisk(Visit visit) {
  DIR* const folder = opendir("/sys/block");
  if (folder == nullptr) return;
  while (const dirent* entry = readdir(folder)) {
    const std::string name = entry->d_name;
    if (name[0] == '.' || name.compare(0, 4, "loop") == 0 || name.compare(0, 3, "ram") == 0) continue;
    if (visit(name, ReadShort("/sys/block/" + name + "/serial"))) break;
  }
  closedir(folder);
}

}  // namespace

Problem Problem::Of(int code, std::string_view what, std::string_view object) {
  std::string text(what);
  text += ": ";
  text += object;
  text += ": ";
  text += std::strerror(code);
  return {code, std::move(text)};
}

Problem MakeFolders(const std::string& path) {
  for (size_t at = 1; at <= path.size(); ++at) {
    if (at < path.size() && path[at] != '/') continue;
    const std::string folder = path.substr(0, at);
    if (mkdir(folder.c_str(), 0755) != 0 && errno != EEXIST)
      return Problem::Of(errno, "make a folder", folder);
  }
  return {};
}

std::string FindDisk(std::string_view serial) {
  std::string device;
  ForEachDisk([&](const std::string& name, const std::string& found) {
    if (found == serial) device = "/dev/" + name;
    return !device.empty();
  });
  return device;
}

std::string DisksSeen() {
  std::string seen;
  ForEachDisk([&](const std::string& name, const std::string& serial) {
    seen += (seen.empty() ? "" : ", ") + name + " '" + serial + "'";
    return false;
  });
  return seen.empty() ? "no disk" : seen;
}

Problem MountFileSystem(const std::string& source, const std::string& target, const std::string& type,
                        unsigned long flags, const std::string& options) {
  constexpr std::string_view kBySerial = "serial:";
  std::string device = source;
  if (source.compare(0, kBySerial.size(), kBySerial) == 0) {
    device = FindDisk(source.substr(kBySerial.size()));
    if (device.empty()) return {ENODEV, "mount: " + source + ": there is " + DisksSeen()};
  }
  if (target.empty() || target[0] != '/')
    return Problem::Of(EINVAL, "mount on a path that is not absolute", target);
  // A remount or a bind on a file must not meet a folder made for it.
  struct stat there {};
  if (stat(target.c_str(), &there) != 0) {
    if (Problem problem = MakeFolders(target)) return problem;
  }
  if (mount(device.c_str(), target.c_str(), type.empty() ? nullptr : type.c_str(), flags,
            options.empty() ? nullptr : options.c_str()) != 0) {
    return Problem::Of(errno, "mount " + device + " (" + type + ")", target);
  }
  return {};
}

}  // namespace rootwright::guest
