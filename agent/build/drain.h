#pragma once

#include <optional>
#include <string>
#include <utility>

#include "agent/journal/doorbell.h"
#include "base/mutex.h"

namespace rootwright {

// Whether this agent takes new builds. Its operator, its master and its own end each may drain it; all have
// to be undone. Calls may come from any thread.
class Drain {
 public:
  enum class By { kOperator, kMaster, kShutdown };

  explicit Drain(Doorbell& doorbell) : doorbell_(doorbell) {}

  void Start(By by, std::string reason);
  void Undo(By by);
  // The reason, when it is drained by anyone.
  std::optional<std::string> reason() const;
  // The reason that the master has to be told: all but its own.
  std::optional<std::string> own_reason() const;

 private:
  Doorbell& doorbell_;
  mutable Mutex mutex_;
  std::optional<std::string> by_operator_ RW_GUARDED_BY(mutex_);
  std::optional<std::string> by_master_ RW_GUARDED_BY(mutex_);
  std::optional<std::string> by_shutdown_ RW_GUARDED_BY(mutex_);
};

}  // namespace rootwright
