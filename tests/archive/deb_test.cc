#include "archive/deb.h"

#include <fcntl.h>
#include <gmock/gmock.h>

#include <cstdio>

#include "base/unique_fd.h"
#include "tests/archive/test_tree.h"

namespace rootwright {
namespace {

std::string Member(const std::string& name, const std::string& content) {
  char header[61];
  std::snprintf(header, sizeof header, "%-16s%-12d%-6d%-6d%-8s%-10zu`\n", name.c_str(), 0, 0, 0, "100644",
                content.size());
  return header + content + (content.size() % 2 != 0 ? "\n" : "");
}

class Deb : public TestTree {
 protected:
  absl::StatusOr<DebFile> Open(const std::string& bytes) {
    EXPECT_TRUE(WriteFileAtomically(folder() / "x.deb", bytes).ok());
    fd_.reset(open((folder() / "x.deb").c_str(), O_RDONLY | O_CLOEXEC));
    return DebFile::Open(fd_.get(), "x.deb");
  }
  const std::string control_ =
      TarOf({FileEntry("control", "Package: x\n"), FileEntry("postinst", "#!/bin/sh\n", 0755)});
  const std::string data_ = TarOf({EntryOf(TarEntry::Kind::kFolder, ""), FileEntry("etc/x", "content")});
  const std::string version_ = Member("debian-binary", "2.0\n");

 private:
  UniqueFd fd_;
};

TEST_F(Deb, ControlAndDataAreRead) {
  const auto deb = Open("!<arch>\n" + version_ + Member("control.tar", control_) + Member("data.tar", data_));
  ASSERT_TRUE(deb.ok()) << deb.status();
  const auto control = deb->ReadControl();
  ASSERT_TRUE(control.ok()) << control.status();
  EXPECT_EQ(control->at("control").content, "Package: x\n");
  EXPECT_EQ(control->at("postinst").mode, 0755u);
  auto data = deb->ReadData();
  TarEntry entry;
  ASSERT_TRUE(*data->Next(entry));
  EXPECT_EQ(entry.path, "");
  ASSERT_TRUE(*data->Next(entry));
  EXPECT_EQ(entry.path, "etc/x");
}

TEST_F(Deb, TruncationIsDataLossAndNamesThePackage) {
  const std::string whole =
      "!<arch>\n" + version_ + Member("control.tar", control_) + Member("data.tar", data_);
  for (const size_t size : {size_t{0}, size_t{4}, size_t{30}, size_t{100}, whole.size() - 600}) {
    const auto deb = Open(whole.substr(0, size));
    EXPECT_EQ(deb.status().code(), absl::StatusCode::kDataLoss) << size;
    EXPECT_THAT(std::string(deb.status().message()), ::testing::HasSubstr("x.deb"));
  }
}

TEST_F(Deb, MissingMembersAreDataLoss) {
  EXPECT_FALSE(Open("!<arch>\n" + version_ + Member("data.tar", data_)).ok());
  EXPECT_FALSE(Open("!<arch>\n" + version_ + Member("control.tar", control_)).ok());
  EXPECT_FALSE(Open("!<arch>\n" + Member("control.tar", control_) + Member("data.tar", data_)).ok());
}

TEST_F(Deb, SizesThatLieAreDataLoss) {
  std::string bytes = "!<arch>\n" + version_ + Member("control.tar", control_) + Member("data.tar", data_);
  const size_t at = bytes.find("control.tar") + 48;
  for (const char* lie : {"9999999999", "-1        ", "nonsense  "}) {
    bytes.replace(at, 10, lie);
    EXPECT_EQ(Open(bytes).status().code(), absl::StatusCode::kDataLoss) << lie;
  }
}

}  // namespace
}  // namespace rootwright
