#include "vmimages/kernel.h"

#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/subprocess.h"

namespace rootwright {

namespace fs = std::filesystem;

absl::StatusOr<Kernel> ExtractKernel(const fs::path& package, const fs::path& folder, Deadline deadline,
                                     std::stop_token stop) {
  const SubprocessSpec spec{.argv = {"dpkg-deb", "--extract", package.string(), folder.string()}};
  RW_RETURN_IF_ERROR(Annotate(CheckSubprocess(spec, deadline, std::move(stop)).status(), "unpack kernel"));
  constexpr absl::string_view kPrefix = "vmlinuz-";
  Kernel kernel;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder / "boot", error)) {
    const std::string name = entry.path().filename().string();
    if (!absl::StartsWith(name, kPrefix)) continue;
    kernel.release = name.substr(kPrefix.size());
    kernel.image = entry.path();
  }
  for (const char* modules : {"lib/modules", "usr/lib/modules"}) {
    if (fs::is_directory(folder / modules / kernel.release, error))
      kernel.modules = folder / modules / kernel.release;
  }
  if (kernel.release.empty() || kernel.modules.empty()) {
    return absl::DataLossError(
        absl::StrCat("unpack kernel: ", package.string(), ": it has no kernel with modules"));
  }
  return kernel;
}

}  // namespace rootwright
