#include "executors/rootfs/portage/distfile.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace rootwright {
namespace {

constexpr size_t kLongestName = 255;
constexpr size_t kLongestUrl = 4096;

absl::Status Refused(const Distfile& file, absl::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat("source file of ", file.package, ": '", file.name.substr(0, kLongestName), "': ", why));
}

bool IsFileName(absl::string_view name) {
  if (name.empty() || name.size() > kLongestName || name == "." || name == "..") return false;
  return std::all_of(name.begin(), name.end(),
                     [](unsigned char c) { return c > ' ' && c != '/' && c != 0x7f; });
}

bool IsAddress(absl::string_view url) {
  const bool scheme = absl::StartsWith(url, "http://") || absl::StartsWith(url, "https://") ||
                      absl::StartsWith(url, "ftp://");
  return scheme && url.size() <= kLongestUrl && !HostOfUrl(url).empty() &&
         std::all_of(url.begin(), url.end(), [](unsigned char c) { return c > ' ' && c != 0x7f; });
}

size_t DigitsOf(absl::string_view algorithm) {
  if (algorithm == "BLAKE2B" || algorithm == "SHA512") return 128;
  return algorithm == "SHA256" ? 64 : 0;
}

}  // namespace

std::string HostOfUrl(absl::string_view url) {
  const size_t scheme = url.find("://");
  if (scheme == absl::string_view::npos) return "";
  absl::string_view host = url.substr(scheme + 3);
  host = host.substr(0, host.find_first_of("/?#"));
  if (const size_t at = host.rfind('@'); at != absl::string_view::npos) host.remove_prefix(at + 1);
  // [::1]:80
  if (absl::StartsWith(host, "[")) return std::string(host.substr(0, host.find(']') + 1));
  return std::string(host.substr(0, host.find(':')));
}

absl::Status CheckDistfile(const Distfile& file) {
  if (!IsFileName(file.name)) return Refused(file, "this is no file name");
  if (file.restricted)
    return Refused(file,
                   "its licence does not let it be fetched (RESTRICT=fetch): put it into the cache by hand");
  if (file.size_bytes < 0) return Refused(file, "the Manifest does not say its size");
  if (file.digests.empty())
    return Refused(file, "the Manifest has no digest of it (BLAKE2B, SHA512 or SHA256)");
  for (const auto& [algorithm, digest] : file.digests) {
    const bool hexadecimal = std::all_of(digest.begin(), digest.end(), [](char c) {
      return absl::ascii_isdigit(static_cast<unsigned char>(c)) || (c >= 'a' && c <= 'f');
    });
    if (digest.size() != DigitsOf(algorithm) || !hexadecimal)
      return Refused(file, absl::StrCat("the Manifest's ", algorithm, " is no digest"));
  }
  if (file.urls.empty()) return Refused(file, "nobody says where it may be had");
  for (const std::string& url : file.urls) {
    if (!IsAddress(url))
      return Refused(file, absl::StrCat("'", url.substr(0, 200), "' is no http, https or ftp address"));
  }
  return absl::OkStatus();
}

}  // namespace rootwright
