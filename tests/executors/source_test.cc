#include "executors/source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/file.h"
#include "base/subprocess.h"

namespace rootwright {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class Source : public testing::Test {
 protected:
  Source() : folder_(*ScopedFolder::Create(fs::temp_directory_path(), "source-")) {
    fs::create_directories(origin() / "specs/minimal");
    std::ofstream(origin() / "specs/minimal/configuration.yml") << "first\n";
    Git({"init", "--quiet", "--initial-branch=main"});
    Git({"add", "."});
    Commit("first");
  }

  fs::path origin() const { return folder_.path() / "origin"; }
  fs::path into() const { return folder_.path() / "into"; }

  std::string Git(std::vector<std::string> arguments, std::string input = "") {
    SubprocessSpec spec;
    spec.argv = {"git", "-C", origin().string(), "-c", "user.name=Test", "-c", "user.email=test@example.org"};
    spec.argv.insert(spec.argv.end(), arguments.begin(), arguments.end());
    spec.input = std::move(input);
    const absl::StatusOr<SubprocessResult> result =
        CheckSubprocess(spec, Deadline::In(absl::Seconds(60)), {});
    EXPECT_TRUE(result.ok()) << result.status();
    std::string output = result.ok() ? result->output : "";
    while (!output.empty() && output.back() == '\n') output.pop_back();
    return output;
  }
  void Commit(const std::string& message) {
    Git({"commit", "--quiet", "--allow-empty", "--date=2024-05-06T07:08:09Z", "-m", message});
  }

  absl::StatusOr<FetchedSource> Fetch(const GitSource& source) {
    return FetchSource(source, into(), [](OutputStream, absl::string_view) {},
                       Deadline::In(absl::Seconds(60)), {});
  }
  std::string Error(const GitSource& source, absl::StatusCode code) {
    const absl::StatusOr<FetchedSource> fetched = Fetch(source);
    EXPECT_EQ(fetched.status().code(), code) << fetched.status();
    return std::string(fetched.status().message());
  }

