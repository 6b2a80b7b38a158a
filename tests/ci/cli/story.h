#pragma once

#include <string>
#include <vector>

#include "rootwright/v1/build_service.pb.h"
#include "tests/ci/cli/golden.h"

namespace rootwright::cli {

// A build's messages, for tests: begins at 2001-09-09 01:46:40 UTC, each event a second on.
class Story {
 public:
  Story& Build(const std::string& fields) {
    messages_.push_back(Parse<v1::WatchBuildResponse>(
        "build { id: '7f3a0000' request { rootfs {} target { architecture: ARCHITECTURE_ARM64 } source { "
        "url: "
        "'/srv/specs/arm64-minimal.git' } } submitted_at { seconds: 1000000000 } " +
        fields + " }"));
    return *this;
  }
  Story& Event(const std::string& fields, int attempt = 1) {
    if (attempt != attempt_) sequence_ = 0;
    attempt_ = attempt;
    ++seconds_;
    messages_.push_back(Parse<v1::WatchBuildResponse>(
        "event { sequence: " + std::to_string(++sequence_) + " attempt: " + std::to_string(attempt) +
        " time { seconds: " + std::to_string(1000000000 + seconds_) + " } " + fields + " }"));
    return *this;
  }
  Story& Step(const std::string& name, int index, const std::string& wall, const std::string& summary = "") {
    Start(name, index);
    return Finish(name, wall, summary);
  }
  Story& Start(const std::string& name, int index) {
    std::string coming;
    if (index == 1) {
      for (const char* step : {"parse_packages", "translate_packages", "prepare_image", "setup_environment",
                               "reach_environment", "pre_install", "install_packages", "post_install",
                               "clean_up", "archive_rootfs", "pack_rootfs", "upload_artifacts"}) {
        coming += std::string(" coming: '") + step + "'";
      }
    }
    return Event("step_started { step: '" + name + "' index: " + std::to_string(index) +
                 " count: 13 place: PLACE_HOST" + coming + " }");
  }
  Story& Finish(const std::string& name, const std::string& wall, const std::string& summary) {
    return Event("step_finished { step: '" + name + "' state: STEP_STATE_SUCCEEDED wall { " + wall +
                 " } summary: '" + summary + "' }");
  }
  // A build of 142 packages up to the middle of its install.
  static Story Install() {
    Story story;
    story.Build("state: BUILD_STATE_QUEUED attempt: 1");
    story.Build("state: BUILD_STATE_LEASED attempt: 1 agent: 'builder-1' started_at { seconds: 1000000000 }");
    story.Start("fetch_specs", 1);
    story.Event("source_resolved { commit: '9c0d1f2aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' }");
    story.Finish("fetch_specs", "nanos: 300000000", "commit 9c0d1f2aaaaa");
    story.Step("parse_packages", 2, "nanos: 10000000", "9 packages asked");
    story.Start("translate_packages", 3);
    story.Event("plan_ready { packages: 142 download_bytes: 52000000 }");
    story.Finish("translate_packages", "seconds: 1 nanos: 900000000", "142 to install, 49.6 MiB of packages");
    story.Step("prepare_image", 4, "nanos: 100000000", "debian-12-arm64 sha256:4be1aaaa…");
    story.Step("setup_environment", 5, "nanos: 400000000");
    story.Step("reach_environment", 6, "seconds: 2 nanos: 900000000", "cortex-a57, 1 vCPU, emulated");
    story.Step("pre_install", 7, "nanos: 0");
    story.Start("install_packages", 8);
    story.Event(
        "step_progress { step: 'install_packages' done: 88 total: 142 phase: 'configuring' item: "
        "'openssh-server' "
        "elapsed { seconds: 41 } estimate { seconds: 35 } }");
    return story;
  }
  const std::vector<v1::WatchBuildResponse>& messages() const { return messages_; }

 private:
  std::vector<v1::WatchBuildResponse> messages_;
  int seconds_ = 0;
  int sequence_ = 0;
  int attempt_ = 1;
};

}  // namespace rootwright::cli
