#include "vmimages/initrd.h"

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/status.h"
#include "vmimages/cpio.h"

namespace rootwright {

namespace {

// The modules, and `list` with their paths.
absl::Status AddModules(const std::vector<std::filesystem::path>& modules, const std::string& list,
                        CpioWriter& cpio) {
  std::string load;
  for (const std::filesystem::path& module : modules) {
    const std::string path = "modules/" + module.filename().string();
    RW_ASSIGN_OR_RETURN(const std::string content, ReadFile(module));
    cpio.AddFile(path, 0644, content);
    absl::StrAppend(&load, "/", path, "\n");
  }
  cpio.AddFile(list, 0644, load);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> BuildInitrd(const std::filesystem::path& guest_program,
                                        const std::vector<std::filesystem::path>& modules,
                                        const std::vector<std::filesystem::path>& network_modules) {
  CpioWriter cpio;
  for (const char* folder : {"dev", "modules", "proc", "sys"}) cpio.AddFolder(folder, 0755);
  cpio.AddCharacterDevice("dev/console", 0600, 5, 1);
  RW_ASSIGN_OR_RETURN(const std::string guest, ReadFile(guest_program));
  cpio.AddFile("init", 0755, guest);
  RW_RETURN_IF_ERROR(AddModules(modules, "modules/load", cpio));
  RW_RETURN_IF_ERROR(AddModules(network_modules, "modules/load-network", cpio));
  return cpio.Finish();
}

}  // namespace rootwright
