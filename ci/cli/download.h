#pragma once

#include <filesystem>
#include <functional>
#include <stop_token>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "rootwright/v1/artifact.pb.h"

namespace rootwright::cli {

class BuildClient;

struct DownloadOptions {
  std::string build_id;
  std::filesystem::path folder;
  // How long a lost master is looked for.
  absl::Duration reconnect_for = absl::Minutes(10);
  absl::Duration first_pause = absl::Milliseconds(200);
  // Told as bytes come: how many are there of how many; may be absent.
  std::function<void(const v1::Artifact&, int64_t)> on_progress;
};

// Fetches one artifact into the folder, which is made if need be, and returns its path. A
// file has its own name only once size and SHA-256 agree; until then it is ".NAME.partial",
// and a later call goes on where that ends. A file that is there already and agrees is
// left alone. DataLoss when the bytes do not agree, also when fetched anew; then nothing is
// left. InvalidArgument for a name that is none (it would be a path outside the folder).
absl::StatusOr<std::filesystem::path> DownloadArtifact(BuildClient& client, const v1::Artifact& artifact,
                                                       const DownloadOptions& options, std::stop_token stop);

}  // namespace rootwright::cli