  ScopedFolder folder_;
};

TEST_F(Source, HeadOfAPathIsFetchedAndPinned) {
  const absl::StatusOr<FetchedSource> fetched = Fetch({origin().string(), "", "specs/minimal"});
  ASSERT_TRUE(fetched.ok()) << fetched.status();
  EXPECT_EQ(fetched->commit, Git({"rev-parse", "HEAD"}));
  EXPECT_EQ(fetched->folder, into() / "specs/minimal");
  EXPECT_EQ(*ReadFile(fetched->folder / "configuration.yml"), "first\n");
  EXPECT_GT(fetched->commit_time, absl::FromUnixSeconds(1600000000));
}

TEST_F(Source, BranchAndTagAreFetchedByName) {
  const std::string first = Git({"rev-parse", "HEAD"});
  Git({"tag", "-a", "v1", "-m", "one"});
  Commit("second");
  const absl::StatusOr<FetchedSource> tag = Fetch({"file://" + origin().string(), "v1", ""});
  ASSERT_TRUE(tag.ok()) << tag.status();
  EXPECT_EQ(tag->commit, first);
  fs::remove_all(into());
  const absl::StatusOr<FetchedSource> branch = Fetch({"file://" + origin().string(), "main", ""});
  ASSERT_TRUE(branch.ok()) << branch.status();
  EXPECT_EQ(branch->commit, Git({"rev-parse", "main"}));
}

TEST_F(Source, HistoryIsLeftBehind) {
  Commit("second");
  ASSERT_TRUE(Fetch({"file://" + origin().string(), "", ""}).ok());
  EXPECT_TRUE(fs::exists(into() / ".git/shallow"));
}

TEST_F(Source, CommitThatTheServerRefusesComesThroughItsBranches) {
  const std::string first = Git({"rev-parse", "HEAD"});
  Commit("second");
  // With protocol 0 a server insists on what it advertises.
  std::ofstream(folder_.path() / ".gitconfig") << "[protocol]\n\tversion = 0\n";
  const std::string home = getenv("HOME") != nullptr ? getenv("HOME") : "/";
  setenv("HOME", folder_.path().c_str(), 1);
  const absl::StatusOr<FetchedSource> fetched = Fetch({"file://" + origin().string(), first, ""});
  setenv("HOME", home.c_str(), 1);
  ASSERT_TRUE(fetched.ok()) << fetched.status();
  EXPECT_EQ(fetched->commit, first);
  EXPECT_FALSE(fs::exists(into() / ".git/shallow")) << "the fallback was not needed";
}

TEST_F(Source, UnknownCommitIsNotFound) {
  EXPECT_THAT(Error({origin().string(), std::string(40, 'a'), ""}, absl::StatusCode::kNotFound),
              HasSubstr("no such commit: 'aaaa"));
}

TEST_F(Source, MissingRepositoryRefAndPathAreNamed) {
  EXPECT_THAT(Error({(folder_.path() / "nowhere").string(), "", ""}, absl::StatusCode::kNotFound),
              HasSubstr("nowhere: no such repository"));
  EXPECT_THAT(Error({origin().string(), "nobranch", ""}, absl::StatusCode::kNotFound),
              HasSubstr("no such branch, tag or commit: 'nobranch'"));
  EXPECT_THAT(Error({origin().string(), "", "specs/other"}, absl::StatusCode::kNotFound),
              HasSubstr("no such folder: 'specs/other'"));
}

TEST_F(Source, EmptyRepositoryIsNamed) {
  fs::remove_all(origin());
  fs::create_directories(origin());
  Git({"init", "--quiet"});
  EXPECT_THAT(Error({origin().string(), "", ""}, absl::StatusCode::kNotFound), HasSubstr("is empty"));
}

TEST_F(Source, UnreachableServerIsUnavailable) {
  Error({"http://127.0.0.1:1/x.git", "", ""}, absl::StatusCode::kUnavailable);
}

TEST_F(Source, TransportsThatRunProgramsAreRefused) {
  const fs::path trace = folder_.path() / "ran";
  Error({"ext::touch " + trace.string(), "", ""}, absl::StatusCode::kInvalidArgument);
  EXPECT_FALSE(fs::exists(trace));
  Error({"--upload-pack=touch", "", ""}, absl::StatusCode::kInvalidArgument);
  Error({origin().string(), "--upload-pack=x", ""}, absl::StatusCode::kInvalidArgument);
  Error({origin().string(), "main:refs/heads/x", ""}, absl::StatusCode::kInvalidArgument);
}

TEST_F(Source, PathThroughALinkIsRefused) {
  fs::create_directory_symlink("/etc", origin() / "specs/out");
  Git({"add", "."});
  Commit("link");
  EXPECT_THAT(Error({origin().string(), "", "specs/out"}, absl::StatusCode::kInvalidArgument),
              HasSubstr("link"));
  fs::remove_all(into());
  EXPECT_THAT(Error({origin().string(), "", "../origin"}, absl::StatusCode::kInvalidArgument),
              HasSubstr("../origin"));
}

TEST_F(Source, TreeEntryThatLeavesTheRootIsRefused) {
  const std::string blob = Git({"hash-object", "-w", "--stdin"}, "evil\n");
  std::string raw = "100644 ../evil";
  raw.push_back('\0');
  for (size_t i = 0; i < blob.size(); i += 2)
    raw.push_back(static_cast<char>(std::stoi(blob.substr(i, 2), nullptr, 16)));
  const std::string tree = Git({"hash-object", "-w", "-t", "tree", "--literally", "--stdin"}, raw);
  Git({"update-ref", "refs/heads/evil", Git({"commit-tree", tree, "-m", "evil"})});
  EXPECT_THAT(Error({origin().string(), "evil", ""}, absl::StatusCode::kInvalidArgument),
              HasSubstr("../evil"));
  EXPECT_FALSE(fs::exists(folder_.path() / "evil"));
}

TEST_F(Source, HooksOfTheHostsTemplateDoNotRun) {
  ASSERT_TRUE(Fetch({origin().string(), "", ""}).ok());
  EXPECT_FALSE(fs::exists(into() / ".git/hooks"));
}

TEST_F(Source, StopsWhenAsked) {
  std::stop_source stop;
  stop.request_stop();
  const absl::StatusOr<FetchedSource> fetched = FetchSource(
      {origin().string(), "", ""}, into(), [](OutputStream, absl::string_view) {}, Deadline::Never(),
      stop.get_token());
  EXPECT_TRUE(absl::IsCancelled(fetched.status())) << fetched.status();
}

}  // namespace
}  // namespace rootwright
