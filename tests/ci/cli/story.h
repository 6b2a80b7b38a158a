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
  Story& Step(const std::string& name, int index, const std::string& wall) {
    Start(name, index);
    return Event("step_finished { step: '" + name + "' state: STEP_STATE_SUCCEEDED wall { " + wall + " } }");
  }
  Story& Start(const std::string& name, int index) {
    return Event("step_started { step: '" + name + "' index: " + std::to_string(index) +
                 " count: 13 place: PLACE_HOST }");
  }
  // The build of EXPERIENCE up to the middle of its install.
  static Story Install() {
    Story story;
    story.Build("state: BUILD_STATE_QUEUED attempt: 1");
    story.Build("state: BUILD_STATE_LEASED attempt: 1 agent: 'builder-1' started_at { seconds: 1000000000 }");
    story.Step("prepare_image", 1, "nanos: 100000000");
    story.Step("setup_environment", 2, "nanos: 400000000");
    story.Step("reach_environment", 3, "seconds: 2 nanos: 900000000");
    story.Start("fetch_specs", 4);
    story.Event("source_resolved { commit: '9c0d1f2aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' }");
    story.Event(
        "step_finished { step: 'fetch_specs' state: STEP_STATE_SUCCEEDED wall { nanos: 300000000 } }");
    story.Step("parse_packages", 5, "nanos: 10000000");
    story.Start("translate_packages", 6);
    story.Event("plan_ready { packages: 142 download_bytes: 52000000 }");
    story.Event(
        "step_finished { step: 'translate_packages' state: STEP_STATE_SUCCEEDED wall { seconds: 1 nanos: "
        "900000000 } }");
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
