#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <stop_token>

#include "absl/status/statusor.h"
#include "executors/rootfs/roots/stage_digests.h"

namespace rootwright {

// SHA-256, SHA-512 and BLAKE2b of a file, in one reading; `progress` is told of bytes read. Cancelled when
// asked.
absl::StatusOr<DigestsOfFile> DigestFile(const std::filesystem::path& path,
                                         const std::function<void(int64_t)>& progress, std::stop_token stop);

}  // namespace rootwright
