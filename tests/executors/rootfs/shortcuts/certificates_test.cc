#include "executors/rootfs/shortcuts/certificates.h"

#include <gmock/gmock.h>

#include "absl/strings/match.h"
#include "tests/executors/rootfs/shortcuts/shortcut_tree.h"

namespace rootwright {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kFolder[] = "usr/share/ca-certificates/mozilla";
constexpr char kConfig[] = "var/lib/dpkg/info/ca-certificates.config";
// The two tests that the shortcut knows, as in the package's script.
constexpr char kConfigScript[] = R"(#!/bin/sh
if (echo "$CERTS_DISABLED" | grep -F -q -x "$crt") > /dev/null 2>&1; then :
elif (echo "$CERTS_TRUST" | grep -F -q -x "$crt") > /dev/null 2>&1; then :
fi
)";

class CertificatesTest : public ShortcutTree {
 protected:
  CertificatesTest() {
    Put("usr/sbin/update-ca-certificates", "#!/bin/sh\necho original\n", 0755);
    Put(kConfig, kConfigScript, 0755);
    fs::create_directories(tree() / kFolder);
    fs::create_directories(tree() / "etc/ssl/certs");
    fs::create_directories(tree() / "usr/local/share/ca-certificates");
    // Two of one subject: their hash links are numbered.
    PutCertificate("Second.crt", "/CN=same");
    PutCertificate("First.crt", "/CN=same");
    PutCertificate("With (brackets), commas.crt", "/C=DE/O=Other/CN=other");
    // This one has no newline at its end.
    const std::string last = absl::StrCat(kFolder, "/First.crt");
    const std::string text = Get(last);
    Put(last, text.substr(0, text.size() - 1));
  }

