#pragma once

#include <filesystem>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace rootwright {

// The only place that knows what lies where below the agent's state folder:
//
//   lock                      held by the one agent that uses this folder
//   binary-packages.pem       the key that signs packages kept for later builds; its public half is beside it
//   build-times               how long packages took (executors/rootfs/portage/build_times.h)
//   admin-address             "127.0.0.1:42118": where the running agent's admin port is
//   builds/
//     7f3a9c0d-1/             one attempt of one build, until the master has all of it
//       lease                 rootwright.v1.Lease, serialized; written whole before the lease is accepted
//       events                append-only; see event_file.h
//       acknowledged          eight bytes, little endian: the highest sequence that the master has
//   work/
//     7f3a9c0d-1/             what the build itself makes; gone when it ends
class StatePaths {
 public:
  explicit StatePaths(std::filesystem::path state) : state_(std::move(state)) {}

  const std::filesystem::path& state() const { return state_; }
  std::filesystem::path lock() const { return state_ / "lock"; }
  std::filesystem::path admin_address() const { return state_ / "admin-address"; }
  std::filesystem::path binary_package_key() const { return state_ / "binary-packages.pem"; }
  std::filesystem::path build_times() const { return state_ / "build-times"; }
  std::filesystem::path builds() const { return state_ / "builds"; }
  std::filesystem::path build(absl::string_view id, int attempt) const {
    return builds() / Name(id, attempt);
  }
  std::filesystem::path work() const { return state_ / "work"; }
  std::filesystem::path work(absl::string_view id, int attempt) const { return work() / Name(id, attempt); }

 private:
  static std::string Name(absl::string_view id, int attempt) { return absl::StrCat(id, "-", attempt); }
  std::filesystem::path state_;
};

// Files inside a build's folder.
inline constexpr char kLeaseFile[] = "lease";
inline constexpr char kEventsFile[] = "events";
inline constexpr char kAcknowledgedFile[] = "acknowledged";

// Whether an id from the master may become part of a path and of a domain's name: 1 to 64 characters of
// [a-z0-9-], not starting with "-".
bool IsBuildId(absl::string_view id);

}  // namespace rootwright
