#include "base/random.h"

#include <sys/random.h>

#include "absl/strings/escaping.h"

namespace rootwright {

std::string RandomHex(int digits) {
  std::string bytes(static_cast<size_t>(digits + 1) / 2, '\0');
  size_t filled = 0;
  while (filled < bytes.size()) {
    // Fails only before the kernel's pool is ready, or when interrupted: both pass.
    const ssize_t got = getrandom(bytes.data() + filled, bytes.size() - filled, 0);
    if (got > 0) filled += static_cast<size_t>(got);
  }
  return absl::BytesToHexString(bytes).substr(0, static_cast<size_t>(digits));
}

}  // namespace rootwright
