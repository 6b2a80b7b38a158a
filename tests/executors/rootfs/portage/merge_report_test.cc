#include "executors/rootfs/portage/merge_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace rootwright {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Kind = EmergeLogEntry::Kind;

// As Portage 3.0.83 wrote it.
constexpr char kSnapshot[] =
    R"({"emerge_pid": 25, "jobs": {"completed": 1, "failed": 0, "max": 1, "merge_wait": 0, "merges_pending": 1, "running": 0, "total": 4}, "schema": 1, "tasks": [{"binary": false, "build_elapsed": 1.6287, "category": "dev-libs", "cpv": "dev-libs/popt-1.19", "elapsed": 2.154573917388916, "kind": "build", "merge_wait": false, "operation": "merge", "pf": "popt-1.19", "phase": "compile", "pid": 3586, "root": "/t3/", "start_time": 1795454593.590842}], "timestamp": 1795454595.745416, "type": "snapshot"})";

template <typename T>
std::vector<T> Only(const std::vector<MergeEvent>& events) {
  std::vector<T> found;
  for (const MergeEvent& event : events)
    if (const T* of_kind = std::get_if<T>(&event)) found.push_back(*of_kind);
  return found;
}

TEST(MergeReport, ReadsASnapshotInAnyPieces) {
  const std::string line = std::string(kSnapshot) + "\n";
  for (size_t cut : {size_t{0}, size_t{1}, line.size() / 2, line.size() - 1}) {
    MergeReport report;
    std::vector<MergeEvent> events = report.Append(absl::string_view(line).substr(0, cut));
    EXPECT_THAT(events, IsEmpty());
    events = report.Append(absl::string_view(line).substr(cut));
    const std::vector<EmergeSnapshot> snapshots = Only<EmergeSnapshot>(events);
    ASSERT_THAT(snapshots, SizeIs(1));
    EXPECT_EQ(snapshots[0].completed, 1);
    EXPECT_EQ(snapshots[0].total, 4);
    EXPECT_EQ(absl::ToUnixMillis(snapshots[0].at), 1795454595745);
    ASSERT_THAT(snapshots[0].tasks, SizeIs(1));
    EXPECT_EQ(snapshots[0].tasks[0].cpv, "dev-libs/popt-1.19");
    EXPECT_EQ(snapshots[0].tasks[0].elapsed, absl::Milliseconds(2154));
    EXPECT_EQ(PhaseInWords(snapshots[0].tasks[0]), "compiling");
  }
}

TEST(MergeReport, ATaskHasAPhaseInWords) {
  EmergeTask task;
  EXPECT_EQ(PhaseInWords(task), "starting");
  task.phase = "merge-wait";
  task.merging = true;
  EXPECT_EQ(PhaseInWords(task), "waiting to merge");
  task.phase = "install";
  EXPECT_EQ(PhaseInWords(task), "merging");
  task.merging = false;
  EXPECT_EQ(PhaseInWords(task), "installing");
  task.phase = "polish";
  EXPECT_EQ(PhaseInWords(task), "polish");
}

TEST(MergeReport, ReadsLogLinesFailuresAndTheEnd) {
  MergeReport report;
  const std::vector<MergeEvent> events = report.Append(
      R"({"type": "log", "text": "1795454861:  >>> AUTOCLEAN: app-misc/hello:0"}
{"type": "log", "text": "1795454861:  ::: completed emerge (4 of 6) app-misc/hello-2.10 to /t4/"}
{"type": "failure", "cpv": "a/b-1", "phase": "compile", "message": "emake failed", "tail": ["one", "x.c:1:2: error: no", "make: *** Error 1"], "log": "/l"}
{"type": "end", "exit": 1}
)");
  const std::vector<EmergeLogEntry> log = Only<EmergeLogEntry>(events);
  ASSERT_THAT(log, SizeIs(1));
  EXPECT_EQ(log[0].kind, Kind::kCompleted);
  EXPECT_EQ(log[0].number, 4);
  EXPECT_EQ(log[0].total, 6);
  const std::vector<MergeFailure> failures = Only<MergeFailure>(events);
  ASSERT_THAT(failures, SizeIs(1));
  EXPECT_EQ(DescribeFailure(failures[0]), "a/b-1 did not compile: emake failed: x.c:1:2: error: no");
  EXPECT_EQ(Only<MergeEnd>(events)[0].exit_code, 1);
}

