#include "ci/master/build_watcher.h"

#include <algorithm>
#include <utility>

#include "base/status.h"

namespace rootwright::master {
namespace {

constexpr int kEventsAtOnce = 256;

}  // namespace

absl::StatusOr<Supply> BuildWatcher::Next(v1::WatchBuildResponse* response) {
  response->Clear();
  if (ended_) return Supply::kEnd;
  while (true) {
    BuildFeed::View view = feed_->Look(after_);
    if (view.closed)
      return absl::UnavailableError("the master is going down; watch again from the last sequence");
    if (told_version_ == 0) {
      GiveBuild(view, response);
      return Supply::kMessage;
    }
    RW_RETURN_IF_ERROR(LookAhead(view));
    if (ahead_.empty() && view.behind) continue;  // all that was stored was left out

    const bool finished = view.build->state() == v1::BUILD_STATE_FINISHED;
    const int attempt = !ahead_.empty() ? ahead_.front().event.attempt()
                        : view.event    ? view.event->attempt()
                                        : 0;
    // What the master did belongs between attempts, or at the end: not before events that came earlier.
    if (told_version_ != view.version && (attempt == 0 || (attempt >= view.build->attempt() && !finished))) {
      GiveBuild(view, response);
      ended_ = finished;
      return Supply::kMessage;
    }
    if (!ahead_.empty()) {
      Store::StoredEvent next = std::move(ahead_.front());
      ahead_.pop_front();
      after_ = {next.event.attempt(), next.event.sequence()};
      if (next.log_size > 0) RW_RETURN_IF_ERROR(FillLogBytes(next.event, next.log_size));
      *response->mutable_event() = std::move(next.event);
      return Supply::kMessage;
    }
    if (view.event) {
      after_ = {view.event->attempt(), view.event->sequence()};
      if (chunks_ == Store::Chunks::kOmit && view.event->has_log_chunk()) continue;
      *response->mutable_event() = *view.event;
      return Supply::kMessage;
    }
    if (!finished) return Supply::kNothingYet;
    GiveBuild(view, response);
    ended_ = true;
    return Supply::kMessage;
  }
}

absl::Status BuildWatcher::LookAhead(const BuildFeed::View& view) {
  if (!ahead_.empty() || !view.behind) return absl::OkStatus();
  RW_ASSIGN_OR_RETURN(auto events, store_.ReadEvents(build_id_, after_, chunks_, kEventsAtOnce));
  for (auto& event : events) ahead_.push_back(std::move(event));
  // Nothing left up to there but what is not wanted, or what was rewound.
  if (ahead_.empty()) after_ = std::max(after_, view.in_store);
  return absl::OkStatus();
}

absl::Status BuildWatcher::FillLogBytes(v1::BuildEvent& event, int64_t size) const {
  v1::LogChunk& chunk = *event.mutable_log_chunk();
  RW_ASSIGN_OR_RETURN(*chunk.mutable_data(),
                      logs_.Read({build_id_, event.attempt(), chunk.step()}, chunk.offset(), size));
  return absl::OkStatus();
}

void BuildWatcher::GiveBuild(const BuildFeed::View& view, v1::WatchBuildResponse* response) {
  *response->mutable_build() = *view.build;
  told_version_ = view.version;
}

}  // namespace rootwright::master