  void PutCertificate(const std::string& name, const std::string& subject) const {
    const SubprocessResult made =
        Execute({"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                 "-keyout", "/dev/null", "-subj", subject, "-out", (tree() / kFolder / name).string()});
    ASSERT_TRUE(made.ok()) << made.error_output;
  }

  std::string PemOf(const std::string& name) const {
    std::string pem = Get(absl::StrCat(kFolder, "/", name));
    if (!absl::EndsWith(pem, "\n")) pem += "\n";
    return pem;
  }
};

TEST_F(CertificatesTest, LinksAndBundleAreTheProgramsOwn) {
  const auto used = Apply(MakeCertificates());
  ASSERT_TRUE(used.ok()) << used.status();
  ASSERT_TRUE(used->has_value());
  EXPECT_EQ((*used)->note, "bundle of 3 certificates");
  // In the order of names.
  EXPECT_EQ(Get("etc/ssl/certs/ca-certificates.crt"),
            PemOf("First.crt") + PemOf("Second.crt") + PemOf("With (brackets), commas.crt"));
  // `openssl rehash`, which the program calls, is the judge of the hash links: links that it can follow need
  // the certificates themselves.
  const fs::path judged = outside() / "judged";
  fs::create_directory(judged);
  const std::map<std::string, std::string> names = {
      {"First.pem", "First.crt"},
      {"Second.pem", "Second.crt"},
      {"With_=brackets=__commas.pem", "With (brackets), commas.crt"}};
  std::map<std::string, std::string> expected;
  for (const auto& [link, name] : names) {
    fs::copy_file(tree() / kFolder / name, judged / link);
    expected[link] = absl::StrCat("/", kFolder, "/", name);
  }
  const SubprocessResult rehashed = Execute({"openssl", "rehash", judged.string()});
  ASSERT_TRUE(rehashed.ok()) << rehashed.error_output;
  for (const auto& entry : fs::directory_iterator(judged))
    if (entry.is_symlink()) expected[entry.path().filename()] = fs::read_symlink(entry.path());
  ASSERT_EQ(expected.size(), 6U);
  std::map<std::string, std::string> made;
  for (const auto& entry : fs::directory_iterator(tree() / "etc/ssl/certs"))
    if (entry.is_symlink()) made[entry.path().filename()] = fs::read_symlink(entry.path());
  EXPECT_EQ(made, expected);
}

TEST_F(CertificatesTest, StandInsDoNothingAndUndoBringsTheOriginalsBack) {
  const auto before = Snapshot(tree());
  const auto used = Apply(MakeCertificates());
  ASSERT_TRUE(used.ok() && used->has_value());
  const SubprocessResult quiet = Execute({(tree() / "usr/sbin/update-ca-certificates").string(), "--fresh"});
  EXPECT_TRUE(quiet.ok());
  EXPECT_EQ(quiet.output, "");
  EXPECT_THAT(Get(kConfig), Not(HasSubstr("grep")));
  EXPECT_TRUE(Execute({"sh", "-n", (tree() / kConfig).string()}).ok());
  Undo((*used)->undo);
  fs::remove_all(tree() / "etc/ssl/certs");
  fs::create_directory(tree() / "etc/ssl/certs");
  EXPECT_EQ(Snapshot(tree()), before);
}

TEST_F(CertificatesTest, AnotherConfigScriptIsLeftAlone) {
  Put(kConfig, "#!/bin/sh\n", 0755);
  const auto used = Apply(MakeCertificates());
  ASSERT_TRUE(used.ok() && used->has_value());
  EXPECT_EQ(Get(kConfig), "#!/bin/sh\n");
  EXPECT_THAT((*used)->undo, Not(HasSubstr("config")));
}

TEST_F(CertificatesTest, IsIdleWhenSomebodyElseHasASay) {
  specification_.pre_install_commands.emplace_back();
  ExpectIdle(MakeCertificates());
  specification_.pre_install_commands.clear();
  for (const std::string path : {"etc/ca-certificates/update.d/hook",
                                 "usr/local/share/ca-certificates/mine.crt", "etc/ssl/certs/mine.pem"}) {
    Put(path, "x");
    ExpectIdle(MakeCertificates());
    fs::remove(tree() / path);
  }
  for (const std::string path :
       {"etc/ca-certificates.conf", "etc/ssl/openssl.cnf", "usr/sbin/update-ca-certificates"}) {
    ASSERT_TRUE(MakeFolders((overlay() / path).parent_path()).ok());
    ASSERT_TRUE(WriteFileAtomically(overlay() / path, "x").ok());
    ExpectIdle(MakeCertificates());
    fs::remove_all(overlay());
  }
  EXPECT_TRUE(Apply(MakeCertificates())->has_value());
}

TEST_F(CertificatesTest, IsIdleWhenSomethingIsNoCertificateOrTheProgramIsMissing) {
  Put(absl::StrCat(kFolder, "/broken.crt"), "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
  ExpectIdle(MakeCertificates());
  fs::remove(tree() / kFolder / "broken.crt");
  fs::rename(tree() / "usr/sbin/update-ca-certificates", tree() / "elsewhere");
  ExpectIdle(MakeCertificates());
  fs::rename(tree() / "elsewhere", tree() / "usr/sbin/update-ca-certificates");
  fs::remove_all(tree() / "usr/share/ca-certificates");
  ExpectIdle(MakeCertificates());
}

TEST_F(CertificatesTest, LinksAreNotFollowed) {
  // find -type f, by which the package looks for them, passes links over.
  fs::create_symlink(outside() / "secret.crt", tree() / kFolder / "link.crt");
  ASSERT_TRUE(WriteFileAtomically(outside() / "secret.crt", "secret").ok());
  const auto used = Apply(MakeCertificates());
  ASSERT_TRUE(used.ok() && used->has_value());
  EXPECT_EQ((*used)->note, "bundle of 3 certificates");
}

class CertificatesBehindALink : public CertificatesTest, public testing::WithParamInterface<const char*> {};

TEST_P(CertificatesBehindALink, AreLeftAlone) {
  LinkOut(GetParam());
  ExpectIdle(MakeCertificates());
}

INSTANTIATE_TEST_SUITE_P(Folders, CertificatesBehindALink,
                         testing::Values("etc/ssl", "etc/ssl/certs", "usr/share/ca-certificates", "usr/sbin",
                                         "usr/local/share/ca-certificates"));

TEST_F(CertificatesTest, ConfigScriptBehindALinkIsLeftAlone) {
  LinkOut("var/lib/dpkg");
  const auto before = Snapshot(outside());
  ASSERT_TRUE(Apply(MakeCertificates()).ok());
  EXPECT_EQ(Snapshot(outside()), before);
}

}  // namespace
}  // namespace rootwright
