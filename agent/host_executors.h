#pragma once

#include <memory>
#include <stop_token>
#include <utility>

#include "executors/executor.h"

namespace rootwright {

// Both kinds of isolation, for whoever goes through them.
inline constexpr Isolation kIsolations[] = {Isolation::kMachine, Isolation::kContainer};

// What makes the machines and what makes the containers of a host. The two may have different daemons of
// libvirt, and a host may have the driver of one only: each is well or away by itself.
class HostExecutors {
 public:
  HostExecutors(std::unique_ptr<Executor> machines, std::unique_ptr<Executor> containers)
      : machines_(std::move(machines)), containers_(std::move(containers)) {}

  Executor& of(Isolation isolation) const {
    return isolation == Isolation::kContainer ? *containers_ : *machines_;
  }

  // What both found; what both say of one daemon stands there once.
  HostReport Inspect(std::stop_token stop) const;

 private:
  const std::unique_ptr<Executor> machines_;
  const std::unique_ptr<Executor> containers_;
};

}  // namespace rootwright
