#include "ci/master/log_reader.h"

#include <algorithm>
#include <utility>

#include "base/status.h"

namespace rootwright::master {
namespace {

constexpr int64_t kPieceBytes = 256 << 10;

}  // namespace

absl::StatusOr<std::unique_ptr<LogReader>> LogReader::Open(const Submissions& builds,
                                                           const v1::ReadLogRequest& request,
                                                           std::weak_ptr<Waker> reader) {
  if (request.offset() < 0) return absl::InvalidArgumentError("read log: offset: must not be negative");
  RW_ASSIGN_OR_RETURN(const std::string id, builds.FullId(request.build_id()));
  if (const auto feed = builds.FeedOf(id)) feed->Subscribe(std::move(reader));
  RW_ASSIGN_OR_RETURN(const Submissions::StepLog log, builds.FindLog(id, request.step()));
  return std::unique_ptr<LogReader>(new LogReader(builds, request, {id, log.attempt, request.step()}));
}

absl::StatusOr<Supply> LogReader::Next(v1::ReadLogResponse* response) {
  response->Clear();
  const auto log = builds_.FindLog(key_.build_id, key_.step);
  const auto feed = builds_.FeedOf(key_.build_id);
  if (feed != nullptr && feed->closed())
    return absl::UnavailableError("the master is going down; read on from the offset");
  // Rewound or tried again: what was read so far stays, the rest is another log.
  const bool same = log.ok() && log->attempt == key_.attempt;
  if (same && offset_ < log->bytes) {
    RW_ASSIGN_OR_RETURN(*response->mutable_data(),
                        builds_.logs().Read(key_, offset_, std::min(kPieceBytes, log->bytes - offset_)));
    response->set_offset(offset_);
    offset_ += static_cast<int64_t>(response->data().size());
    if (!response->data().empty()) return Supply::kMessage;
    // Received but not on the disk yet: it wakes us when it is.
    return feed != nullptr ? Supply::kNothingYet : Supply::kEnd;
  }
  return same && follow_ && log->growing ? Supply::kNothingYet : Supply::kEnd;
}

}  // namespace rootwright::master
