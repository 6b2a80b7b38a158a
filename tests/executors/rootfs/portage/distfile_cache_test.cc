#include "executors/rootfs/portage/distfile_cache.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <thread>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/sha256.h"
#include "base/unique_fd.h"

namespace rootwright {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// Serves the files of a folder on a free port, ranges too unless the path begins with /whole/; each request's
// path and range go to the file "requests".
constexpr char kServer[] = R"(
import http.server, os, pathlib, re, sys
folder = pathlib.Path(sys.argv[1])
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        with (folder / "requests").open("a") as log:
            log.write(f"{self.path} {self.headers.get('Range', '')}\n")
        name = pathlib.Path(self.path).name
        if not (folder / name).exists():
            return self.send_error(404)
        data = (folder / name).read_bytes()
        start = re.match(r"bytes=(\d+)-", self.headers.get("Range", ""))
        ranged = start and not self.path.startswith("/whole/")
        body = data[int(start[1]):] if ranged else data
        self.send_response(206 if ranged else 200)
        if ranged:
            self.send_header("Content-Range", f"bytes {start[1]}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_):
        pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
)";

class DistfileCacheTest : public testing::Test {
 protected:
  void SetUp() override {
    absl::StatusOr<ScopedFolder> folder = ScopedFolder::Create(fs::temp_directory_path(), "distfiles-");
    ASSERT_TRUE(folder.ok());
    folder_.emplace(*std::move(folder));
    fs::create_directory(folder_->path() / "served");
    ASSERT_TRUE(WriteFileAtomically(folder_->path() / "server.py", kServer).ok());
    StartServer();
    content_ = std::string(100000, 'x') + "the end";
    ASSERT_TRUE(WriteFileAtomically(Served("a.tar.gz"), content_).ok());
    file_ = {"a-1.tar.gz",
             "dev-libs/a-1",
             {Url("a.tar.gz")},
             static_cast<int64_t>(content_.size()),
             {{"SHA256", Sha256::Of(content_)}},
             false};
  }

  void TearDown() override {
    if (server_ <= 0) return;
    kill(server_, SIGKILL);
    waitpid(server_, nullptr, 0);
  }

  void StartServer() {
    int out[2];
    ASSERT_EQ(pipe2(out, O_CLOEXEC), 0);
    const std::string script = folder_->path() / "server.py";
    const std::string served = folder_->path() / "served";
    server_ = fork();
    if (server_ == 0) {
      dup2(out[1], STDOUT_FILENO);
      execlp("python3", "python3", script.c_str(), served.c_str(), nullptr);
      _exit(127);
    }
    close(out[1]);
    const UniqueFd reader(out[0]);
    std::string text;
    for (char c = 0; c != '\n'; text.push_back(c))
      ASSERT_EQ(read(reader.get(), &c, 1), 1) << "python3 does not serve";
    port_ = atoi(text.c_str());
  }

  fs::path Served(const std::string& name) const { return folder_->path() / "served" / name; }
  std::string Url(const std::string& path) const {
    return absl::StrCat("http://127.0.0.1:", port_, "/", path);
  }
  fs::path CacheFolder() const { return folder_->path() / "cache"; }
  fs::path Partial() const {
    return CacheFolder() / "partial" / absl::StrCat("sha256-", file_.digests.at("SHA256"));
  }
  std::string Requests() const {
    const absl::StatusOr<std::string> log = ReadFile(Served("requests"));
    return log.ok() ? *log : "";
  }
  absl::StatusOr<fs::path> Get(std::stop_token stop = {}) const {
    return DistfileCache(CacheFolder()).Get(file_, nullptr, Deadline::In(absl::Seconds(60)), std::move(stop));
  }
  void LeavePartial(absl::string_view content) const {
    ASSERT_TRUE(MakeFolders(Partial().parent_path()).ok());
    ASSERT_TRUE(WriteFileAtomically(Partial(), content).ok());
  }

