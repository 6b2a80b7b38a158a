#include "ci/cli/report.h"

#include "tests/ci/cli/golden.h"

namespace rootwright::cli {
namespace {

constexpr const char* kBuild =
    "id: '7f3a0000' state: BUILD_STATE_FINISHED agent: 'builder-1' attempt: 1 "
    "request { rootfs {} target { architecture: ARCHITECTURE_ARM64 cpu_model: 'cortex-a57' } source { url: "
    "'/srv/arm64-minimal' } } "
    "submitted_at { seconds: 1000000000 } started_at { seconds: 1000000001 } finished_at { seconds: "
    "1000000095 } "
    "commit: '9c0d1f2aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' ";
constexpr const char* kSucceeded =
    "outcome: OUTCOME_SUCCEEDED "
    "steps { name: 'prepare_image' state: STEP_STATE_SUCCEEDED wall { nanos: 100000000 } } "
    "steps { name: 'install_packages' state: STEP_STATE_SUCCEEDED wall { seconds: 80 } cpu { seconds: 72 } "
    "peak_memory_bytes: 641728512 log_bytes: 20480 } "
    "artifacts { name: 'rootfs.tar.zst' size_bytes: 50436505 sha256: "
    "'91c2aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' media_type: 'application/zstd' } "
    "artifacts { name: 'manifest.json' size_bytes: 9600 sha256: "
    "'aa07aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' media_type: 'application/json' }";
constexpr const char* kFailed =
    "outcome: OUTCOME_FAILED reason: 'app-misc/greeter-2.0 did not compile (exit 1)' "
    "steps { name: 'install_packages' state: STEP_STATE_FAILED wall { seconds: 80 } exit_code: 1 reason: "
    "'app-misc/greeter-2.0 did not compile (exit 1)' }";

std::string Text(const std::vector<Line>& lines) { return Render(lines, Colour::kOff); }
v1::Build Make(const char* rest) { return Parse<v1::Build>(std::string(kBuild) + rest); }

TEST(EndingLines, NameEachArtifactOfGoodBuild) {
  ExpectGolden(
      "ending_good.txt",
      Text(EndingLines({Make(kSucceeded), {}, {{"rootfs.tar.zst", "./out/7f3a0000/rootfs.tar.zst"}}})));
}

TEST(EndingLines, GiveReasonThenTailThenWhereToLook) {
  ExpectGolden("ending_failed.txt",
               Text(EndingLines({Make(kFailed), {"greeter.c:14:5: error: implicit declaration"}, {}})));
}

TEST(EndingLines, NameHostOfInfrastructureError) {
  ExpectGolden("ending_infrastructure.txt",
               Text(EndingLines({Make("outcome: OUTCOME_INFRASTRUCTURE_ERROR infrastructure_error { message: "
                                      "'boot: guest: kernel panic' "
                                      "detail: 'console 1\\nconsole 2\\n' }"),
                                 {},
                                 {}})));
}

TEST(EndingLines, TellCancelledFromTimedOut) {
  ExpectGolden("ending_others.txt",
               Text(EndingLines({Make("outcome: OUTCOME_CANCELLED reason: 'wrong branch'"), {}, {}})) +
                   Text(EndingLines({Make("outcome: OUTCOME_TIMED_OUT reason: 'wall limit: 2 h'"), {}, {}})));
}

TEST(BuildLines, ShowStepsTimesMemoryAndArtifacts) {
  ExpectGolden("show.txt",
               Text(BuildLines(Make(kSucceeded), absl::FromUnixSeconds(1000000200), absl::UTCTimeZone())));
}

TEST(Tables, AlignTheirColumns) {
  const absl::Time now = absl::FromUnixSeconds(1000000200);
  const auto agent = Parse<v1::Agent>(
      "name: 'builder-1' state: AGENT_STATE_READY version: '0.1.0' free_slots: 1 build_ids: '7f3a0000' "
      "last_heard_at { seconds: 1000000198 } "
      "capabilities { slots: 2 cpus: 2 memory_bytes: 25769803776 disk_bytes: 107374182400 labels { key: "
      "'rack' value: 'a' } "
      "targets { architecture: ARCHITECTURE_ARM64 isolation: ISOLATION_MACHINE } "
      "targets { architecture: ARCHITECTURE_AMD64 isolation: ISOLATION_CONTAINER accelerated: true } }");
  const v1::Build build = Make(kSucceeded);
  ExpectGolden("tables.txt", Text(BuildTable({build, Make(kFailed)}, now, absl::UTCTimeZone())) +
                                 Text(ArtifactTable({build.artifacts().begin(), build.artifacts().end()})) +
                                 Text(AgentTable({agent}, now, absl::UTCTimeZone())) +
                                 Text(AgentLines(agent, absl::UTCTimeZone())));
}

TEST(Images, ShowWhereTheyComeFromAndWhatWasLeftOut) {
  v1::Image imported;
  imported.set_name("stage3-amd64");
  imported.set_architecture(v1::ARCHITECTURE_AMD64);
  imported.set_digest(std::string(64, 'a'));
  imported.set_origin(v1::IMAGE_ORIGIN_IMPORTED);
  imported.set_size_bytes(int64_t{1300} << 20);
  imported.mutable_made_at()->set_seconds(1'800'000'000);
  (*imported.mutable_facts())["verified"] = "signature by key 13EB…\033[2J";
  imported.add_notes("4 device nodes left out: an environment has a /dev of its own");
  v1::Image made = imported;
  made.set_name("portage-arm64");
  made.set_architecture(v1::ARCHITECTURE_ARM64);
  made.set_origin(v1::IMAGE_ORIGIN_MADE);
  made.set_in_use(true);
  ExpectGolden("images.txt", Text(ImageTable({made, imported}, absl::UTCTimeZone())) + "\n" +
                                 Text(ImportedLines(imported)));
}

TEST(TailOf, KeepsLastLinesAndMakesThemSafe) {
  EXPECT_EQ(TailOf("a\nb\r\n\x1b[31mc\n\n", 2), (std::vector<std::string>{"b", "?[31mc"}));
  EXPECT_TRUE(TailOf("", 5).empty());
}

}  // namespace
}  // namespace rootwright::cli
