#pragma once

#include <list>
#include <memory>
#include <stop_token>
#include <string>
#include <thread>

#include "absl/status/statusor.h"
#include "agent/build/lease_holder.h"
#include "base/mutex.h"
#include "executors/shell.h"
#include "rootwright/v1/agent_link_service.pb.h"

namespace rootwright {

// One ServeShell call to the master: real, or a test's. Read and Write each from one thread, Cancel from any.
// Its destructor ends it.
class ShellStream {
 public:
  virtual ~ShellStream() = default;
  // False once the stream is broken.
  virtual bool Write(const v1::ServeShellRequest& message) = 0;
  // Nothing more is written.
  virtual void EndWriting() = 0;
  // False at its end.
  virtual bool Read(v1::ServeShellResponse* message) = 0;
  virtual void Cancel() = 0;
};

// Opens them.
class ShellWire {
 public:
  virtual ~ShellWire() = default;
  virtual std::unique_ptr<ShellStream> ServeShell() = 0;
};

// What the master asks for when somebody wants in.
class ShellServer {
 public:
  virtual ~ShellServer() = default;
  // Returns at once.
  virtual void Serve(const v1::OpenShell& asked) = 0;
};

// Runs shells for people in the environments of builds: two threads for each, one a direction. Knows no gRPC.
class Shells : public ShellServer {
 public:
  // Both outlive it.
  Shells(ShellWire& wire, LeaseHolder& builds) : wire_(wire), builds_(builds) {}
  // Hangs up all.
  ~Shells() override;

  void Serve(const v1::OpenShell& asked) override;

 private:
  struct Running {
    // Its lines to cut when all are to end.
    std::shared_ptr<ShellStream> stream;
    bool ended = false;
    std::jthread thread;
  };

  void Run(const v1::OpenShell& asked, ShellStream& stream, std::stop_token stop);
  // From the master to the program, until the stream ends.
  static void Feed(ShellStream& stream, Shell& shell);
  // From the program to the master; the last message.
  static v1::ShellOutput Drain(Shell& shell, ShellStream& stream);
  // Joins the threads of those that have ended.
  void Sweep();

  ShellWire& wire_;
  LeaseHolder& builds_;
  Mutex mutex_;
  std::list<Running> running_ RW_GUARDED_BY(mutex_);
};

// The contract's words in ours; a login shell where no program is named. InvalidArgument when the command
// breaks a limit of the contract.
absl::StatusOr<ShellCommand> ShellCommandOf(const v1::ShellCommand& asked);

}  // namespace rootwright
