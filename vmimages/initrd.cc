#include "vmimages/initrd.h"

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/status.h"
#include "vmimages/cpio.h"

namespace rootwright {

absl::StatusOr<std::string> BuildInitrd(const std::filesystem::path& guest_program,
                                        const std::vector<std::filesystem::path>& modules) {
  CpioWriter cpio;
  for (const char* folder : {"dev", "modules", "proc", "sys"}) cpio.AddFolder(folder, 0755);
  cpio.AddCharacterDevice("dev/console", 0600, 5, 1);
  RW_ASSIGN_OR_RETURN(const std::string guest, ReadFile(guest_program));
  cpio.AddFile("init", 0755, guest);
  std::string load;
  for (const std::filesystem::path& module : modules) {
    const std::string path = "modules/" + module.filename().string();
    RW_ASSIGN_OR_RETURN(const std::string content, ReadFile(module));
    cpio.AddFile(path, 0644, content);
    absl::StrAppend(&load, "/", path, "\n");
  }
  cpio.AddFile("modules/load", 0644, load);
  return cpio.Finish();
}

}  // namespace rootwright
