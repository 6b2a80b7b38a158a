#pragma once

#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "agent/build/lease_holder.h"
#include "agent/journal/journals.h"
#include "agent/link/shells.h"

namespace rootwright {

// Takes every lease, runs nothing: the test writes the journals.
class FakeHolder : public LeaseHolder {
 public:
  explicit FakeHolder(Journals& journals) : journals_(journals) {}
  absl::Status Take(const v1::Lease& lease) override {
    if (!refusal.ok()) return refusal;
    if (journals_.FindLease(lease.lease_id()) != nullptr) return absl::OkStatus();
    ++taken;
    running.insert(lease.lease_id());
    return journals_.Create(lease).status();
  }
  void End(absl::string_view lease_id, Ending ending) override {
    ended.emplace_back(std::string(lease_id), ending.outcome);
  }
  void Discard(absl::string_view lease_id) override {
    discarded.emplace_back(lease_id);
    if (const auto journal = journals_.FindLease(lease_id)) journals_.Remove(*journal);
  }
  bool IsRunning(absl::string_view lease_id) const override {
    return running.count(std::string(lease_id)) > 0;
  }
  Room room() const override { return free; }
  std::vector<Kept> kept() const override { return kept_ones; }
  void ReleaseKept(absl::string_view build_id) override { released.emplace_back(build_id); }
  absl::StatusOr<std::unique_ptr<Shell>> OpenShell(absl::string_view, const ShellCommand&,
                                                   std::stop_token) override {
    return absl::NotFoundError("none here");
  }

  absl::Status refusal;
  Room free = {1, 2, 3};
  int taken = 0;
  std::set<std::string> running;
  std::vector<std::pair<std::string, v1::Outcome>> ended;
  std::vector<std::string> discarded;
  std::vector<Kept> kept_ones;
  std::vector<std::string> released;

 private:
  Journals& journals_;
};

class FakeShellServer : public ShellServer {
 public:
  void Serve(const v1::OpenShell& message) override { asked.push_back(message.shell_id()); }
  std::vector<std::string> asked;
};

}  // namespace rootwright
