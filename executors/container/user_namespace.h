#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "base/unique_fd.h"

namespace rootwright {

// User and group numbers of the host that stand for 0 and up in a container.
struct IdRange {
  uint32_t first = 0;
  uint32_t count = 65536;
};

// The descriptor of a user namespace with one mapping, alike for users and groups: `count` numbers from
// `inside` stand for those of the host from `outside`. It is for mounts with shifted owners; no process is in
// it.
absl::StatusOr<UniqueFd> MakeUserNamespace(uint32_t inside, uint32_t outside, uint32_t count);

}  // namespace rootwright
