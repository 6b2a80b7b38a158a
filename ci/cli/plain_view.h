#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "ci/cli/text.h"
#include "rootwright/v1/build_service.pb.h"

namespace rootwright::cli {

enum class LogLines { kHide, kShow };

// A build as plain lines with times, for pipes and files: each message gives the lines it
// is worth, at once. Knows no clock and no terminal. One thread.
class PlainView {
 public:
  // Times are shown in `zone`. With kShow each log line comes after its step's name.
  PlainView(absl::TimeZone zone, LogLines log_lines) : zone_(zone), log_lines_(log_lines) {}

  std::vector<Line> Apply(const v1::WatchBuildResponse& message);

 private:
  void ApplyBuild(const v1::Build& build, std::vector<Line>& lines);
  void ApplyEvent(const v1::BuildEvent& event, std::vector<Line>& lines);
  void ApplyProgress(const v1::BuildEvent& event, std::vector<Line>& lines);
  void ApplyFinished(const v1::BuildEvent& event, std::vector<Line>& lines);
  void ApplyLog(const v1::BuildEvent& event, std::vector<Line>& lines);
  // The bytes of a line that has not ended, as a line.
  void EndLogLines(absl::Time time, const std::string& step, std::vector<Line>& lines);
  Line Begin(absl::Time time) const;

  const absl::TimeZone zone_;
  const LogLines log_lines_;
  v1::BuildState state_ = v1::BUILD_STATE_UNSPECIFIED;
  int attempt_ = 0;
  // What the last progress line said, and when: not more than one a second says the same phase.
  std::string phase_;
  absl::Time progress_shown_ = absl::InfinitePast();
  // Step and stream → bytes since the last line end; at most kLongestLine.
  std::map<std::pair<std::string, int>, std::string> open_lines_;
};

}  // namespace rootwright::cli
