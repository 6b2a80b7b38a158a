#pragma once

#include <algorithm>
#include <cstdint>
#include <random>

#include "absl/time/time.h"

namespace rootwright {

// How long to wait before the next try: doubling from `first` to `most`, and each time a random part between
// half of it and all, so that agents that lost the same master do not come back in step. Not thread-safe.
class Backoff {
 public:
  Backoff(absl::Duration first, absl::Duration most, uint64_t seed)
      : first_(first), most_(most), random_(seed) {}

  absl::Duration Next() {
    next_ = next_ == absl::ZeroDuration() ? first_ : std::min(most_, next_ * 2);
    return next_ * std::uniform_real_distribution<double>(0.5, 1.0)(random_);
  }
  // After a success.
  void Reset() { next_ = absl::ZeroDuration(); }

 private:
  const absl::Duration first_, most_;
  absl::Duration next_;
  std::mt19937_64 random_;
};

}  // namespace rootwright
