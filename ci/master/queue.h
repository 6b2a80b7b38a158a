#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace rootwright::master {

// The builds that wait: higher priority first, then in the order of submission; one that is tried again keeps
// its old place. Not thread-safe: the Farm's mutex guards it.
class Queue {
 public:
  // `order`: counts submissions.
  void Add(std::string build_id, int priority, int64_t order);
  void Remove(absl::string_view build_id);
  // First to run first.
  std::vector<std::string> InOrder() const;
  // How many are before it; nothing when it does not wait.
  std::optional<int> Before(absl::string_view build_id) const;

 private:
  struct Entry {
    // Negated, so that the set's order is the queue's.
    int rank;
    int64_t order;
    std::string build_id;
    auto operator<=>(const Entry&) const = default;
  };
  std::set<Entry> entries_;
};

}  // namespace rootwright::master
