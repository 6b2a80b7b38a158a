#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/clock.h"
#include "ci/master/leases.h"

namespace rootwright::master {

struct ServerOptions {
  // HOST:PORT; port 0: any free one.
  std::string listen = "127.0.0.1:7420";
  // Everything the master remembers; made when missing.
  std::filesystem::path state = "/var/lib/rootwright-master";
  LeaseTimes times;
  // Of one artifact.
  int64_t max_artifact_bytes = int64_t{64} << 30;
};

// The whole master: state, services, and the thread that watches over sessions and leases.
class Server {
 public:
  // Opens the state, takes up where the last life ended, and serves. FailedPrecondition when another master
  // has the state folder; Unavailable when the address cannot be had.
  static absl::StatusOr<std::unique_ptr<Server>> Start(const ServerOptions& options, const Clock& clock);
  // Orderly: sessions are told to come back, watchers end with UNAVAILABLE, everything said is on the disk.
  ~Server();

  // HOST:PORT, with the port that was bound.
  const std::string& address() const;

 private:
  struct Parts;
  explicit Server(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace rootwright::master
