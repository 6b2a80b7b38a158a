#include "executors/rootfs/shortcuts/certificates.h"

#include <openssl/pem.h>
#include <openssl/x509.h>

#include <algorithm>
#include <map>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "base/file.h"
#include "base/status.h"
#include "executors/rootfs/shortcuts/stand_in.h"
#include "executors/rootfs/shortcuts/tree_path.h"

namespace rootwright {
namespace {

namespace fs = std::filesystem;

constexpr char kProgram[] = "/usr/sbin/update-ca-certificates";
constexpr char kStandIn[] = "#!/bin/sh\n# Rootwright has done its work on the host.\nexit 0\n";
constexpr char kCertificates[] = "/usr/share/ca-certificates";
constexpr char kHooks[] = "/etc/ca-certificates/update.d";
constexpr char kLocal[] = "/usr/local/share/ca-certificates";
constexpr char kResult[] = "/etc/ssl/certs";
constexpr char kConfig[] = "/var/lib/dpkg/info/ca-certificates.config";

// Tests that the package's config script makes for each certificate with three processes. Both lists come
// from /etc/ca-certificates.conf, which a first installation does not have: no certificate is in an empty
// list.
constexpr absl::string_view kIsDisabled =
    R"((echo "$CERTS_DISABLED" | grep -F -q -x "$crt") > /dev/null 2>&1;)";
constexpr absl::string_view kIsTrusted = R"((echo "$CERTS_TRUST" | grep -F -q -x "$crt") > /dev/null 2>&1;)";

// As in the script: spaces, brackets and commas are replaced.
std::string LinkName(const fs::path& certificate) {
  std::string name = certificate.stem().string();
  for (char& c : name) {
    if (c == ' ' || c == ',') c = '_';
    if (c == '(' || c == ')') c = '=';
  }
  return name + ".pem";
}

// What `openssl rehash` names its links by; absent when this is not one certificate.
std::optional<uint64_t> SubjectHash(const std::string& pem) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> bio(
      BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), &BIO_free);
  const std::unique_ptr<X509, decltype(&X509_free)> certificate(
      PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr), &X509_free);
  if (certificate == nullptr) return std::nullopt;
  return X509_NAME_hash_ex(X509_get_subject_name(certificate.get()), nullptr, nullptr, nullptr);
}

bool IsEmptyOrMissing(const fs::path& folder) {
  std::error_code error;
  return !fs::exists(fs::symlink_status(folder, error)) || fs::is_empty(folder, error);
}

class Certificates : public Shortcut {
 public:
  std::string name() const override { return "ca-certificates"; }
  std::string description() const override { return "the bundle of certificates is made on the host"; }

  absl::StatusOr<std::optional<UsedShortcut>> Apply(const ShortcutContext& context) override {
    if (!Fits(context)) return std::nullopt;
    RW_ASSIGN_OR_RETURN(const std::vector<fs::path> certificates, Find(context.tree));
    if (certificates.empty()) return std::nullopt;
    // Hash → how many links it has; links of one hash are numbered in the order of names.
    std::map<std::string, std::pair<std::string, uint64_t>> links;
    std::string bundle;
    for (const fs::path& path : certificates) {
      RW_ASSIGN_OR_RETURN(std::string pem, ReadFile(context.tree / path.relative_path(), 1 << 20));
      const std::optional<uint64_t> hash = SubjectHash(pem);
      if (!hash.has_value()) return std::nullopt;
      if (!links.emplace(LinkName(path), std::pair(path.string(), *hash)).second) return std::nullopt;
      if (!pem.empty() && pem.back() != '\n') pem.push_back('\n');
      bundle += pem;
    }
    RW_RETURN_IF_ERROR(Write(context.tree / (kResult + 1), links, bundle));
    RW_ASSIGN_OR_RETURN(std::string undo, StandIn(context.tree, kProgram, kStandIn));
    RW_RETURN_IF_ERROR(ShortenConfig(context.tree, undo));
    return UsedShortcut{
        name(), absl::StrCat("bundle of ", certificates.size(), " certificates"), std::move(undo), {}};
  }