  std::optional<ScopedFolder> folder_;
  pid_t server_ = -1;
  int port_ = 0;
  std::string content_;
  Distfile file_;
};

TEST_F(DistfileCacheTest, FetchesOnceAndChecks) {
  int64_t bytes = 0;
  const absl::StatusOr<fs::path> path =
      DistfileCache(CacheFolder())
          .Get(file_, [&](int64_t so_far) { bytes = so_far; }, Deadline::In(absl::Seconds(60)), {});
  ASSERT_TRUE(path.ok()) << path.status();
  EXPECT_EQ(*ReadFile(*path), content_);
  EXPECT_EQ(bytes, file_.size_bytes);
  struct stat info {};
  ASSERT_EQ(stat(path->c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0444U);
  ASSERT_TRUE(Get().ok());
  EXPECT_EQ(Requests(), "/a.tar.gz \n");
}

TEST_F(DistfileCacheTest, GoesOnWhereAnEarlierAttemptEnded) {
  LeavePartial(content_.substr(0, 60000));
  const absl::StatusOr<fs::path> path = Get();
  ASSERT_TRUE(path.ok()) << path.status();
  EXPECT_EQ(*ReadFile(*path), content_);
  EXPECT_EQ(Requests(), "/a.tar.gz bytes=60000-\n");
}

TEST_F(DistfileCacheTest, BeginsAnewWhereAServerCannotResume) {
  file_.urls = {Url("whole/a.tar.gz")};
  LeavePartial(content_.substr(0, 60000));
  const absl::StatusOr<fs::path> path = Get();
  ASSERT_TRUE(path.ok()) << path.status();
  EXPECT_EQ(*ReadFile(*path), content_);
}

TEST_F(DistfileCacheTest, WhatIsWholeAlreadyIsOnlyChecked) {
  LeavePartial(content_);
  ASSERT_TRUE(Get().ok());
  EXPECT_THAT(Requests(), IsEmpty());
}

TEST_F(DistfileCacheTest, AWrongFileIsRefusedWithHostDigestsAndAddress) {
  std::string other = content_;
  other.back() = '!';
  ASSERT_TRUE(WriteFileAtomically(Served("a.tar.gz"), other).ok());
  const absl::Status status = Get().status();
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("dev-libs/a-1: a-1.tar.gz"), HasSubstr("127.0.0.1: http://127.0.0.1:"),
                    HasSubstr(Sha256::Of(other)), HasSubstr(Sha256::Of(content_))));
  EXPECT_FALSE(fs::exists(Partial()));
}

TEST_F(DistfileCacheTest, AWrongFileOfOneHostIsTakenFromTheNext) {
  ASSERT_TRUE(WriteFileAtomically(Served("bad.tar.gz"), std::string(content_.size(), '?')).ok());
  file_.urls = {Url("missing.tar.gz"), Url("bad.tar.gz"), Url("a.tar.gz")};
  const absl::StatusOr<fs::path> path = Get();
  ASSERT_TRUE(path.ok()) << path.status();
  EXPECT_EQ(*ReadFile(*path), content_);
}

TEST_F(DistfileCacheTest, ALongerFileIsNotTakenWhole) {
  ASSERT_TRUE(WriteFileAtomically(Served("a.tar.gz"), std::string(50 << 20, 'x')).ok());
  const absl::Status status = Get().status();
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("more than the 100007 bytes"));
  EXPECT_LE(fs::file_size(Partial()), content_.size());
}

TEST_F(DistfileCacheTest, NobodyHasIt) {
  file_.urls = {Url("missing.tar.gz"), Url("also/missing.tar.gz")};
  const absl::Status status = Get().status();
  EXPECT_TRUE(absl::IsNotFound(status)) << status;
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("404"), HasSubstr("/also/missing.tar.gz"),
                    HasSubstr("; the Manifest says SHA256 " + Sha256::Of(content_))));
}

TEST_F(DistfileCacheTest, AHostThatDoesNotAnswerIsNamed) {
  file_.urls = {"http://127.0.0.1:1/a.tar.gz"};
  const absl::Status status = Get().status();
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("127.0.0.1: http://127.0.0.1:1/a.tar.gz: "));
}

