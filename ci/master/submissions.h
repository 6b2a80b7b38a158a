#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "ci/master/build_watcher.h"
#include "ci/master/farm.h"
#include "ci/master/turn.h"
#include "rootwright/v1/build_service.pb.h"

namespace rootwright::master {

// What CI plugins and people may do with builds. Wherever an id is taken a unique prefix will do: NotFound
// when no build fits, InvalidArgument when several do. Thread-safe; calls that change something
// block until it is durable.
class Submissions {
 public:
  explicit Submissions(Farm& farm) : farm_(farm) {}

  absl::StatusOr<v1::SubmitBuildResponse> Submit(const v1::SubmitBuildRequest& request);
  absl::StatusOr<v1::CancelBuildResponse> Cancel(const v1::CancelBuildRequest& request);
  // Gives up the environment that the build left. NotFound when none is kept.
  absl::StatusOr<v1::Build> Release(absl::string_view id);
  absl::StatusOr<v1::Build> Get(absl::string_view id) const;
  absl::StatusOr<v1::ListBuildsResponse> List(const v1::ListBuildsRequest& request) const;

  // `reader` is woken when the watcher has more.
  absl::StatusOr<std::unique_ptr<BuildWatcher>> Watch(const v1::WatchBuildRequest& request,
                                                      std::weak_ptr<Waker> reader) const;

  // How far the log of a step is. NotFound when the step has not started.
  struct StepLog {
    int attempt = 1;
    int64_t bytes = 0;
    bool growing = false;
  };
  absl::StatusOr<StepLog> FindLog(const std::string& full_id, absl::string_view step) const;
  absl::StatusOr<std::string> FullId(absl::string_view id) const;
  // Of an active build, so that its readers can wait; null otherwise.
  std::shared_ptr<BuildFeed> FeedOf(const std::string& full_id) const;
  const LogStore& logs() const { return farm_.logs; }

 private:
  absl::StatusOr<std::string> NewId() const;
  absl::StatusOr<v1::SubmitBuildResponse> Repeat(const std::string& build_id,
                                                 const v1::SubmitBuildRequest& request);
  // Gives the key to the new build, unless a build has it: then that one's id, else nothing.
  std::string TakeKey(const std::string& key, const std::string& id);
  void AddBuild(Turn& turn, BuildRecord record, const std::string& key);
  // The build made under this key lately or ever; empty when there is none.
  absl::StatusOr<std::string> BuildOfKey(const std::string& key) const;

  Farm& farm_;
  mutable Mutex keys_mutex_;
  // Keys that may not be in the store yet, oldest first.
  std::map<std::string, std::string> recent_keys_ RW_GUARDED_BY(keys_mutex_);
  std::deque<std::string> key_order_ RW_GUARDED_BY(keys_mutex_);
};

}  // namespace rootwright::master
