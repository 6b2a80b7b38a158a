#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/subprocess.h"
#include "executors/environment.h"
#include "tests/executors/file_sink.h"

// What every Environment has to do. An implementation's test instantiates it:
//
//   INSTANTIATE_TEST_SUITE_P(Fake, EnvironmentContract, ::testing::Values(ContractSubject{"fake", make}));
//
// The environment needs a POSIX shell and coreutils in it. Making one may be slow, so tests
// that leave it usable share one, kept in the fixture; instantiate it once a program.
namespace rootwright {

struct ContractSubject {
  std::string name;
  // Made, not reached.
  std::function<absl::StatusOr<std::unique_ptr<Environment>>()> make;
};

inline std::ostream& operator<<(std::ostream& out, const ContractSubject& subject) {
  return out << subject.name;
}

class EnvironmentContract : public ::testing::TestWithParam<ContractSubject> {
 protected:
  // What a command did.
  struct Ran {
    absl::Status status;
    CommandResult result;
    std::string out;
    std::string err;
  };

  static std::unique_ptr<Environment> MakeReached() {
    absl::StatusOr<std::unique_ptr<Environment>> made = GetParam().make();
    EXPECT_TRUE(made.ok()) << made.status();
    if (!made.ok()) return nullptr;
    const absl::Status reached = (*made)->Reach(Soon(), {});
    EXPECT_TRUE(reached.ok()) << reached;
    return reached.ok() ? *std::move(made) : nullptr;
  }

  // Made at its first use.
  static Environment& Shared() {
    if (shared_ == nullptr) shared_ = MakeReached();
    if (shared_ == nullptr) throw std::runtime_error("no environment");
    return *shared_;
  }
  static void TearDownTestSuite() { shared_.reset(); }

  // Generous: only a broken environment ever waits for it.
  static Deadline Soon() { return Deadline::In(absl::Minutes(2)); }

  static EnvironmentCommand Shell(const std::string& script) {
    EnvironmentCommand command;
    command.argv = {"/bin/sh", "-c", script};
    command.variables = {{"PATH", "/usr/sbin:/usr/bin:/sbin:/bin"}};
    return command;
  }

  static Ran Run(Environment& environment, const EnvironmentCommand& command, Deadline deadline = Soon(),
                 std::stop_token stop = {}) {
    Ran ran;
    const absl::StatusOr<CommandResult> result = environment.Run(
        command,
        [&](OutputStream stream, absl::string_view data) {
          (stream == OutputStream::kStdout ? ran.out : ran.err).append(data.data(), data.size());
        },
        deadline, std::move(stop));
    ran.status = result.status();
    if (result.ok()) ran.result = *result;
    return ran;
  }
  static Ran Run(const std::string& script) { return Run(Shared(), Shell(script)); }

  // tar's listing of an archive, with extended attributes.
  static std::string List(const std::filesystem::path& archive) {
    SubprocessSpec tar;
    tar.argv = {"tar", "--xattrs", "--xattrs-include=*", "--numeric-owner", "-tvvf", archive.string()};
    const absl::StatusOr<SubprocessResult> listed = CheckSubprocess(tar, Soon(), {});
    EXPECT_TRUE(listed.ok()) << listed.status();
    return listed.ok() ? listed->output : "";
  }

