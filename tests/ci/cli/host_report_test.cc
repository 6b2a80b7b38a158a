#include "ci/cli/host_report.h"

#include "tests/ci/cli/golden.h"

namespace rootwright::cli {
namespace {

constexpr const char* kReport = R"json({"checks":[
 {"name":"libvirt","result":"ok","finding":"9.0.0 (qemu:///system, lxc:///system)","remedy":""},
 {"name":"KVM","result":"degraded","finding":"a test guest did not boot in 10 s; using emulation","remedy":""},
 {"name":"arm64 machines","result":"failed","finding":"qemu-system-aarch64 is missing","remedy":"apt-get install qemu-system-arm"}],
 "targets":[{"architecture":"amd64","isolation":"container","accelerated":false}]})json";

TEST(HostReport, ShowsEachCheckWithItsRemedy) {
  const auto report = ParseHostReport(kReport);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_FALSE(report->ok());
  ExpectGolden("doctor.txt", Render(HostReportLines(*report), Colour::kOff));
}

TEST(HostReport, RefusesWhatIsNoReport) {
  for (const char* text : {"", "[]", "{}", "{\"checks\":1}", "{\"checks\":[1]}",
                           "{\"checks\":[],\"targets\":{}}", "{\"checks\":["}) {
    EXPECT_EQ(ParseHostReport(text).status().code(), absl::StatusCode::kInternal) << text;
  }
}

TEST(HostReport, IsGoodWhenNothingFailed) {
  const auto report = ParseHostReport(R"({"checks":[{"name":"disk","result":"degraded"}]})");
  ASSERT_TRUE(report.ok());
  EXPECT_TRUE(report->ok());
}

}  // namespace
}  // namespace rootwright::cli
