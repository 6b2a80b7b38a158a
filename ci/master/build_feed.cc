#include "ci/master/build_feed.h"

#include <algorithm>
#include <utility>

namespace rootwright::master {
namespace {

// Of stored events kept for watchers that are only a little late.
constexpr size_t kKeptBytes = 256 << 10;

EventPosition PositionOf(const v1::BuildEvent& event) { return {event.attempt(), event.sequence()}; }

// About what an event takes in memory.
size_t SizeOf(const v1::BuildEvent& event) { return 256 + event.log_chunk().data().size(); }

// Watchers learn steps and artifacts from the events.
std::shared_ptr<const v1::Build> InShort(const v1::Build& build) {
  auto copy = std::make_shared<v1::Build>(build);
  copy->clear_steps();
  copy->clear_artifacts();
  return copy;
}

}  // namespace

BuildFeed::BuildFeed(const v1::Build& build, EventPosition last)
    : build_(InShort(build)), stored_(last), dropped_(last) {}

void BuildFeed::Publish(std::shared_ptr<const v1::BuildEvent> event) {
  MutexLock lock(mutex_);
  tail_bytes_ += SizeOf(*event);
  tail_.push_back(std::move(event));
}

void BuildFeed::Update(const v1::Build& build) {
  auto copy = InShort(build);
  MutexLock lock(mutex_);
  build_ = std::move(copy);
  ++version_;
}

void BuildFeed::Rewind(EventPosition position) {
  MutexLock lock(mutex_);
  while (!tail_.empty() && PositionOf(*tail_.back()) > position) {
    tail_bytes_ -= SizeOf(*tail_.back());
    tail_.pop_back();
  }
  ++rewinds_;
  stored_ = std::min(stored_, position);
  dropped_ = std::min(dropped_, position);
}

int BuildFeed::rewinds() const {
  MutexLock lock(mutex_);
  return rewinds_;
}

void BuildFeed::SetStored(EventPosition position, int rewinds) {
  MutexLock lock(mutex_);
  // What was on its way to the disk when the rewind came is taken back there too.
  if (rewinds != rewinds_) return;
  stored_ = std::max(stored_, position);
  Trim();
}

void BuildFeed::Trim() {
  while (tail_bytes_ > kKeptBytes && !tail_.empty() && PositionOf(*tail_.front()) <= stored_) {
    dropped_ = PositionOf(*tail_.front());
    tail_bytes_ -= SizeOf(*tail_.front());
    tail_.pop_front();
  }
}

void BuildFeed::Close() {
  MutexLock lock(mutex_);
  closed_ = true;
}

bool BuildFeed::closed() const {
  MutexLock lock(mutex_);
  return closed_;
}

BuildFeed::View BuildFeed::Look(EventPosition after) const {
  MutexLock lock(mutex_);
  View view{build_, version_, closed_, nullptr, after < dropped_, dropped_};
  if (view.behind) return view;
  const auto next = std::partition_point(tail_.begin(), tail_.end(),
                                         [&](const auto& event) { return PositionOf(*event) <= after; });
  if (next != tail_.end()) view.event = *next;
  return view;
}

EventPosition BuildFeed::stored() const {
  MutexLock lock(mutex_);
  return stored_;
}

void BuildFeed::Subscribe(std::weak_ptr<Waker> waker) {
  MutexLock lock(mutex_);
  std::erase_if(wakers_, [](const auto& known) { return known.expired(); });
  wakers_.push_back(std::move(waker));
}

void BuildFeed::Wake() {
  std::vector<std::shared_ptr<Waker>> awake;
  {
    MutexLock lock(mutex_);
    for (const auto& waker : wakers_) {
      if (auto alive = waker.lock()) awake.push_back(std::move(alive));
    }
  }
  for (const auto& waker : awake) waker->Wake();
}

}  // namespace rootwright::master
