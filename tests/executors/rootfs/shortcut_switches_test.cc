// Each host shortcut's switch, through whole builds of a small root in which all of them have something to
// do.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "base/file.h"
#include "base/subprocess.h"
#include "executors/rootfs/routine/rootfs_routine_with.h"
#include "executors/rootfs/shortcuts/shortcut.h"
#include "tests/executors/fake_environment.h"
#include "tests/executors/rootfs/apt/fake_debian_root.h"
#include "tests/executors/rootfs/archive_listing.h"
#include "tests/executors/routine_run.h"

namespace rootwright {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAreArray;

constexpr char kConfiguration[] = R"(package_manager: {apt: {suite: bookworm}}
packages: {ca-certificates: {}, libpython3.11-minimal: {}, openssh-server: {}, python3.11-minimal: {}}
)";

class RootWithWork : public FakeDebianRoot {
 public:
  absl::Status Unpack(const AptPlan& plan, const std::vector<fs::path>& debs, const fs::path& tree,
                      const Apt::Progress& progress, Deadline deadline, std::stop_token stop) override {
    RW_RETURN_IF_ERROR(FakeDebianRoot::Unpack(plan, debs, tree, progress, deadline, stop));
    const std::map<std::string, std::string> files = {
        {"var/lib/dpkg/info/ca-certificates.preinst", "#!/bin/sh\nset -e\nexit 0\n"},
        {"var/lib/dpkg/info/libpython3.11-minimal:all.list", "/usr/lib/python3.11/py_compile.py\n"},
        {"usr/lib/python3.11/py_compile.py", "x = 1\n"},
        {"usr/sbin/update-ca-certificates", "#!/bin/sh\n"},
        {"usr/bin/deb-systemd-helper", "#!/bin/sh\n"},
        {"usr/bin/dpkg-maintscript-helper", "#!/bin/sh\n"}};
    for (const auto& [path, content] : files) {
      RW_RETURN_IF_ERROR(MakeFolders((tree / path).parent_path()));
      RW_RETURN_IF_ERROR(WriteFileAtomically(tree / path, content, 0755));
    }
    const fs::path certificates = tree / "usr/share/ca-certificates/mozilla";
    RW_RETURN_IF_ERROR(MakeFolders(certificates));
    SubprocessSpec spec;
    spec.argv = {"openssl", "req",       "-x509", "-newkey", "ed25519", "-nodes",
                 "-keyout", "/dev/null", "-subj", "/CN=x",   "-out",    (certificates / "x.crt").string()};
    return CheckSubprocess(spec, deadline, stop).status();
  }
};

struct Result {
  std::vector<std::string> shortcuts;
  std::map<std::string, std::string> entries;
};

class ShortcutSwitches : public testing::Test {
 protected:
  ShortcutSwitches() : folder_(*ScopedFolder::Create(fs::temp_directory_path(), "switches-")) {
    const std::string origin = (folder_.path() / "origin").string();
    fs::create_directories(origin);
    EXPECT_TRUE(WriteFileAtomically(fs::path(origin) / "configuration.yml", kConfiguration).ok());
    for (const std::vector<std::string>& arguments : std::vector<std::vector<std::string>>{
             {"init", "-q"},
             {"add", "."},
             {"-c", "user.name=T", "-c", "user.email=t@example.org", "commit", "-qm", "one"}}) {
      SubprocessSpec spec;
      spec.argv = {"git", "-C", origin};
      spec.argv.insert(spec.argv.end(), arguments.begin(), arguments.end());
      EXPECT_TRUE(CheckSubprocess(spec, Deadline::In(absl::Minutes(1)), {}).ok());
    }
  }

  Result Build(const std::set<std::string>& disabled) const {
    RootfsRequest request;
    request.environment.build_id = "0123abcd";
    request.environment.work_folder = folder_.path() / "work";
    request.boot_limit = absl::Seconds(30);
    request.environment.disk_bytes = int64_t{4} << 30;
    request.source.url = (folder_.path() / "origin").string();
    request.outputs = {PackFormat::kTar};
    request.disabled_shortcuts = disabled;
    fs::create_directories(request.environment.work_folder);
    RootfsHost host;
    host.apt_mirror = "http://mirror.example.org/debian";
    host.programs = std::getenv("ROOTWRIGHT_BIN");
    FakeExecutor executor;
    absl::StatusOr<std::unique_ptr<Routine>> routine =
        MakeRootfsRoutineWith(request, host, executor, std::make_unique<RootWithWork>());
    EXPECT_TRUE(routine.ok()) << routine.status();
    RoutineRun run;
    RunRoutine(**routine, run);
    EXPECT_TRUE(run.ok()) << run.Describe();
    if (!run.ok()) return {};
    Result result;
    const nlohmann::json manifest =
        nlohmann::json::parse(ReadFile((*routine)->artifacts()[1].path).value_or("{}"));
    for (const nlohmann::json& used : manifest["shortcuts"]) result.shortcuts.push_back(used["name"]);
    absl::StatusOr<std::map<std::string, std::string>> entries = ListArchive((*routine)->artifacts()[0].path);
    EXPECT_TRUE(entries.ok()) << entries.status();
    if (entries.ok()) result.entries = *std::move(entries);
    return result;
  }

 private:
  ScopedFolder folder_;
};

TEST_F(ShortcutSwitches, EachTurnsOffItsOwnAndNoOther) {
  const Result all = Build({});
  EXPECT_THAT(all.shortcuts, ElementsAreArray(ShortcutNames()));
  for (const std::string& name : ShortcutNames()) {
    std::vector<std::string> others = ShortcutNames();
    others.erase(std::find(others.begin(), others.end(), name));
    EXPECT_THAT(Build({name}).shortcuts, ElementsAreArray(others)) << name;
  }
}

TEST_F(ShortcutSwitches, AllTurnsOffAll) {
  EXPECT_THAT(Build({"all"}).shortcuts, ElementsAreArray(std::vector<std::string>()));
}

// These packages have no scripts that would do the work otherwise, so its products are the difference.
TEST_F(ShortcutSwitches, NothingOfAStandInIsInTheResult) {
  Result with = Build({});
  const Result without = Build({"all"});
  for (const char* path : {"usr/sbin/update-ca-certificates", "usr/bin/deb-systemd-helper",
                           "usr/bin/dpkg-maintscript-helper", "usr/lib/python3.11/py_compile.py"}) {
    ASSERT_EQ(without.entries.count(path), 1U) << path;
    // All but the time, which here is that of the unpacking: a moment before or after the commit.
    const std::string expected = without.entries.at(path).substr(0, without.entries.at(path).find(" time "));
    EXPECT_EQ(with.entries[path].substr(0, expected.size()), expected) << path;
  }
  for (const auto& [path, entry] : with.entries) EXPECT_FALSE(absl::StrContains(path, ".rootwright")) << path;
}

}  // namespace
}  // namespace rootwright
