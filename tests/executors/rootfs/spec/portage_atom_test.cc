#include "executors/rootfs/spec/portage_atom.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rootwright {
namespace {

using ::testing::HasSubstr;

PortageAtom Atom(const std::string& text) {
  const ParsedAtom parsed = ParsePortageAtom(text);
  EXPECT_TRUE(parsed.atom.has_value()) << text << ": " << parsed.message;
  return parsed.atom.value_or(PortageAtom());
}

// "message | hint | byte".
std::string Mistake(const std::string& text) {
  const ParsedAtom parsed = ParsePortageAtom(text);
  EXPECT_FALSE(parsed.atom.has_value()) << text;
  return parsed.message + " | " + parsed.hint + " | " + std::to_string(parsed.at);
}

TEST(PortageAtom, IsTakenApart) {
  const PortageAtom atom = Atom(">=dev-libs/foo-bar-1.2_rc3-r1:2.0/3::my-overlay");
  EXPECT_EQ(atom.kind, PortageAtom::Kind::kPackage);
  EXPECT_EQ(atom.comparison, ">=");
  EXPECT_EQ(atom.category, "dev-libs");
  EXPECT_EQ(atom.package, "foo-bar");
  EXPECT_EQ(atom.version, "1.2_rc3-r1");
  EXPECT_EQ(atom.slot, "2.0");
  EXPECT_EQ(atom.sub_slot, "3");
  EXPECT_EQ(atom.repository, "my-overlay");
  EXPECT_FALSE(atom.version_prefix);
}

TEST(PortageAtom, TakesWhatRealSpecificationsHold) {
  const PortageAtom atom = Atom("=dev-libs/jsoncpp-0.6*");
  EXPECT_EQ(atom.package, "jsoncpp");
  EXPECT_EQ(atom.version, "0.6");
  EXPECT_TRUE(atom.version_prefix);
  for (const char* text :
       {"sys-apps/util-linux", "virtual/udev", "dev-lang/python:3.11", "app-editors/vim::gentoo",
        "sys-libs/db:5.3", "~sys-kernel/gentoo-sources-6.1.5", "<=sys-devel/gcc-13.2.1_p20240210",
        "media-libs/libsdl2", "x11-libs/gtk+:3", "dev-libs/libxml2", "sys-fs/e2fsprogs",
        "net-misc/r8125-module", "=app-misc/foo-1_alpha_beta2-r0", "dev-cpp/a-b-c",
        "=media-fonts/font-adobe-100dpi-1.0.3-r2", "media-fonts/font-adobe-100dpi", "_x/_y",
        "=a/b-20240101a"}) {
    EXPECT_EQ(Atom(text).Text(), text);
  }
}

TEST(PortageAtom, KnowsSetsAndWildcards) {
  EXPECT_EQ(Atom("@world").kind, PortageAtom::Kind::kSet);
  EXPECT_EQ(Atom("@my_set").package, "my_set");
  for (const char* text : {"*/*", "dev-libs/*", "*/foo*", "*/*::local", "sys-*/libc:2"}) {
    EXPECT_EQ(Atom(text).kind, PortageAtom::Kind::kWildcard);
    EXPECT_EQ(Atom(text).Text(), text);
  }
}

TEST(PortageAtom, SaysWhatIsWrongAndWhere) {
  EXPECT_EQ(Mistake("nano"), "'nano' has no category | e.g. 'app-editors/nano' | 0");
  EXPECT_EQ(Mistake("a/b/c"), "a '/' too many in 'a/b/c' |  | 3");
  EXPECT_EQ(Mistake("app-misc/foo-1.2"),
            "a version needs a comparison: 'app-misc/foo-1.2' | write '=app-misc/foo-1.2', or 'app-misc/foo' "
            "for the "
            "newest | 13");
  EXPECT_EQ(Mistake(">=app-misc/foo"),
            "there is no version after '>=' in '>=app-misc/foo' | write 'app-misc/foo' for any version | 0");
  EXPECT_EQ(Mistake("=app-misc/foo-1.x2"), "'1.x2' is not a version | e.g. 1.2, 1.2b, 1.2_rc3-r1 | 14");
  EXPECT_EQ(Mistake("dev-libs/jsoncpp-0.6*"),
            "a version needs a comparison: 'dev-libs/jsoncpp-0.6*' | write '=dev-libs/jsoncpp-0.6*' | 0");
  EXPECT_THAT(Mistake("~a/b-1-r2"), HasSubstr("leave out '-r2', or compare by '='"));
  EXPECT_THAT(Mistake(">=a/b-1*"), HasSubstr("'*' goes only with '='"));
  EXPECT_THAT(Mistake("==a/b-1"), HasSubstr("no such comparison"));
  EXPECT_THAT(Mistake("=>a/b-1"), HasSubstr("no such comparison"));
  EXPECT_THAT(Mistake("!a/b"), HasSubstr("is a blocker"));
  EXPECT_THAT(Mistake("a/b[ssl]"), HasSubstr("USE flags do not belong into the name"));
  EXPECT_THAT(Mistake("a/b:="), HasSubstr("slot operators stand in ebuilds only"));
  EXPECT_THAT(Mistake("a/b:0="), HasSubstr("slot operators stand in ebuilds only"));
  EXPECT_THAT(Mistake("a/b:*"), HasSubstr("slot operators stand in ebuilds only"));
  EXPECT_THAT(Mistake("a/b:"), HasSubstr("is not the name of a slot"));
  EXPECT_THAT(Mistake("a/b:0/"), HasSubstr("is not the name of a sub-slot"));
  EXPECT_THAT(Mistake("a/b::"), HasSubstr("is not the name of a repository"));
  EXPECT_THAT(Mistake("a/b c"), HasSubstr("a blank in"));
  EXPECT_THAT(Mistake("-a/b"), HasSubstr("is not the name of a category"));
  EXPECT_THAT(Mistake("a/+b"), HasSubstr("is not the name of a package"));
  EXPECT_THAT(Mistake("a/b.c"), HasSubstr("is not the name of a package"));
  EXPECT_THAT(Mistake("a/"), HasSubstr("is not the name of a package"));
  EXPECT_THAT(Mistake("=a/b-1-2"), HasSubstr("is not the name of a package"));
  EXPECT_THAT(Mistake("@"), HasSubstr("is not the name of a set"));
  for (const char* text : {"**/*", "*/foo**", "*/a.b*"})
    EXPECT_THAT(Mistake(text), HasSubstr("matches no package's name"));
  EXPECT_THAT(Mistake(""), HasSubstr("is empty"));
  EXPECT_THAT(Mistake("="), HasSubstr("has no category"));
  EXPECT_THAT(Mistake(std::string(300, 'a')), HasSubstr("longer than 256"));
}

TEST(PortageVersion, FollowsTheSpecification) {
  for (const char* good :
       {"1", "0.6", "1.2.3.4b", "1_alpha", "1_p20240101", "1.0_beta2_pre3-r12", "9999", "1-r0"}) {
    EXPECT_TRUE(IsPortageVersion(good)) << good;
  }
  for (const char* bad : {"", "a", "1.", ".1", "1bb", "1_foo", "1-r", "1_", "1-1", "1.2B", "1 "}) {
    EXPECT_FALSE(IsPortageVersion(bad)) << bad;
  }
}

TEST(UseFlag, FollowsTheSpecification) {
  for (const char* good : {"ssl", "X", "vim-syntax", "python_targets_python3_11", "7zip", "c++", "a@b"})
    EXPECT_TRUE(IsUseFlag(good)) << good;
  for (const char* bad : {"", "-ssl", "+x", "~amd64", "a,b", "ä", "a b"}) EXPECT_FALSE(IsUseFlag(bad)) << bad;
}

}  // namespace
}  // namespace rootwright
