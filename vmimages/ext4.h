#pragma once

#include <cstdint>
#include <filesystem>
#include <stop_token>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "base/clock.h"

namespace rootwright {

// Makes an ext4 file system of `size_bytes`, named `label`, in the raw image file `image`, with a copy of
// all that is in `folder`: owners, modes, links, devices, extended attributes. No mount and
// no loop device; the caller must be root if the files are not all its own.
//
// `image` is made when it is not there, and never shortened: what was in it is given back
// to the host as holes, so the file takes the room of its content only. No journal: a disk
// that is thrown away after a crash needs none. Equal calls on an unchanged folder give equal
// file systems. The folder itself lends nothing: the top belongs to root and has mode 0755.
//
// ResourceExhausted when the folder does not fit.
absl::Status MakeExt4(const std::filesystem::path& folder, const std::filesystem::path& image,
                      int64_t size_bytes, absl::string_view label, Deadline deadline, std::stop_token stop);

}  // namespace rootwright
