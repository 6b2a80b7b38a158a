#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "ci/cli/arguments.h"
#include "rootwright/v1/build_service.pb.h"

namespace rootwright::cli {

// What `build submit` sends, made of its arguments; a local folder is looked at, nothing
// else is touched. InvalidArgument says which argument is wrong; the master checks the rest.
absl::StatusOr<v1::SubmitBuildRequest> MakeSubmitRequest(const Arguments& arguments,
                                                         const std::filesystem::path& current_folder);

// True for what git would dial ("https://…", "git@host:…"), false for a folder.
bool IsRemoteUrl(absl::string_view text);

// A folder in a git repository as the repository's top and the folder within it ("" at the
// top). NotFound when there is no such folder, FailedPrecondition when no git repository
// holds it.
struct LocalSource {
  std::filesystem::path repository;
  std::string path;
};
absl::StatusOr<LocalSource> FindRepository(const std::filesystem::path& folder);

}  // namespace rootwright::cli
