#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/mutex.h"
#include "executors/environment.h"
#include "executors/executor.h"

namespace rootwright {

// An environment that works: its commands run natively on the test's own machine, each in a
// mount namespace of its own with a root of its own (the host's /usr and /etc read-only, the
// rest in a temporary folder). An imported tree becomes the lower layer of an overlay, as in
// the real ones, so that exported changes look the same. Needs root and overlayfs; leaves no
// mount behind, not even when the test dies.
class FakeEnvironment : public Environment {
 public:
  // Below `parent` a folder is made and removed with the object.
  explicit FakeEnvironment(const std::filesystem::path& parent);
  ~FakeEnvironment() override;

  absl::Status Reach(Deadline deadline, std::stop_token stop) override;
  absl::StatusOr<CommandResult> Run(const EnvironmentCommand& command, const OutputSink& sink,
                                    Deadline deadline, std::stop_token stop) override;
  absl::Status PutFile(absl::string_view path, int mode, absl::string_view content, Deadline deadline,
                       std::stop_token stop) override;
  absl::Status GetFile(absl::string_view path, int64_t max_bytes, const FileSink& sink, Deadline deadline,
                       std::stop_token stop) override;
  absl::StatusOr<std::string> ImportTree(const std::filesystem::path& tree, const OutputSink& sink,
                                         Deadline deadline, std::stop_token stop) override;
  absl::Status ShareInputs(const std::filesystem::path& folder, absl::string_view at, Deadline deadline,
                           std::stop_token stop) override;
  absl::Status ExportChanges(const std::filesystem::path& archive, Deadline deadline,
                             std::stop_token stop) override;
  std::string Describe() const override { return "this host"; }
  absl::StatusOr<absl::Duration> CpuTime() override;
  absl::Status End(absl::Duration grace) override;
  void Kill() override;

 private:
  absl::StatusOr<CommandResult> RunHere(const EnvironmentCommand& command, const OutputSink& sink,
                                        Deadline deadline, std::stop_token stop);
  absl::Status CheckUsable() const;

  std::optional<ScopedFolder> folder_;
  // The imported tree; empty when there is none.
  std::filesystem::path lower_;
  // "at\nfolder\n" of each.
  std::string inputs_;
  int shared_ = 0;
  absl::Duration cpu_;
  bool reached_ = false;
  std::stop_source killed_;
};

// Makes them, and fails where a test says so.
class FakeExecutor : public Executor {
 public:
  absl::StatusOr<ImageInfo> PrepareImage(Architecture architecture, const ProgressSink& progress,
                                         const OutputSink& log, std::stop_token stop) override;
  absl::StatusOr<std::unique_ptr<Environment>> CreateEnvironment(const EnvironmentSpec& spec) override;
  absl::StatusOr<std::vector<std::string>> Reap(const std::set<std::string>& keep) override;
  HostReport Inspect(std::stop_token stop) override;
  absl::Status CheckHealth() override { return absl::OkStatus(); }

  // Returned instead of working, when not ok.
  absl::Status image_status;
  absl::Status create_status;
  // How often each was asked for.
  int images = 0;
  int environments = 0;
};

}  // namespace rootwright