 private:
  static bool Fits(const ShortcutContext& context) {
    std::error_code error;
    if (!IsFileInTree(context.tree, kProgram)) return false;
    for (const char* folder : {kCertificates, kHooks, kLocal, kResult}) {
      if (!CanBeFolderInTree(context.tree, folder)) return false;
    }
    if (!context.specification.pre_install_commands.empty()) return false;
    for (const char* folder : {kHooks, kLocal, kResult}) {
      if (!IsEmptyOrMissing(context.tree / (folder + 1))) return false;
    }
    for (const char* theirs :
         {"etc/ca-certificates", "etc/ca-certificates.conf", "etc/ssl", "usr/share/ca-certificates",
          "usr/local/share/ca-certificates", "usr/sbin/update-ca-certificates"}) {
      if (fs::exists(fs::symlink_status(context.pre_install_overlay / theirs, error))) return false;
    }
    return true;
  }

  // A script that reads otherwise than ours is left as it is.
  static absl::Status ShortenConfig(const fs::path& tree, std::string& undo) {
    if (!IsFileInTree(tree, kConfig)) return absl::OkStatus();
    const absl::StatusOr<std::string> script = ReadFile(tree / (kConfig + 1), 1 << 20);
    if (!script.ok() || !absl::StrContains(*script, kIsDisabled) || !absl::StrContains(*script, kIsTrusted)) {
      return absl::OkStatus();
    }
    RW_ASSIGN_OR_RETURN(
        const std::string restore,
        StandIn(tree, kConfig,
                absl::StrReplaceAll(*script, {{kIsDisabled, "false;"}, {kIsTrusted, "false;"}})));
    undo += restore;
    return absl::OkStatus();
  }

  // Paths as the target sees them, in the order of /etc/ca-certificates.conf (sort in C.UTF-8).
  static absl::StatusOr<std::vector<fs::path>> Find(const fs::path& tree) {
    std::vector<fs::path> found;
    std::error_code error;
    auto entry = fs::recursive_directory_iterator(tree / (kCertificates + 1), error);
    for (; !error && entry != fs::recursive_directory_iterator(); entry.increment(error)) {
      if (entry->path().extension() != ".crt" || !fs::is_regular_file(entry->symlink_status())) continue;
      found.push_back(fs::path("/") / entry->path().lexically_relative(tree));
    }
    if (error && error != std::errc::no_such_file_or_directory)
      return ErrnoStatus(error.value(), "read", kCertificates);
    std::sort(found.begin(), found.end(),
              [](const fs::path& a, const fs::path& b) { return a.string() < b.string(); });
    return found;
  }

  static absl::Status Link(const fs::path& folder, const std::string& link, const std::string& target) {
    std::error_code error;
    fs::create_symlink(target, folder / link, error);
    if (error) return ErrnoStatus(error.value(), "make link", (folder / link).string());
    return absl::OkStatus();
  }

  static absl::Status Write(const fs::path& folder,
                            const std::map<std::string, std::pair<std::string, uint64_t>>& links,
                            const std::string& bundle) {
    RW_RETURN_IF_ERROR(MakeFolders(folder));
    std::map<uint64_t, int> used;
    for (const auto& [link, certificate] : links) {
      RW_RETURN_IF_ERROR(Link(folder, link, certificate.first));
      const int number = used[certificate.second]++;
      RW_RETURN_IF_ERROR(Link(folder, absl::StrFormat("%08x.%d", certificate.second, number), link));
    }
    return WriteFileAtomically(folder / "ca-certificates.crt", bundle);
  }
};

}  // namespace

std::unique_ptr<Shortcut> MakeCertificates() { return std::make_unique<Certificates>(); }

}  // namespace rootwright
