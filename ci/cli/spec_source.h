#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "base/file.h"
#include "ci/cli/session.h"

namespace rootwright::cli {

// A specification that lies on this host.
struct OpenedSpecification {
  std::filesystem::path folder;
  // Its name, as far as it is known: what was asked for, or what the local repository has checked
  // out. Only what was asked for has to name a platform.
  std::string branch;
  bool branch_was_asked = false;
  // The repository that was fetched; gone with this object.
  std::optional<ScopedFolder> fetched;
};

// Opens what `spec check` was given: a folder, looked at as it lies there, committed or not; or a
// git URL or local repository with "#branch", fetched without history into a temporary folder.
// A fetch that takes longer says so on the error screen; Ctrl-C ends it, and leaves nothing.
// `path` is the folder within it. NotFound names what is not there.
absl::StatusOr<OpenedSpecification> OpenSpecification(Session& session, const std::string& given,
                                                      const std::string& path);

}  // namespace rootwright::cli
