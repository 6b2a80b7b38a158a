#pragma once

#include <memory>
#include <string>

#include "agent/link/artifact_uploader.h"
#include "agent/link/conversation.h"
#include "agent/link/shells.h"

namespace rootwright {

// The gRPC connection to the master: the conversation and, beside it, artifacts and shells. Only its source
// knows gRPC, and only how to move messages. Calls may come from any thread.
class MasterChannel : public Dialer, public ArtifactWire, public ShellWire {
 public:
  // `address` as gRPC takes it, e.g. "master.example:7420". Nothing is dialled yet.
  static std::unique_ptr<MasterChannel> Create(const std::string& address);
};

}  // namespace rootwright
