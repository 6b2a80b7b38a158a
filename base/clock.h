#pragma once

#include <chrono>

#include "absl/time/time.h"

namespace rootwright {

using Instant = std::chrono::steady_clock::time_point;

// Where time comes from: wall time for people, monotonic time for limits.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual absl::Time Wall() const = 0;
  virtual Instant Now() const = 0;

  // The machine's own clocks.
  static const Clock& Real();
};

inline absl::Duration Since(Instant then, Instant now) { return absl::FromChrono(now - then); }

// A moment on the monotonic clock by which something has to be done.
class Deadline {
 public:
  static Deadline Never() { return Deadline(Instant::max()); }
  static Deadline At(Instant instant) { return Deadline(instant); }
  static Deadline In(absl::Duration duration, Instant now = std::chrono::steady_clock::now());

  bool Passed(Instant now = std::chrono::steady_clock::now()) const { return now >= at_; }
  // Never negative; InfiniteDuration for Never().
  absl::Duration Left(Instant now = std::chrono::steady_clock::now()) const;
  // For poll(2): rounded up, -1 for Never().
  int LeftMillis(Instant now = std::chrono::steady_clock::now()) const;
  Instant instant() const { return at_; }

  friend Deadline Earlier(Deadline a, Deadline b) { return a.at_ < b.at_ ? a : b; }

 private:
  explicit Deadline(Instant at) : at_(at) {}
  Instant at_;
};

}  // namespace rootwright
