#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "ci/cli/text.h"
#include "rootwright/v1/agent.pb.h"
#include "rootwright/v1/build.pb.h"
#include "rootwright/v1/image_service.pb.h"

// What commands print about builds, artifacts and agents: messages in, lines out.
namespace rootwright::cli {

// What is said at the end of a followed build.
struct Ending {
  v1::Build build;
  // The last lines of the failing step's log; empty when none failed.
  std::vector<std::string> log_tail;
  // Artifact name → where it was put; empty when nothing was fetched.
  std::map<std::string, std::string> files;
};

// The outcome first, the reason with it, then where to look.
std::vector<Line> EndingLines(const Ending& ending);

// `build show`.
std::vector<Line> BuildLines(const v1::Build& build, absl::Time now, absl::TimeZone zone);
// `build list`.
std::vector<Line> BuildTable(const std::vector<v1::Build>& builds, absl::Time now, absl::TimeZone zone);
// `artifact list`.
std::vector<Line> ArtifactTable(const std::vector<v1::Artifact>& artifacts);
// `image list`.
std::vector<Line> ImageTable(const std::vector<v1::Image>& images, absl::TimeZone zone);
// The end of `image import`.
std::vector<Line> ImportedLines(const v1::Image& image);
// `agent list`.
std::vector<Line> AgentTable(const std::vector<v1::Agent>& agents, absl::Time now, absl::TimeZone zone);
// `agent show`.
std::vector<Line> AgentLines(const v1::Agent& agent, absl::TimeZone zone);

// The last `count` lines of a log, each safe to show and at most 400 bytes long.
std::vector<std::string> TailOf(absl::string_view log, size_t count);

// "queued", "succeeded", "infrastructure error": the outcome once there is one.
std::string StateText(const v1::Build& build);
// "arm64".
std::string ArchitectureText(v1::Architecture architecture);

}  // namespace rootwright::cli
