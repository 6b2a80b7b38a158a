#pragma once

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

// Returns from the enclosing function when `expr` is an error.
#define RW_RETURN_IF_ERROR(expr)                                            \
  do {                                                                      \
    if (absl::Status rw_status = (expr); !rw_status.ok()) return rw_status; \
  } while (false)

// Declares or assigns `lhs` from a StatusOr, or returns its error.
#define RW_ASSIGN_OR_RETURN(lhs, expr) \
  RW_ASSIGN_OR_RETURN_IMPL(RW_STATUS_CONCAT(rw_status_or_, __LINE__), lhs, expr)
#define RW_STATUS_CONCAT_INNER(a, b) a##b
#define RW_STATUS_CONCAT(a, b) RW_STATUS_CONCAT_INNER(a, b)
#define RW_ASSIGN_OR_RETURN_IMPL(tmp, lhs, expr) \
  auto tmp = (expr);                             \
  if (!tmp.ok()) return std::move(tmp).status(); \
  lhs = *std::move(tmp)

namespace rootwright {

// "what failed: object: strerror(error_number)", with the code that fits the errno
// (ENOENT is NotFound, ENOSPC ResourceExhausted, …).
absl::Status ErrnoStatus(int error_number, absl::string_view what, absl::string_view object);

// The same code with `prefix: ` before the message; payloads are kept.
absl::Status Annotate(const absl::Status& status, absl::string_view prefix);

}  // namespace rootwright