TEST(MergeReport, DescribesAFailureWithTheLittleThatIsKnown) {
  EXPECT_EQ(DescribeFailure({"a/b-1", "", "", {}, ""}), "a/b-1 failed");
  EXPECT_EQ(DescribeFailure({"a/b-1", "depend", "", {"last"}, ""}), "a/b-1 failed in its depend phase: last");
  EXPECT_EQ(DescribeFailure({"a/b-1", "postinst", "no board", {}, ""}),
            "a/b-1 was merged, but its pkg_postinst failed: no board");
}

TEST(MergeReport, NonsenseIsLeftOut) {
  MergeReport report;
  EXPECT_THAT(report.Append("\n\nx\n[]\n{}\n{\"type\": 1}\n{\"type\": \"log\"}\n"), IsEmpty());
  EXPECT_THAT(report.Append(std::string(5 << 20, '{')), IsEmpty());
  EXPECT_THAT(report.Append("\n{\"type\": \"end\"}\n"), SizeIs(1));
}

TEST(MergeReport, FiguresAreKeptInBounds) {
  const nlohmann::json line = nlohmann::json::parse(
      R"({"type": "snapshot", "timestamp": 1e300, "jobs": {"completed": -4, "total": 1e30, "failed": 5000000000},
          "tasks": [{"cpv": "a/b-1", "elapsed": 1e308}, {"cpv": "a/c-1", "elapsed": null}, {"phase": "x"}, 7]})");
  const std::optional<EmergeSnapshot> snapshot = ReadSnapshot(line);
  ASSERT_TRUE(snapshot.has_value());
  EXPECT_EQ(snapshot->completed, 0);
  EXPECT_EQ(snapshot->total, 0);
  EXPECT_EQ(snapshot->failed, 1000000);
  ASSERT_THAT(snapshot->tasks, SizeIs(2));
  EXPECT_LT(snapshot->tasks[1].elapsed, absl::ZeroDuration());
}

TEST(EmergeLog, ReadsEachKindOfLine) {
  const std::vector<std::pair<std::string, Kind>> lines = {
      {"1:  >>> emerge (5 of 6) dev-libs/popt-1.19 to /t4/", Kind::kStarted},
      {"1:  === (5 of 6) Compiling/Merging (dev-libs/popt-1.19::/var/x.ebuild)", Kind::kBuilding},
      {"1:  === (5 of 6) Compiling/Packaging (dev-libs/popt-1.19::/var/x.ebuild)", Kind::kBuilding},
      {"1:  === (5 of 6) Merging (dev-libs/popt-1.19::/var/x.ebuild)", Kind::kMerging},
      {"1:  === (5 of 6) Merging Binary (dev-libs/popt-1.19::/var/x.gpkg.tar)", Kind::kMergingBinary},
      {"1:  ::: completed emerge (5 of 6) dev-libs/popt-1.19 to /t4/", Kind::kCompleted}};
  for (const auto& [line, kind] : lines) {
    const std::optional<EmergeLogEntry> entry = ReadEmergeLogLine(line);
    ASSERT_TRUE(entry.has_value()) << line;
    EXPECT_EQ(entry->kind, kind) << line;
    EXPECT_EQ(entry->cpv, "dev-libs/popt-1.19") << line;
    EXPECT_EQ(entry->number, 5);
    EXPECT_EQ(entry->total, 6);
  }
}

TEST(EmergeLog, OtherLinesAreNothing) {
  for (const char* line :
       {"", "x", "1:", "1:  *** terminating.", "1:  >>> emerge (0 of 6) a/b-1 to /",
        "1:  >>> emerge (7 of 6) a/b-1 to /", "1:  >>> emerge (1 of 99999999999999) a/b-1 to /",
        "1:  >>> emerge (1 of 6) nothing to /", "99999999999999999999:  >>> emerge (1 of 6) a/b-1",
        "1:  === (5 of 6) Cleaning (a/b-1::/x)"}) {
    EXPECT_FALSE(ReadEmergeLogLine(line).has_value()) << line;
  }
}

}  // namespace
}  // namespace rootwright