TEST_F(DistfileCacheTest, AFileThatTheDiskSpoiltIsFetchedAnew) {
  const absl::StatusOr<fs::path> path = Get();
  ASSERT_TRUE(path.ok());
  fs::permissions(*path, fs::perms::owner_all);
  std::ofstream(*path, std::ios::in | std::ios::binary) << "spoilt";
  ASSERT_TRUE(Get().ok());
  EXPECT_EQ(*ReadFile(*path), content_);
}

TEST_F(DistfileCacheTest, TwoBuildsAtOnceFetchOnce) {
  std::vector<absl::Status> ended(4);
  std::vector<std::thread> threads;
  for (absl::Status& status : ended) threads.emplace_back([&status, this] { status = Get().status(); });
  for (std::thread& thread : threads) thread.join();
  for (const absl::Status& status : ended) EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(Requests(), "/a.tar.gz \n");
}

TEST_F(DistfileCacheTest, AStopEndsIt) {
  std::stop_source stop;
  stop.request_stop();
  EXPECT_TRUE(absl::IsCancelled(Get(stop.get_token()).status()));
}

TEST_F(DistfileCacheTest, ADistdirHoldsFilesUnderTheirNames) {
  const fs::path distdir = folder_->path() / "distdir";
  const DistfileCache cache(CacheFolder());
  for (int i = 0; i < 2; ++i) {
    const absl::Status made =
        cache.MakeDistdir({file_}, distdir, nullptr, Deadline::In(absl::Seconds(60)), {});
    ASSERT_TRUE(made.ok()) << made;
  }
  EXPECT_EQ(*ReadFile(distdir / "a-1.tar.gz"), content_);
}

TEST(Distfile, WhatCannotBeTrustedIsRefusedWithItsReason) {
  const Distfile good = {
      "a.tgz", "d/a-1", {"https://a.example/a.tgz"}, 5, {{"SHA512", std::string(128, 'a')}}, false};
  EXPECT_TRUE(CheckDistfile(good).ok());
  const std::vector<std::pair<void (*)(Distfile&), const char*>> cases = {
      {[](Distfile& f) { f.name = "../a"; }, "no file name"},
      {[](Distfile& f) { f.name = ".."; }, "no file name"},
      {[](Distfile& f) { f.name = ""; }, "no file name"},
      {[](Distfile& f) { f.size_bytes = -1; }, "size"},
      {[](Distfile& f) { f.digests.clear(); }, "no digest of it"},
      {[](Distfile& f) { f.digests["SHA512"] = "../../etc"; }, "SHA512"},
      {[](Distfile& f) { f.digests["MD5"] = std::string(32, 'a'); }, "MD5"},
      {[](Distfile& f) { f.urls.clear(); }, "where"},
      {[](Distfile& f) { f.urls = {"file:///etc/shadow"}; }, "no http"},
      {[](Distfile& f) { f.urls = {"http:///x"}; }, "no http"},
      {[](Distfile& f) { f.urls = {"http://a b/"}; }, "no http"},
      {[](Distfile& f) { f.restricted = true; }, "RESTRICT=fetch"}};
  for (const auto& [spoil, why] : cases) {
    Distfile file = good;
    spoil(file);
    const absl::Status status = CheckDistfile(file);
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << why;
    EXPECT_THAT(std::string(status.message()), AllOf(HasSubstr("d/a-1"), HasSubstr(why)));
  }
}

TEST(Distfile, TheHostOfAnAddress) {
  EXPECT_EQ(HostOfUrl("http://deb.debian.org/debian/x"), "deb.debian.org");
  EXPECT_EQ(HostOfUrl("https://user:pw@a.example:8080?x"), "a.example");
  EXPECT_EQ(HostOfUrl("ftp://[::1]:21/x"), "[::1]");
  EXPECT_EQ(HostOfUrl("nothing"), "");
}

}  // namespace
}  // namespace rootwright
