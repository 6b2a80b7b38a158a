#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/architecture.h"
#include "executors/executor.h"
#include "executors/rootfs/roots/build_root_store.h"
#include "executors/rootfs/roots/stage_digests.h"

namespace rootwright {

// An archive that somebody wants as build root, and why it is to be trusted: each of digest, digests and
// signature that is given must be right. The fields are those of ImportHeader (image_service.proto).
struct StageImport {
  std::string file_name;
  std::string name;
  std::optional<Architecture> architecture;
  std::string digest;
  std::string digests;
  std::string signature;
  std::string keyring;
  bool unverified = false;
};

// What became of it.
struct ImportedStage {
  RootSummary root;
  // What people should know of it, a line each.
  std::vector<std::string> notes;
};

// Takes stages of Gentoo into the store, once they are verified. Any thread.
class StageImporter {
 public:
  // `programs` has rootwright-apply. The store outlives it.
  StageImporter(BuildRootStore& store, std::filesystem::path programs)
      : store_(store), programs_(std::move(programs)) {}

  // What can be said before the archive is there: InvalidArgument names what is wrong or missing. Fills in
  // the name.
  static absl::Status CheckRequest(StageImport& request);

  // Verifies and unpacks the archive; `folder` is a private one that gpgv may read and write. A root of that
  // name made of the same archive is left as it is. Progress has the phases "verify", "unpack" and "keep".
  //
  // InvalidArgument when the archive is not what was promised, damaged, not a root filesystem, for another
  // architecture, or would leave its tree; AlreadyExists when the name is taken. Nothing is left then.
  absl::StatusOr<ImportedStage> Import(const StageImport& request, const std::filesystem::path& archive,
                                       const std::filesystem::path& folder, const ProgressSink& progress,
                                       std::stop_token stop);

 private:
  absl::StatusOr<ImageDescription> Unpack(const StageImport& request, const std::filesystem::path& archive,
                                          const std::filesystem::path& tree, const ProgressSink& progress,
                                          const std::stop_token& stop, RootRecipe& recipe,
                                          std::vector<std::string>& notes);

  BuildRootStore& store_;
  const std::filesystem::path programs_;
};

}  // namespace rootwright
