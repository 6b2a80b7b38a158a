#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "rootwright/v1/build.pb.h"

namespace rootwright {

// What one build may use, in our own terms; every member is set. The defaults here are those of an agent
// whose configuration names none.
struct BuildLimits {
  // From the end of PREPARING to the end; PREPARING itself may take as long.
  absl::Duration wall = absl::Hours(2);
  // Without output, progress, or CPU use in the environment.
  absl::Duration silence = absl::Minutes(20);
  absl::Duration boot = absl::Seconds(120);
  int64_t memory_bytes = int64_t{1} << 30;
  // One is measurably faster than two for package scripts under emulation.
  int vcpus = 1;
  // Of all that the build has on the host at one time: tree, machine's disks, results.
  int64_t disk_bytes = int64_t{8} << 30;
  int64_t log_bytes = int64_t{1} << 30;
  int processes = 4096;
};

// The most that an agent grants whose configuration names no maximum.
BuildLimits LargestLimits();

// `asked`, and `defaults` wherever it is absent or zero.
BuildLimits FillLimits(const v1::Limits& asked, const BuildLimits& defaults);
v1::Limits ToProto(const BuildLimits& limits);
// InvalidArgument names the first limit that is above the maximum.
absl::Status CheckLimits(const BuildLimits& limits, const BuildLimits& maximum);

// For people: "2 h", "20 min", "90 s", "0.5 s".
std::string LengthText(absl::Duration length);

}  // namespace rootwright
