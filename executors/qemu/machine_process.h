#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/unique_fd.h"

namespace rootwright {

// The QEMU process of the domain that has `disk` open, as a pidfd: for ending it when libvirt
// does not answer. Known by its command line, which libvirt writes; NotFound when there is none.
absl::StatusOr<UniqueFd> FindMachineProcess(const std::string& domain, const std::filesystem::path& disk);

// Whether the process with this number is that one.
bool IsMachineProcess(pid_t process, const std::string& domain, const std::filesystem::path& disk);

// Kills it and waits for its end. OK when there is none. PermissionDenied without the right to.
absl::Status KillMachineProcess(const std::string& domain, const std::filesystem::path& disk,
                                Deadline deadline);

}  // namespace rootwright
