#pragma once

#include <filesystem>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace rootwright {

// Lets every user pass `folder`, and makes sure that each folder above it does so too: what libvirt starts
// runs as a user of its own. FailedPrecondition names the folder that keeps `who` out.
absl::Status LetPass(const std::filesystem::path& folder, absl::string_view who);

}  // namespace rootwright
