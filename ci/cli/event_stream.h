#pragma once

#include <deque>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "rootwright/v1/build_service.pb.h"

namespace rootwright::cli {

class BuildClient;

struct StreamOptions {
  std::string build_id;
  enum class LogChunks { kOmit, kInclude } log_chunks = LogChunks::kOmit;
  // How long a lost master is looked for, from the moment it was lost.
  absl::Duration reconnect_for = absl::Minutes(10);
  // The first pause between two tries; doubled up to a hundred times that.
  absl::Duration first_pause = absl::Milliseconds(100);
};

// What happened since the last look.
struct StreamNews {
  std::vector<v1::WatchBuildResponse> messages;
  // A change of the link, for people: lost (and why), or empty: back.
  std::optional<std::string> link;
  // How many times Interrupt was called in all.
  int interrupts = 0;
  // Set at the end: the finished build, or why following had to be given up.
  std::optional<absl::StatusOr<v1::Build>> end;
};

// Everything a build says, each event once and in order, over however many calls of
// WatchBuild that takes: when the link drops it asks again from the next sequence of the
// same attempt. Owns the thread that reads. Take is for one thread, Interrupt for any.
class EventStream {
 public:
  // The client outlives the stream.
  EventStream(BuildClient& client, const StreamOptions& options);
  ~EventStream();

  // Begins to read; once. Interrupt counts before that too.
  void Start();
  // Waits until there is news or the deadline has passed; then all news there is.
  StreamNews Take(Deadline deadline);
  // Wakes Take.
  void Interrupt();

 private:
  void Run(std::stop_token stop);
  // One call of WatchBuild. OK when the master ended it.
  absl::Status WatchOnce(std::stop_token stop);
  // False for what was seen before.
  bool IsNew(const v1::WatchBuildResponse& message);
  absl::Status Push(v1::WatchBuildResponse message, std::stop_token stop);
  void Say(std::string link);
  void End(absl::StatusOr<v1::Build> end);

  BuildClient& client_;
  const StreamOptions options_;
  // The reader's alone.
  int attempt_ = 0;
  int64_t next_ = 1;
  bool lost_ = false;
  bool progress_ = false;

  Mutex mutex_;
  CondVar changed_;
  StreamNews news_ RW_GUARDED_BY(mutex_);
  bool fresh_ RW_GUARDED_BY(mutex_) = false;
  std::jthread thread_;
};

}  // namespace rootwright::cli
