#pragma once

#include <filesystem>
#include <memory>
#include <stop_token>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "executors/environment.h"
#include "executors/step.h"

namespace rootwright {

// A folder in a git repository, as in the request; the edge has checked lengths and
// characters.
struct GitSource {
  std::string url;
  // Branch, tag or commit; empty: the repository's HEAD.
  std::string ref;
  // Relative, without ".."; empty: the top.
  std::string path;
};

struct FetchedSource {
  // Full hexadecimal id.
  std::string commit;
  absl::Time commit_time;
  // The folder that was asked for.
  std::filesystem::path folder;
};

// Fetches the one commit, without history, into the new folder `into`. The git command does it: it
// speaks every transport and credential helper that users have configured, which libgit2
// does not. NotFound names what is missing: repository, ref or path. Unavailable when the
// server cannot be reached.
absl::StatusOr<FetchedSource> FetchSource(const GitSource& source, const std::filesystem::path& into,
                                          const OutputSink& log, Deadline deadline, std::stop_token stop);

// A step of that name that fetches it; `fetched` is filled in, and outlives the step.
std::unique_ptr<Step> MakeFetchSource(std::string name, GitSource source, std::filesystem::path into,
                                      FetchedSource& fetched);

}  // namespace rootwright
