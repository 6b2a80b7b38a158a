#pragma once

#include <cstdint>
#include <filesystem>
#include <stop_token>

#include "absl/status/status.h"
#include "base/clock.h"
#include "executors/container/user_namespace.h"

namespace rootwright {

// Writes an overlay's upper folder as a raw tar archive to the new file `archive`, as
// Environment::ExportChanges has it, with owners shifted back from `ids`; those of whiteouts mean nothing. A
// user's code filled the folder and may still be at it: nothing in it is followed or run, and
// ResourceExhausted ends an archive of more than `most` bytes (holes in files count).
absl::Status WriteUpperArchive(const std::filesystem::path& upper, const IdRange& ids, int64_t most,
                               const std::filesystem::path& archive, Deadline deadline, std::stop_token stop);

}  // namespace rootwright
