#pragma once

#include <algorithm>
#include <string>

#include "absl/time/time.h"
#include "base/clock.h"

namespace rootwright::master {

// Leases that came back, one after the other, with the last reason. Until some time has passed, twice as long
// with each, nothing is offered again: an agent that cannot take a build can seldom do so a moment later, and
// each offer is written to the disk. Not thread-safe: the Farm's mutex guards it.
class Refusal {
 public:
  static constexpr absl::Duration kFirstWait = absl::Seconds(3);
  static constexpr absl::Duration kLongestWait = absl::Seconds(24);

  void Add(std::string reason, Instant now) {
    wait_ = std::clamp(wait_ * 2, kFirstWait, kLongestWait);
    until_ = now + absl::ToChronoNanoseconds(wait_);
    reason_ = std::move(reason);
  }
  // Not refused any more: the next one starts with the first wait.
  void Clear() { *this = Refusal(); }

  // How long it still holds; zero when it does not.
  absl::Duration Left(Instant now) const {
    return wait_ == absl::ZeroDuration() ? wait_ : std::max(Since(now, until_), absl::ZeroDuration());
  }
  const std::string& reason() const { return reason_; }

 private:
  std::string reason_;
  absl::Duration wait_;
  Instant until_;
};

}  // namespace rootwright::master
