#include "ci/master/queue.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace rootwright::master {

void Queue::Add(std::string build_id, int priority, int64_t order) {
  entries_.insert({-priority, order, std::move(build_id)});
}

void Queue::Remove(absl::string_view build_id) {
  std::erase_if(entries_, [&](const Entry& entry) { return entry.build_id == build_id; });
}

std::vector<std::string> Queue::InOrder() const {
  std::vector<std::string> ids;
  ids.reserve(entries_.size());
  for (const Entry& entry : entries_) ids.push_back(entry.build_id);
  return ids;
}

std::optional<int> Queue::Before(absl::string_view build_id) const {
  const auto entry = std::find_if(entries_.begin(), entries_.end(),
                                  [&](const Entry& candidate) { return candidate.build_id == build_id; });
  if (entry == entries_.end()) return std::nullopt;
  return static_cast<int>(std::distance(entries_.begin(), entry));
}

}  // namespace rootwright::master
