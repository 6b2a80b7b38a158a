#pragma once

#include "base/clock.h"

namespace rootwright::master {

// Time that passes only when a test says so.
class FakeClock : public Clock {
 public:
  absl::Time Wall() const override { return absl::FromUnixSeconds(1'700'000'000) + passed_; }
  Instant Now() const override { return Instant() + absl::ToChronoNanoseconds(absl::Hours(1) + passed_); }
  void Advance(absl::Duration duration) { passed_ += duration; }

 private:
  absl::Duration passed_;
};

}  // namespace rootwright::master
