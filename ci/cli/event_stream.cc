#include "ci/cli/event_stream.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/wait.h"
#include "ci/cli/master_client.h"
#include "ci/cli/units.h"

namespace rootwright::cli {
namespace {

// Beyond this the reader waits for the presenter, and the master for the reader.
constexpr size_t kMostWaiting = 4096;

// What asking again cannot mend.
bool IsFinal(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnauthenticated:
    case absl::StatusCode::kUnimplemented:
    case absl::StatusCode::kFailedPrecondition:
      return true;
    default:
      return false;
  }
}

}  // namespace

EventStream::EventStream(BuildClient& client, const StreamOptions& options)
    : client_(client), options_(options) {}

EventStream::~EventStream() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
}

void EventStream::Start() {
  thread_ = std::jthread([this](std::stop_token stop) { Run(stop); });
}

StreamNews EventStream::Take(Deadline deadline) {
  const MutexLock lock(mutex_);
  // A wait until the end of time overflows inside the library: wait in long slices.
  while (!fresh_ && !deadline.Passed()) {
    const Instant slice = std::chrono::steady_clock::now() + std::chrono::hours(1);
    changed_.wait_until(mutex_, std::min(deadline.instant(), slice),
                        [this]() RW_REQUIRES(mutex_) { return fresh_; });
  }
  StreamNews news = std::move(news_);
  news_ = StreamNews();
  news_.interrupts = news.interrupts;
  fresh_ = false;
  changed_.notify_all();
  return news;
}

void EventStream::Interrupt() {
  const MutexLock lock(mutex_);
  ++news_.interrupts;
  fresh_ = true;
  changed_.notify_all();
}

void EventStream::Run(std::stop_token stop) {
  absl::Duration pause = options_.first_pause;
  std::optional<Deadline> give_up;
  while (!stop.stop_requested()) {
    progress_ = false;
    absl::Status status = WatchOnce(stop);
    if (status.ok()) {
      absl::StatusOr<v1::Build> build = client_.Get(options_.build_id);
      if (build.ok() && build->state() == v1::BUILD_STATE_FINISHED) return End(std::move(build));
      status = build.ok() ? absl::UnavailableError("the master ended the stream early") : build.status();
    }
    if (IsFinal(status)) return End(status);
    if (progress_ || !give_up.has_value()) {
      give_up = Deadline::In(options_.reconnect_for);
      pause = options_.first_pause;
    }
    if (give_up->Passed()) {
      return End(absl::UnavailableError(
          absl::StrCat(status.message(), "; looked for it for ", DurationText(options_.reconnect_for),
                       ". The build may well go on: rootwright build watch ", options_.build_id)));
    }
    if (!lost_) {
      Say(absl::StrCat("! the link to the master is lost (", status.message(), "); trying again for ",
                       DurationText(options_.reconnect_for)));
    }
    lost_ = true;
    if (!SleepFor(std::min(pause, give_up->Left()), stop).ok()) return;
    pause = std::min(pause * 2, options_.first_pause * 100);
  }
}

absl::Status EventStream::WatchOnce(std::stop_token stop) {
  v1::WatchBuildRequest request;
  request.set_build_id(options_.build_id);
  request.set_attempt(attempt_);
  request.set_from_sequence(next_);
  request.set_omit_log_chunks(options_.log_chunks == StreamOptions::LogChunks::kOmit);
  return client_.Watch(request, stop, [&](v1::WatchBuildResponse message) {
    progress_ = true;
    if (std::exchange(lost_, false)) Say("");
    return IsNew(message) ? Push(std::move(message), stop) : absl::OkStatus();
  });
}

bool EventStream::IsNew(const v1::WatchBuildResponse& message) {
  if (!message.has_event()) return true;
  const v1::BuildEvent& event = message.event();
  if (event.attempt() > attempt_) {
    attempt_ = event.attempt();
    next_ = 1;
  }
  if (event.attempt() < attempt_ || event.sequence() < next_) return false;
  next_ = event.sequence() + 1;
  return true;
}

absl::Status EventStream::Push(v1::WatchBuildResponse message, std::stop_token stop) {
  const MutexLock lock(mutex_);
  const auto room = [this]() RW_REQUIRES(mutex_) { return news_.messages.size() < kMostWaiting; };
  if (!changed_.wait(mutex_, stop, room)) {
    return absl::CancelledError("stopped");
  }
  news_.messages.push_back(std::move(message));
  fresh_ = true;
  changed_.notify_all();
  return absl::OkStatus();
}

void EventStream::Say(std::string link) {
  const MutexLock lock(mutex_);
  news_.link = std::move(link);
  fresh_ = true;
  changed_.notify_all();
}

void EventStream::End(absl::StatusOr<v1::Build> end) {
  const MutexLock lock(mutex_);
  news_.end = std::move(end);
  fresh_ = true;
  changed_.notify_all();
}

}  // namespace rootwright::cli
