#include "ci/master/request_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "absl/strings/cord.h"
#include "google/rpc/error_details.pb.h"

namespace rootwright::master {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

v1::SubmitBuildRequest Rootfs() {
  v1::SubmitBuildRequest submit;
  submit.mutable_request()->mutable_target()->set_architecture(v1::ARCHITECTURE_ARM64);
  submit.mutable_request()->mutable_source()->set_url("https://example.org/specs.git");
  submit.mutable_request()->mutable_rootfs();
  return submit;
}

// Fields that are refused after `change`.
std::vector<std::string> Refused(const std::function<void(v1::BuildRequest&)>& change) {
  v1::SubmitBuildRequest submit = Rootfs();
  change(*submit.mutable_request());
  const absl::Status status = CheckRequest(submit);
  std::vector<std::string> fields;
  const auto payload = status.GetPayload(kBadRequestType);
  if (!payload) return fields;
  google::rpc::BadRequest bad;
  EXPECT_TRUE(bad.ParseFromString(std::string(*payload)));
  for (const auto& violation : bad.field_violations()) fields.push_back(violation.field());
  return fields;
}

TEST(RequestCheck, TakesAPlainRequest) {
  EXPECT_TRUE(CheckRequest(Rootfs()).ok());
  EXPECT_THAT(Refused([](v1::BuildRequest&) {}), IsEmpty());
}

TEST(RequestCheck, NamesEveryWrongField) {
  EXPECT_THAT(Refused([](v1::BuildRequest& request) {
                request.clear_target();
                request.clear_source();
                request.set_priority(-101);
              }),
              ElementsAre("request.target.architecture", "request.source", "request.priority"));
}

TEST(RequestCheck, TakesTheUsualAbiOnly) {
  EXPECT_THAT(Refused([](v1::BuildRequest& request) { request.mutable_target()->set_abi("ilp32"); }),
              ElementsAre("request.target.abi"));
  v1::SubmitBuildRequest usual = Rootfs();
  usual.mutable_request()->mutable_target()->set_abi("lp64");
  EXPECT_TRUE(CheckRequest(usual).ok());
}

TEST(RequestCheck, RefusesPathsThatLeaveTheRepository) {
  for (const char* path : {"../etc", "a/../../b", "/etc"}) {
    EXPECT_THAT(Refused([&](v1::BuildRequest& request) { request.mutable_source()->set_path(path); }),
                ElementsAre("request.source.path"))
        << path;
  }
}

TEST(RequestCheck, RefusesWhatGitWouldTakeForAnOption) {
  EXPECT_THAT(Refused([](v1::BuildRequest& request) {
                request.mutable_source()->set_url("--upload-pack=x");
                request.mutable_source()->set_ref("-x");
              }),
              ElementsAre("request.source.url", "request.source.ref"));
}

TEST(RequestCheck, KeepsLimitsWithinTheirRanges) {
  EXPECT_THAT(Refused([](v1::BuildRequest& request) {
                request.mutable_limits()->mutable_wall()->set_seconds(7 * 24 * 3600 + 1);
                request.mutable_limits()->set_memory_bytes(1);
                request.mutable_limits()->set_vcpus(-1);
              }),
              ElementsAre("request.limits.wall", "request.limits.memory_bytes", "request.limits.vcpus"));
}

TEST(RequestCheck, RefusesAFormatTwice) {
  EXPECT_THAT(Refused([](v1::BuildRequest& request) {
                request.add_outputs(v1::OUTPUT_FORMAT_TAR);
                request.add_outputs(v1::OUTPUT_FORMAT_TAR);
              }),
              ElementsAre("request.outputs[1]"));
}

TEST(RequestCheck, RefusesCollectedFilesThatCanBeNoArtifacts) {
  EXPECT_THAT(
      Refused([](v1::BuildRequest& request) {
        request.mutable_command()->add_argv("true");
        for (const char* path : {"out/a.txt", ".config", "my file", "other/a.txt"})
          request.mutable_command()->add_collect(path);
      }),
      ElementsAre("request.command.collect[1]", "request.command.collect[2]", "request.command.collect[3]"));
}

TEST(RequestCheck, RefusesAnEmptyCommand) {
  EXPECT_THAT(Refused([](v1::BuildRequest& request) { request.mutable_command(); }),
              ElementsAre("request.command.argv"));
}

}  // namespace
}  // namespace rootwright::master
