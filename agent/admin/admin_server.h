#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/admin/agent_facts.h"
#include "agent/admin/image_admin.h"
#include "agent/build/builds.h"
#include "agent/build/drain.h"

namespace rootwright {

// The agent's admin port: AgentAdminService, ImageService, grpc.health.v1 and reflection. Its destructor ends
// it.
class AdminServer {
 public:
  // `listen` is "address:port", port 0 for a free one. Unavailable when it cannot be had.
  static absl::StatusOr<std::unique_ptr<AdminServer>> Start(const std::string& listen, AgentFacts facts,
                                                            Builds& builds, Drain& drain, ImageAdmin images);
  ~AdminServer();

  // With the real port.
  const std::string& address() const;
  // One part's health ("link", "libvirt", "disk"); the overall one, "", is that of all parts together. From
  // any thread.
  void SetHealth(absl::string_view part, bool serving);

 private:
  struct Parts;
  explicit AdminServer(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace rootwright
