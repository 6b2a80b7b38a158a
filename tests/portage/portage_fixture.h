#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "executors/rootfs/portage/distfile_cache.h"
#include "executors/rootfs/portage/emerge_plan.h"
#include "executors/rootfs/portage/merge_report.h"
#include "executors/rootfs/portage/portage_files.h"
#include "executors/rootfs/spec/overlay.h"
#include "tests/portage/native_root.h"
#include "tests/portage/portage_image.h"

namespace rootwright {

inline constexpr char kRepository[] = "/var/db/repos/rootwright-test";

// What is merged where it does not matter what.
inline const std::vector<std::string>& Set() {
  static const auto* const kSet = new std::vector<std::string>{"virtual/banner", "app-admin/logrotate",
                                                               "dev-libs/cjson", "sys-libs/nss-unknown"};
  return *kSet;
}

inline std::string Variable(const char* name, const std::string& otherwise) {
  const char* value = getenv(name);
  return value == nullptr ? otherwise : value;
}

inline std::filesystem::path Source() {
  return std::filesystem::absolute(Variable("ROOTWRIGHT_SOURCE", "."));
}
inline std::filesystem::path Cache() { return Variable("ROOTWRIGHT_CACHE", "/var/cache/rootwright"); }

// What merging came to.
struct Merge {
  int exit_code = -1;
  std::string output;
  std::vector<EmergeSnapshot> snapshots;
  std::vector<EmergeLogEntry> log;
  std::vector<MergeFailure> failures;
  bool ended = false;

  std::vector<std::string> Completed() const {
    std::vector<std::string> names;
    for (const EmergeLogEntry& entry : log)
      if (entry.kind == EmergeLogEntry::Kind::kCompleted) names.push_back(entry.cpv);
    return names;
  }
};

// The Portage root, in which programs run natively, a fresh copy-on-write view of it for each test.
class Portage : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    ASSERT_EQ(geteuid(), 0U) << "this test needs root: it makes mounts and owners";
    folder_ = std::make_unique<ScopedFolder>(
        *ScopedFolder::Create(Variable("TMPDIR", "/var/tmp"), "portage-test-"));
    const absl::Status made = UnpackPortageImage(folder_->path() / "image");
    ASSERT_TRUE(made.ok()) << made;
  }
  static void TearDownTestSuite() { folder_.reset(); }

  void SetUp() override {
    ASSERT_TRUE(std::filesystem::exists(folder_->path() / "image/usr/bin/emerge"));
    settings_.profile = "amd64";
    settings_.repositories = {{"rootwright-test", kRepository}};
    settings_.jobs = 2;
    std::filesystem::create_directories(folder_->path() / "distfiles");
    NewRoot();
  }

  // In which nothing was merged yet.
  void NewRoot() {
    absl::StatusOr<NativeRoot> root = NativeRoot::Create(folder_->path() / "image", folder_->path());
    ASSERT_TRUE(root.ok()) << root.status();
    root_ = std::make_unique<NativeRoot>(*std::move(root));
    PlaceSettings();
  }

  // As settings_ are now.
  void PlaceSettings() {
    const absl::StatusOr<std::vector<PortageFile>> files = PortageFiles(settings_);
    ASSERT_TRUE(files.ok()) << files.status();
    const absl::StatusOr<ScopedFolder> overlay = ScopedFolder::Create(folder_->path(), "overlay-");
    ASSERT_TRUE(overlay.ok()) << overlay.status();
    const absl::Status written = WritePortageFiles(*files, overlay->path());
    ASSERT_TRUE(written.ok()) << written;
    const absl::Status placed = PlaceOverlay(overlay->path(), root_->Written());
    ASSERT_TRUE(placed.ok()) << placed;
  }

  NativeRoot::Command Python(absl::string_view program, const std::vector<std::string>& atoms) {
    NativeRoot::Command command;
    // Descriptor 3 is what the host reads.
    command.argv = {"/bin/sh", "-c", "exec 3>&1 1>&2; exec python3 - \"$@\"", "python"};
    for (const std::vector<std::string>& part : {EmergeOptions(settings_), atoms})
      command.argv.insert(command.argv.end(), part.begin(), part.end());
    command.variables = PortageVariables(settings_);
    command.input = std::string(program);
    command.folders = {{kRepository, Source() / "tests/portage/repository"},
                       {settings_.distfiles, folder_->path() / "distfiles"}};
    if (!packages_.empty()) command.folders[settings_.cached_packages] = packages_;
    return command;
  }

  EmergePlan Plan(const std::vector<std::string>& atoms) {
    NativeRoot::Command command = Python(PlanProgram(), atoms);
    std::string answer;
    command.on_stdout = [&](absl::string_view data) { answer.append(data.data(), data.size()); };
    const absl::StatusOr<SubprocessResult> result = root_->Run(command);
    EXPECT_TRUE(result.ok()) << result.status();
    if (!result.ok()) return {};
    EXPECT_TRUE(result->ok()) << result->error_output;
    absl::StatusOr<EmergePlan> plan = ParseEmergePlan(answer);
    EXPECT_TRUE(plan.ok()) << plan.status() << "\n" << result->error_output;
    return plan.ok() ? *std::move(plan) : EmergePlan();
  }

  // The one finding of a plan that is not possible.
  PlanFinding Refusal(const std::vector<std::string>& atoms) {
    const EmergePlan plan = Plan(atoms);
    EXPECT_FALSE(plan.possible);
    EXPECT_THAT(plan.packages, ::testing::IsEmpty());
    EXPECT_THAT(plan.findings, ::testing::SizeIs(1));
    return plan.findings.empty() ? PlanFinding() : plan.findings.front();
  }

  absl::Status Fetch(const EmergePlan& plan) {
    return DistfileCache(Cache() / "distfiles")
        .MakeDistdir(plan.files, folder_->path() / "distfiles", nullptr, Deadline::In(absl::Minutes(5)), {});
  }

  Merge MergePackages(const std::vector<std::string>& atoms) {
    NativeRoot::Command command = Python(MergeProgram(), atoms);
    Merge merge;
    MergeReport report;
    command.on_stdout = [&](absl::string_view data) {
      for (MergeEvent& event : report.Append(data)) {
        if (auto* snapshot = std::get_if<EmergeSnapshot>(&event))
          merge.snapshots.push_back(std::move(*snapshot));
        if (auto* entry = std::get_if<EmergeLogEntry>(&event)) merge.log.push_back(std::move(*entry));
        if (auto* failure = std::get_if<MergeFailure>(&event)) merge.failures.push_back(std::move(*failure));
        merge.ended = merge.ended || std::holds_alternative<MergeEnd>(event);
      }
    };
    const absl::StatusOr<SubprocessResult> result = root_->Run(command);
    EXPECT_TRUE(result.ok()) << result.status();
    if (!result.ok()) return merge;
    merge.exit_code = result->exit_code;
    merge.output = result->error_output;
    return merge;
  }

  // A program of the separate root, run there.
  std::string RunInTarget(const std::vector<std::string>& argv) {
    NativeRoot::Command command;
    command.argv = {"chroot", settings_.separate_root};
    command.argv.insert(command.argv.end(), argv.begin(), argv.end());
    const absl::StatusOr<SubprocessResult> result = root_->Run(command);
    return result.ok() ? result->output + result->error_output : result.status().ToString();
  }

  static inline std::unique_ptr<ScopedFolder> folder_;
  EmergeSettings settings_;
  std::unique_ptr<NativeRoot> root_;
  // What a cache handed out.
  std::filesystem::path packages_;
};

}  // namespace rootwright
