#pragma once

#include <memory>
#include <stop_token>
#include <string>

#include "agent/journal/doorbell.h"
#include "agent/link/session.h"

namespace grpc {
class Channel;
}

namespace rootwright {

// A connection to the master's address that opens itself when it is used, and is kept alive and watched.
std::shared_ptr<grpc::Channel> DialMaster(const std::string& address);

// Carries the session's messages over Attach, and dials again when the connection is lost: at once the first time,
// then with growing, scattered pauses of at most 10 s. Run holds the calling thread until stopped; what is
// to be said when the stop comes is said first, for a second at most.
class Link {
 public:
  Link(std::shared_ptr<grpc::Channel> channel, Session& session, Doorbell& doorbell)
      : channel_(std::move(channel)), session_(session), doorbell_(doorbell) {}

  // Returns when stopped, or when the master dismissed this agent for good: Aborted with its reason then.
  absl::Status Run(std::stop_token stop);

 private:
  absl::Status Converse(std::stop_token stop);

  const std::shared_ptr<grpc::Channel> channel_;
  Session& session_;
  Doorbell& doorbell_;
};

}  // namespace rootwright
