#include "vmimages/overlay.h"

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/subprocess.h"

namespace rootwright {

const char* NameOf(DiskFormat format) { return format == DiskFormat::kRaw ? "raw" : "qcow2"; }

absl::Status CreateOverlay(const std::filesystem::path& base, DiskFormat base_format,
                           const std::filesystem::path& overlay, Deadline deadline, std::stop_token stop) {
  if (std::error_code error; std::filesystem::exists(std::filesystem::symlink_status(overlay, error))) {
    return absl::AlreadyExistsError(
        absl::StrCat("create overlay: ", overlay.string(), ": the file is there already"));
  }
  // A relative base would be looked up beside the overlay.
  const std::string absolute = std::filesystem::absolute(base).string();
  const SubprocessSpec spec{.argv = {"qemu-img", "create", "-q", "-f", "qcow2", "-F", NameOf(base_format),
                                     "-b", absolute, overlay.string()}};
  return Annotate(CheckSubprocess(spec, deadline, std::move(stop)).status(), "create overlay");
}

}  // namespace rootwright
