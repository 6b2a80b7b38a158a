#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

// Sizes as people write them, times as they write and read them.
namespace rootwright::cli {

// "1GiB", "512 MiB", "64k", "1.5G", "1000000": binary units whether or not the "i" stands
// there; "kB", "MB", "GB", "TB" are powers of ten. InvalidArgument for anything else,
// negative or beyond 2^62.
absl::StatusOr<int64_t> ParseBytes(absl::string_view text);

// "90s", "1h30m", "250ms", "2d", "7200" (seconds). InvalidArgument for anything else, for
// negative times and for more than a year.
absl::StatusOr<absl::Duration> ParseTimeSpan(absl::string_view text);

// "0.4 s", "41.2 s", "1 m 34 s", "2 h 03 m", "3 d 04 h".
std::string DurationText(absl::Duration duration);
// The same without tenths, for estimates: "35 s", "4 m", "2 h".
std::string RoughText(absl::Duration duration);

}  // namespace rootwright::cli