 private:
  static inline std::unique_ptr<Environment> shared_;
};

TEST_P(EnvironmentContract, RunsAProgramAndKeepsItsStreamsApart) {
  const Ran ran = Run("echo out; echo err >&2");
  ASSERT_TRUE(ran.status.ok()) << ran.status;
  EXPECT_TRUE(ran.result.ok());
  EXPECT_EQ(ran.out, "out\n");
  EXPECT_EQ(ran.err, "err\n");
}

TEST_P(EnvironmentContract, GivesAnExitCodeAndASignalAsData) {
  EXPECT_EQ(Run("exit 7").result.exit_code, 7);
  EXPECT_EQ(Run("kill -KILL $$").result.signal, SIGKILL);
}

TEST_P(EnvironmentContract, AProgramThatIsNotThereIsTheCommandsFailure) {
  EnvironmentCommand command;
  command.argv = {"/no/such/program"};
  const Ran ran = Run(Shared(), command);
  ASSERT_TRUE(ran.status.ok()) << ran.status;
  EXPECT_EQ(ran.result.exit_code, 127);
}

TEST_P(EnvironmentContract, PassesArgumentsInputVariablesAndFolder) {
  EnvironmentCommand command;
  command.argv = {"/bin/sh", "-c", "cat; echo \"$1|$COLOUR|$(pwd)\"", "sh", "a b'c"};
  command.variables = {{"COLOUR", "grün"}, {"PATH", "/usr/bin:/bin"}};
  command.working_directory = "/usr";
  command.input = "typed\n";
  EXPECT_EQ(Run(Shared(), command).out, "typed\na b'c|grün|/usr\n");
}

TEST_P(EnvironmentContract, DeliversMuchOutputWhole) {
  const Ran ran = Run("head -c 3000000 /dev/zero | tr '\\0' x");
  EXPECT_EQ(ran.out.size(), 3000000u);
  EXPECT_EQ(ran.out.find_first_not_of('x'), std::string::npos);
}

TEST_P(EnvironmentContract, MeasuresWhatACommandUsed) {
  const Ran ran = Run("i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done");
  EXPECT_GT(ran.result.cpu, absl::ZeroDuration());
  EXPECT_GE(ran.result.wall, absl::ZeroDuration());
  EXPECT_GT(ran.result.peak_memory_bytes, 0);
}

TEST_P(EnvironmentContract, DeliversOutputAsItComesAndEndsAllProcessesWhenStopped) {
  std::stop_source stop;
  std::string out;
  const absl::StatusOr<CommandResult> result = Shared().Run(
      Shell("sleep 1000 & echo $!; wait"),
      [&](OutputStream, absl::string_view data) {
        out.append(data.data(), data.size());
        if (out.find('\n') != std::string::npos) stop.request_stop();
      },
      Soon(), stop.get_token());
  EXPECT_EQ(result.status().code(), absl::StatusCode::kCancelled) << result.status();
  const std::string pid(absl::StripAsciiWhitespace(out));
  ASSERT_FALSE(pid.empty());
  const Ran after = Run(absl::StrCat("grep -a sleep /proc/", pid, "/cmdline"));
  EXPECT_TRUE(after.status.ok()) << after.status;
  EXPECT_FALSE(after.result.ok()) << "a process outlived its command";
}

TEST_P(EnvironmentContract, EndsACommandAtItsDeadline) {
  const Ran ran = Run(Shared(), Shell("sleep 1000"), Deadline::In(absl::Seconds(1)));
  EXPECT_EQ(ran.status.code(), absl::StatusCode::kDeadlineExceeded) << ran.status;
  EXPECT_EQ(Run("echo still here").out, "still here\n");
}

TEST_P(EnvironmentContract, PutsAndGetsFiles) {
  const std::string content = absl::StrCat(std::string(200000, 'a'), std::string("\0\xff", 2));
  Environment& environment = Shared();
  ASSERT_TRUE(environment.PutFile("/var/tmp/rw/new/file", 0640, content, Soon(), {}).ok());
  EXPECT_EQ(Run("stat -c %a /var/tmp/rw/new/file").out, "640\n");
  std::string got;
  const absl::Status status = environment.GetFile("/var/tmp/rw/new/file", 1 << 20, Into(got), Soon(), {});
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(got, content);
}

TEST_P(EnvironmentContract, SaysWhyAFileCannotBeGot) {
  Environment& environment = Shared();
  std::string got;
  EXPECT_EQ(environment.GetFile("/var/tmp/nothing", 100, Into(got), Soon(), {}).code(),
            absl::StatusCode::kNotFound);
  ASSERT_TRUE(environment.PutFile("/var/tmp/large", 0644, std::string(1000, 'x'), Soon(), {}).ok());
  EXPECT_EQ(environment.GetFile("/var/tmp/large", 100, Into(got), Soon(), {}).code(),
            absl::StatusCode::kResourceExhausted);
}

TEST_P(EnvironmentContract, AFileThatNobodyTakesEndsTheCall) {
  Environment& environment = Shared();
  ASSERT_TRUE(environment.PutFile("/var/tmp/refused", 0644, "x", Soon(), {}).ok());
  const FileSink refuse = [](absl::string_view) {
    return WithFault(absl::ResourceExhaustedError("disk full"), Fault::kHost);
  };
  const absl::Status status = environment.GetFile("/var/tmp/refused", 100, refuse, Soon(), {});
  EXPECT_EQ(status.message(), "disk full");
  EXPECT_EQ(FaultOf(status, Fault::kGuest), Fault::kHost);
  EXPECT_EQ(Run("echo still here").out, "still here\n");
}

TEST_P(EnvironmentContract, TakesATreeInAndItsChangesOut) {
  const absl::StatusOr<ScopedFolder> folder =
      ScopedFolder::Create(std::filesystem::temp_directory_path(), "rootwright-contract-");
  ASSERT_TRUE(folder.ok()) << folder.status();
  const std::filesystem::path tree = folder->path() / "tree";
  for (const char* name : {"bin", "dev", "proc", "sys", "run", "etc", "replaced", "old", "usr", "tmp"}) {
    ASSERT_TRUE(MakeFolders(tree / name).ok());
  }
  // A file of another owner, a link, an attribute; things to remove, replace and change.
  for (const char* name : {"etc/mine", "etc/gone", "etc/changed", "replaced/before", "old/inside"}) {
    ASSERT_TRUE(WriteFileAtomically(tree / name, "before\n", 0644).ok());
  }
  ASSERT_EQ(chown((tree / "etc/mine").c_str(), 1234, 2345), 0);
  ASSERT_EQ(chmod((tree / "etc/mine").c_str(), 04750), 0);
  ASSERT_EQ(symlink("/etc/mine", (tree / "etc/link").c_str()), 0);
  ASSERT_EQ(setxattr((tree / "etc/mine").c_str(), "user.colour", "green", 5, 0), 0);

  const std::unique_ptr<Environment> environment = MakeReached();
  ASSERT_NE(environment, nullptr);
  const OutputSink ignore = [](OutputStream, absl::string_view) {};
  const absl::StatusOr<std::string> target = environment->ImportTree(tree, ignore, Soon(), {});
  ASSERT_TRUE(target.ok()) << target.status();
  const Ran seen = Run(
      *environment,
      Shell(absl::StrCat("cd ", *target, "; stat -c '%u:%g %a' etc/mine; readlink etc/link; cat etc/gone")));
  EXPECT_EQ(seen.out, "1234:2345 4750\n/etc/mine\nbefore\n") << seen.err;
  const Ran changed = Run(
      *environment,
      Shell(absl::StrCat("set -e; cd ", *target,
                         "; rm etc/gone; rm -r replaced old; mkdir replaced; echo x > replaced/after;"
                         "echo after > etc/changed; mkdir new; echo new > new/file; chown 7:8 new/file")));
  ASSERT_TRUE(changed.result.ok()) << changed.status << changed.err;

  const std::filesystem::path archive = folder->path() / "changes.tar";
  const absl::Status exported = environment->ExportChanges(archive, Soon(), {});
  ASSERT_TRUE(exported.ok()) << exported;
  const std::string listing = List(archive);
  using ::testing::ContainsRegex;
  using ::testing::HasSubstr;
  using ::testing::Not;
  EXPECT_THAT(listing, ContainsRegex("c--------- +[0-9]+/[0-9]+ +0,0 [^\n]* \\./etc/gone"));
  EXPECT_THAT(listing, ContainsRegex("c--------- +[0-9]+/[0-9]+ +0,0 [^\n]* \\./old"));
  EXPECT_THAT(listing, ContainsRegex("\\./replaced/\n +x: +1 trusted.overlay.opaque"));
  EXPECT_THAT(listing, HasSubstr("./replaced/after"));
  EXPECT_THAT(listing, ContainsRegex(" 7/8 [^\n]* \\./new/file"));
  EXPECT_THAT(listing, HasSubstr("./etc/changed"));
  EXPECT_THAT(listing, Not(HasSubstr("etc/mine")));
  EXPECT_EQ(*ReadFile(tree / "etc/gone"), "before\n") << "the host's tree was changed";
}

TEST_P(EnvironmentContract, SharesInputsForReadingOnly) {
  const absl::StatusOr<ScopedFolder> folder =
      ScopedFolder::Create(std::filesystem::temp_directory_path(), "rootwright-contract-");
  ASSERT_TRUE(folder.ok()) << folder.status();
  const std::filesystem::path tree = folder->path() / "tree";
  for (const char* name : {"bin", "dev", "proc", "sys", "run", "etc", "usr", "tmp"})
    ASSERT_TRUE(MakeFolders(tree / name).ok());
  for (const char* name : {"one", "two"}) {
    ASSERT_TRUE(MakeFolders(folder->path() / name / "below").ok());
    ASSERT_TRUE(WriteFileAtomically(folder->path() / name / "below/file", name, 0640).ok());
  }
  const std::unique_ptr<Environment> environment = MakeReached();
  ASSERT_NE(environment, nullptr);
  const OutputSink ignore = [](OutputStream, absl::string_view) {};
  const absl::StatusOr<std::string> target = environment->ImportTree(tree, ignore, Soon(), {});
  ASSERT_TRUE(target.ok()) << target.status();
  // One in the imported tree at a place that is not there, one outside of it.
  const std::string inside = absl::StrCat(*target, "/var/db/inputs");
  absl::Status shared = environment->ShareInputs(folder->path() / "one", inside, Soon(), {});
  ASSERT_TRUE(shared.ok()) << shared;
  shared = environment->ShareInputs(folder->path() / "two", "/var/tmp/inputs", Soon(), {});
  ASSERT_TRUE(shared.ok()) << shared;
  const Ran seen = Run(*environment, Shell(absl::StrCat("cd ", inside,
                                                        "; stat -c '%u:%g %a' below/file; cat below/file;"
                                                        "cat /var/tmp/inputs/below/file")));
  EXPECT_EQ(seen.out, "0:0 640\nonetwo") << seen.err;
  const Ran written = Run(*environment, Shell(absl::StrCat("echo x >", inside, "/below/file")));
  EXPECT_FALSE(written.result.ok());
  EXPECT_EQ(*ReadFile(folder->path() / "one/below/file"), "one");
  // They are no changes of the tree.
  const std::filesystem::path archive = folder->path() / "changes.tar";
  const absl::Status exported = environment->ExportChanges(archive, Soon(), {});
  ASSERT_TRUE(exported.ok()) << exported;
  EXPECT_THAT(List(archive), ::testing::Not(::testing::HasSubstr("below")));
}

TEST_P(EnvironmentContract, CountsItsCpuTime) {
  const absl::StatusOr<absl::Duration> before = Shared().CpuTime();
  ASSERT_TRUE(before.ok()) << before.status();
  Run("i=0; while [ $i -lt 50000 ]; do i=$((i+1)); done");
  EXPECT_GT(*Shared().CpuTime(), *before);
}

TEST_P(EnvironmentContract, EndsMoreThanOnceAndTakesNoCallsThen) {
  const std::unique_ptr<Environment> environment = MakeReached();
  ASSERT_NE(environment, nullptr);
  EXPECT_TRUE(environment->End(absl::Seconds(30)).ok());
  EXPECT_TRUE(environment->End(absl::ZeroDuration()).ok());
  EXPECT_FALSE(Run(*environment, Shell("true")).status.ok());
}

TEST_P(EnvironmentContract, EndsWithoutHavingBeenReached) {
  absl::StatusOr<std::unique_ptr<Environment>> made = GetParam().make();
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_TRUE((*made)->End(absl::Seconds(5)).ok());
}

TEST_P(EnvironmentContract, KillFromAnotherThreadEndsAWaitingCall) {
  const std::unique_ptr<Environment> environment = MakeReached();
  ASSERT_NE(environment, nullptr);
  std::jthread killer;
  const absl::StatusOr<CommandResult> result =
      environment->Run(Shell("echo ready; sleep 1000"),
                       [&](OutputStream, absl::string_view) {
                         if (!killer.joinable()) killer = std::jthread([&] { environment->Kill(); });
                       },
                       Soon(), {});
  EXPECT_EQ(result.status().code(), absl::StatusCode::kUnavailable) << result.status();
  killer.join();
  EXPECT_TRUE(environment->End(absl::ZeroDuration()).ok());
}

}  // namespace rootwright
