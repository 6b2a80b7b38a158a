#include "executors/rootfs/portage/gpkg.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "base/file.h"
#include "tests/executors/rootfs/portage/gpkg_maker.h"

namespace rootwright {
namespace {

using ::testing::HasSubstr;

std::map<std::string, std::string> Popt() {
  return {{"CATEGORY", "dev-libs"}, {"PF", "popt-1.19-r1"},  {"SLOT", "0"},
          {"BUILD_ID", "3"},        {"USE", "amd64\n  nls"}, {"COUNTER", "7"}};
}

absl::StatusOr<Gpkg> Read(const std::string& bytes) {
  absl::StatusOr<TarReader> archive = TarReader::OfBytes(bytes, TarReader::Compression::kNone, "popt");
  if (!archive.ok()) return archive.status();
  return ReadGpkg(*archive);
}

void ExpectRefused(const std::string& bytes, const std::string& why) {
  const absl::StatusOr<Gpkg> package = Read(bytes);
  EXPECT_TRUE(absl::IsDataLoss(package.status())) << why << ": " << package.status();
  EXPECT_THAT(std::string(package.status().message()), HasSubstr(why));
}

TEST(Gpkg, TellsWhatItIsInOneLineEach) {
  const absl::StatusOr<Gpkg> package = Read(MakeGpkg(Popt(), "EAPI=8\n", "image"));
  ASSERT_TRUE(package.ok()) << package.status();
  EXPECT_EQ(package->cpv(), "dev-libs/popt-1.19-r1");
  EXPECT_EQ(package->Field("USE"), "amd64 nls");
  EXPECT_EQ(package->Field("COUNTER"), "");
  EXPECT_EQ(package->ebuild, "EAPI=8\n");
}

// Made by Portage 3.0.83 of the test repository's virtual/libc.
TEST(Gpkg, ReadsWhatPortageMakes) {
  const char* source = getenv("ROOTWRIGHT_SOURCE");
  ASSERT_NE(source, nullptr);
  const auto bytes =
      ReadFile(std::string(source) + "/tests/fuzz/corpus/binary_package_fuzz/libc-1-1.gpkg.tar");
  ASSERT_TRUE(bytes.ok()) << bytes.status();
  const absl::StatusOr<Gpkg> package = Read(*bytes);
  ASSERT_TRUE(package.ok()) << package.status();
  EXPECT_EQ(package->cpv(), "virtual/libc-1");
  EXPECT_EQ(package->Field("RDEPEND"), "sys-libs/debian-libc");
  EXPECT_EQ(package->Field("repository"), "rootwright-test");
  EXPECT_EQ(package->Field("BUILD_ID"), "1");
  EXPECT_THAT(package->ebuild, HasSubstr("EAPI=8"));
}

TEST(Gpkg, RefusesOtherMembersThanAPackageHas) {
  ExpectRefused(MakeTar({{"popt-1/gpkg-1", ""}, {"popt-1/Manifest", ""}}), "it has no metadata.tar");
  ExpectRefused(MakeTar({{"popt-1/gpkg-1", ""}, {"popt-1/extra", ""}}), "'popt-1/extra'");
  ExpectRefused(MakeTar({{"gpkg-1", ""}}), "'gpkg-1'");
  ExpectRefused(MakeTar({{"../gpkg-1", ""}}), "'../gpkg-1'");
  ExpectRefused(MakeTar({{"a/gpkg-1", ""}, {"b/Manifest", ""}}), "several folders");
  ExpectRefused(MakeTar({{"a/image.tar", ""}, {"a/image.tar.xz", ""}}), "image.tar twice");
}

TEST(Gpkg, RefusesWhatItsManifestDoesNotSay) {
  std::string changed = MakeGpkg(Popt(), "EAPI=8\n", "the image");
  changed[changed.find("the image")] = 'T';
  ExpectRefused(changed, "image.tar.zst is not what its Manifest says");
  const std::string line = ManifestLine("gpkg-1", "");
  const std::string member = MakeTar({{"metadata/SLOT", "0"}});
  ExpectRefused(
      MakeTar(
          {{"p-1/gpkg-1", ""}, {"p-1/metadata.tar", member}, {"p-1/image.tar", ""}, {"p-1/Manifest", line}}),
      "does not list all");
  ExpectRefused(
      MakeTar(
          {{"p-1/gpkg-1", "x"}, {"p-1/metadata.tar", member}, {"p-1/image.tar", ""}, {"p-1/Manifest", line}}),
      "gpkg-1 is not what");
  ExpectRefused(MakeTar({{"p-1/gpkg-1", ""},
                         {"p-1/metadata.tar", member},
                         {"p-1/image.tar", ""},
                         {"p-1/Manifest", "DATA gpkg-1 0 WHIRLPOOL 12\n"}}),
                "no digest that is known");
}

TEST(Gpkg, RefusesNamesAndTextsThatAnIndexCannotHold) {
  for (const auto& [field, value] : std::map<std::string, std::string>{
           {"CATEGORY", "../etc"}, {"PF", "popt"}, {"SLOT", ""}, {"USE", "a\x01"}}) {
    auto fields = Popt();
    fields[field] = value;
    EXPECT_TRUE(absl::IsDataLoss(Read(MakeGpkg(fields, "", "image")).status())) << field;
  }
}

TEST(Gpkg, ACutOffOneIsNone) {
  const std::string good = MakeGpkg(Popt(), "EAPI=8\n", std::string(5000, 'i'));
  for (const size_t size : {size_t{0}, size_t{100}, size_t{600}, good.size() / 2}) {
    EXPECT_FALSE(Read(good.substr(0, size)).ok()) << size;
  }
}

TEST(SplitCpv, TakesNamesApartAsPortageDoes) {
  const auto cpv = SplitCpv("x11-libs/gtk+-2.24.33-r3");
  ASSERT_TRUE(cpv.ok()) << cpv.status();
  EXPECT_EQ(cpv->category, "x11-libs");
  EXPECT_EQ(cpv->name, "gtk+");
  EXPECT_EQ(cpv->version, "2.24.33-r3");
  EXPECT_EQ(SplitCpv("dev-libs/libfoo-2-bar-1.0_rc1")->name, "libfoo-2-bar");
  for (const char* bad : {"", "popt-1", "dev-libs/popt", "dev-libs/popt-1*", "dev-libs/popt-1:0", "a/b/c-1",
                          "../popt-1", "dev-libs/popt-1::gentoo", "dev-libs/po\npt-1"})
    EXPECT_FALSE(SplitCpv(bad).ok()) << bad;
}

}  // namespace
}  // namespace rootwright
