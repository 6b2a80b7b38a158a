#include "executors/rootfs/portage/build_times.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "executors/rootfs/portage/merge_progress.h"

namespace rootwright {
namespace {

class Times : public testing::Test {
 protected:
  Times() : folder_(*ScopedFolder::Create(std::filesystem::temp_directory_path(), "rootwright-test-")) {}

  std::filesystem::path File() const { return folder_.path() / "times"; }
  BuildTimes Read(const std::string& environment = "container") const {
    return BuildTimes(File(), {"amd64", environment});
  }
  void Add(const std::string& cpv, int seconds, bool binary = false) const {
    const absl::Status added =
        Read().Add({{cpv, binary, absl::Seconds(seconds)}}, absl::FromUnixSeconds(100));
    EXPECT_TRUE(added.ok()) << added;
  }
  static EmergePlan Plan(const std::vector<std::string>& cpvs) {
    EmergePlan plan;
    for (const std::string& cpv : cpvs) plan.packages.emplace_back().cpv = cpv;
    return plan;
  }

  ScopedFolder folder_;
};

TEST_F(Times, AreKeptByPlaceAndKind) {
  Add("dev-libs/popt-1.19", 40);
  EXPECT_EQ(Read().Of("dev-libs/popt-1.19", false), absl::Seconds(40));
  EXPECT_EQ(Read().Of("dev-libs/popt-1.19", true), std::nullopt);
  EXPECT_EQ(Read("machine").Of("dev-libs/popt-1.19", false), std::nullopt);
  EXPECT_EQ(Read().Of("dev-libs/popt2-1.19", false), std::nullopt);
  Add("dev-libs/popt-1.19", 20);
  EXPECT_EQ(Read().Of("dev-libs/popt-1.19", false), absl::Seconds(30));
}

TEST_F(Times, OfTheNearestVersionCountForOneThatIsNew) {
  Add("dev-libs/popt-1.9", 10);
  Add("dev-libs/popt-1.17-r1", 20);
  Add("dev-libs/popt-2.0", 30);
  EXPECT_EQ(Read().Of("dev-libs/popt-1.18", false), absl::Seconds(20));
  EXPECT_EQ(Read().Of("dev-libs/popt-1.9.3", false), absl::Seconds(10));
  EXPECT_EQ(Read().Of("dev-libs/popt-3", false), absl::Seconds(30));
}

TEST_F(Times, OfTwoBuildsAtOnceAreBothKept) {
  BuildTimes one = Read();
  BuildTimes two = Read();
  EXPECT_TRUE(one.Add({{"a/a-1", false, absl::Seconds(1)}}, absl::UnixEpoch() + absl::Seconds(5)).ok());
  EXPECT_TRUE(two.Add({{"a/b-1", false, absl::Seconds(2)}}, absl::UnixEpoch() + absl::Seconds(5)).ok());
  EXPECT_EQ(Read().Of("a/a-1", false), absl::Seconds(1));
  EXPECT_EQ(Read().Of("a/b-1", false), absl::Seconds(2));
}

TEST_F(Times, ThatCannotBeReadAreNoHistory) {
  std::ofstream(File()) << "amd64 container source a/a 1 nan 5\namd64 container source a/b 1 -3 5\nx\n"
                        << std::string(1000, '\0') << "\namd64 container source a/c 1 3 5\n";
  EXPECT_EQ(Read().Of("a/a-1", false), std::nullopt);
  EXPECT_EQ(Read().Of("a/b-1", false), std::nullopt);
  EXPECT_EQ(Read().Of("a/c-1", false), absl::Seconds(3));
}

TEST_F(Times, StayBoundedTheOldestGo) {
  std::vector<BuildTimes::Took> many;
  for (size_t i = 0; i < BuildTimes::kMostEntries; ++i)
    many.push_back({absl::StrCat("a/p", i, "x-1"), false, absl::Seconds(1)});
  EXPECT_TRUE(Read().Add({{"a/old-1", false, absl::Seconds(1)}}, absl::FromUnixSeconds(10)).ok());
  EXPECT_TRUE(Read().Add(many, absl::FromUnixSeconds(20)).ok());
  EXPECT_EQ(Read().Of("a/old-1", false), std::nullopt);
  EXPECT_EQ(Read().Of("a/p7x-1", false), absl::Seconds(1));
}

TEST_F(Times, SayWhatAPlanStillNeeds) {
  Add("a/a-1", 10);
  Add("a/b-1", 30);
  EXPECT_EQ(EstimateLeft(Plan({"a/a-1", "a/b-1"}), {}, {}, Read()), absl::Seconds(40));
  EXPECT_EQ(EstimateLeft(Plan({"a/a-1", "a/b-1"}), {"a/a-1"}, {{"a/b-1", absl::Seconds(12)}}, Read()),
            absl::Seconds(18));
  // Late already: any moment now.
  EXPECT_EQ(EstimateLeft(Plan({"a/b-1"}), {}, {{"a/b-1", absl::Seconds(50)}}, Read()), absl::ZeroDuration());
  // A stranger counts as the mean.
  EXPECT_EQ(EstimateLeft(Plan({"a/a-1", "a/b-1", "a/c-1"}), {}, {}, Read()), absl::Seconds(60));
  EXPECT_EQ(EstimateLeft(Plan({"a/a-1", "a/c-1", "a/d-1"}), {}, {}, Read()), std::nullopt);
}

TEST_F(Times, AreMeasuredFromEmergesLog) {
  const EmergePlan plan = Plan({"a/a-1", "a/b-1"});
  MergeProgress progress(plan, File(), {"amd64", "container"});
  using Kind = EmergeLogEntry::Kind;
  const auto entry = [](Kind kind, const std::string& cpv) { return EmergeLogEntry{kind, {}, 1, 2, cpv}; };
  const absl::Time start = absl::FromUnixSeconds(1000);
  EXPECT_EQ(progress.Left(start), std::nullopt);
  progress.Take(entry(Kind::kStarted, "a/a-1"), start);
  progress.Take(entry(Kind::kMerging, "a/a-1"), start + absl::Seconds(5));
  progress.Take(entry(Kind::kCompleted, "a/a-1"), start + absl::Seconds(8));
  progress.Take(entry(Kind::kStarted, "a/b-1"), start + absl::Seconds(8));
  progress.Take(entry(Kind::kStarted, "a/stranger-1"), start);
  progress.Take(entry(Kind::kCompleted, "a/stranger-1"), start + absl::Seconds(8));
  EXPECT_TRUE(progress.Remember(start + absl::Seconds(10)).ok());
  EXPECT_EQ(Read().Of("a/a-1", false), absl::Seconds(8));
  // It was not completed, or not planned.
  EXPECT_EQ(Read().Of("a/b-1", false), std::nullopt);
  EXPECT_EQ(Read().Of("a/stranger-1", false), std::nullopt);
  // The next merge knows of one, which stands for both.
  MergeProgress next(plan, File(), {"amd64", "container"});
  next.Take(entry(Kind::kStarted, "a/a-1"), start);
  EXPECT_EQ(next.Left(start + absl::Seconds(3)), absl::Seconds(5 + 8));
}

}  // namespace
}  // namespace rootwright
