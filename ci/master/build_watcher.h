#pragma once

#include <deque>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "ci/master/build_feed.h"
#include "ci/master/log_store.h"
#include "ci/master/store.h"
#include "ci/master/waker.h"
#include "rootwright/v1/build_service.pb.h"

namespace rootwright::master {

// One reader's way through a build: stored events, then live ones, each once and in order, and the Build
// whenever the master changed it. The first message is the Build as it is, the last one the
// Build as it ended. Pulled by its reader, so that a slow one costs nobody anything. One thread at a time.
class BuildWatcher {
 public:
  BuildWatcher(std::shared_ptr<BuildFeed> feed, const Store& store, const LogStore& logs, EventPosition after,
               Store::Chunks chunks)
      : feed_(std::move(feed)),
        build_id_(feed_->Look(after).build->id()),
        store_(store),
        logs_(logs),
        after_(after),
        chunks_(chunks) {}

  // kNothingYet: ask again when the feed wakes. Unavailable when the master is about to end.
  absl::StatusOr<Supply> Next(v1::WatchBuildResponse* response);

 private:
  // The next event into `ahead_`, if there is one.
  absl::Status LookAhead(const BuildFeed::View& view);
  absl::Status FillLogBytes(v1::BuildEvent& event, int64_t size) const;
  void GiveBuild(const BuildFeed::View& view, v1::WatchBuildResponse* response);

  const std::shared_ptr<BuildFeed> feed_;
  const std::string build_id_;
  const Store& store_;
  const LogStore& logs_;
  EventPosition after_;
  const Store::Chunks chunks_;
  // Read from the store; log bytes are fetched one by one when they are given.
  std::deque<Store::StoredEvent> ahead_;
  int64_t told_version_ = 0;
  bool ended_ = false;
};

}  // namespace rootwright::master
