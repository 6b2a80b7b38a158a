#pragma once

#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace rootwright {

// The modules of one kernel, as its Debian package has them: modules.dep is not there (it is
// made on the machine that a kernel is installed on), so what a module needs is read from
// the module itself, and depmod is not wanted on the host. Names are as the kernel writes
// them, with "_" where a file name may have "-".
class KernelModules {
 public:
  // `folder` is …/lib/modules/<release>, with its *.ko files (not compressed, as in Debian
  // 12) and modules.builtin.
  static absl::StatusOr<KernelModules> Read(const std::filesystem::path& folder);

  // Files of all that has to be loaded to have `wanted`, each once, what is needed by another
  // before it. What is built into the kernel is left out. NotFound names a module that the
  // kernel does not have at all; DataLoss one that is not a module.
  absl::StatusOr<std::vector<std::filesystem::path>> LoadOrder(const std::vector<std::string>& wanted) const;

 private:
  absl::Status Visit(const std::string& name, std::set<std::string>& seen,
                     std::vector<std::filesystem::path>& order) const;

  // By name.
  std::map<std::string, std::filesystem::path> files_;
  std::set<std::string> builtin_;
};

// "kernel/drivers/block/virtio-blk.ko" → "virtio_blk".
std::string ModuleNameOf(absl::string_view path);

// Names of the modules that the one with this content needs, from its "depends=" (the
// kernel's scripts/mod/modpost.c writes it into every module's section .modinfo, a row of
// strings that end with NUL). DataLoss when there is none.
absl::StatusOr<std::vector<std::string>> ModuleNeeds(absl::string_view module);

}  // namespace rootwright
