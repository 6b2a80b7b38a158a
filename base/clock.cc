#include "base/clock.h"

#include <algorithm>
#include <limits>

#include "absl/time/clock.h"

namespace rootwright {
namespace {

class RealClock : public Clock {
 public:
  absl::Time Wall() const override { return absl::Now(); }
  Instant Now() const override { return std::chrono::steady_clock::now(); }
};

}  // namespace

const Clock& Clock::Real() {
  static const RealClock clock;
  return clock;
}

Deadline Deadline::In(absl::Duration duration, Instant now) {
  if (duration >= absl::FromChrono(Instant::max() - now)) return Never();
  return Deadline(now + absl::ToChronoNanoseconds(duration));
}

absl::Duration Deadline::Left(Instant now) const {
  if (at_ == Instant::max()) return absl::InfiniteDuration();
  return std::max(absl::ZeroDuration(), absl::FromChrono(at_ - now));
}

int Deadline::LeftMillis(Instant now) const {
  if (at_ == Instant::max()) return -1;
  const int64_t millis = absl::ToInt64Milliseconds(Left(now) + absl::Microseconds(999));
  return static_cast<int>(std::min<int64_t>(millis, std::numeric_limits<int>::max()));
}

}  // namespace rootwright
