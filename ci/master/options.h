#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace rootwright::master {

enum class Show { kNothing, kHelp, kVersion };

// The command line. Times are checked against each other later, by LeaseTimes.
struct Options {
  Show show = Show::kNothing;
  std::string listen = "127.0.0.1:7420";
  std::filesystem::path state = "/var/lib/rootwright-master";
  std::filesystem::path address_file;
  absl::Duration heartbeat = absl::Seconds(5);
  absl::Duration session_timeout = absl::Seconds(20);
  absl::Duration lease = absl::Seconds(60);
  absl::Duration retry_wait = absl::Seconds(5);
  int64_t max_artifact_bytes = int64_t{64} << 30;
  std::string log_level = "info";
};

// InvalidArgument names the argument and what is wrong with it.
absl::StatusOr<Options> ParseOptions(const std::vector<std::string>& arguments);

extern const char kHelp[];

}  // namespace rootwright::master
