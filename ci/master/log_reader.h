#pragma once

#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "ci/master/submissions.h"
#include "ci/master/waker.h"
#include "rootwright/v1/build_service.pb.h"

namespace rootwright::master {

// The log of one step from an offset on, pulled piece by piece from the file; with `follow` until the step
// ends. Ends early when the build is tried again: that log belongs to another attempt. One thread at a time.
class LogReader {
 public:
  // `reader` is woken when there may be more. NotFound when the step has not started.
  static absl::StatusOr<std::unique_ptr<LogReader>> Open(const Submissions& builds,
                                                         const v1::ReadLogRequest& request,
                                                         std::weak_ptr<Waker> reader);

  absl::StatusOr<Supply> Next(v1::ReadLogResponse* response);

 private:
  LogReader(const Submissions& builds, const v1::ReadLogRequest& request, LogKey key)
      : builds_(builds), key_(std::move(key)), follow_(request.follow()), offset_(request.offset()) {}

  const Submissions& builds_;
  const LogKey key_;
  const bool follow_;
  int64_t offset_;
};

}  // namespace rootwright::master
