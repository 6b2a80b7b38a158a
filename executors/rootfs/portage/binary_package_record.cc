#include "executors/rootfs/portage/binary_package_record.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/status.h"
#include "executors/rootfs/portage/gpkg.h"

namespace rootwright {
namespace {

constexpr char kFirstLine[] = "rootwright-binary-package 1\n";
constexpr size_t kMostFields = 100;
constexpr size_t kDigestDigits = 64;

absl::Status NoRecord(absl::string_view why) {
  return absl::DataLossError(absl::StrCat("its record cannot be read: ", why));
}

bool IsDigest(absl::string_view text) {
  return text.size() == kDigestDigits &&
         text.find_first_not_of("0123456789abcdef") == absl::string_view::npos;
}

// What the signature is over.
std::string Body(const BinaryPackageRecord& record) {
  std::string text = absl::StrCat(kFirstLine, "scope: ", record.scope, "\nrecipe: ", record.recipe,
                                  "\nsha256: ", record.sha256, "\nsize: ", record.size_bytes, "\n");
  for (const auto& [name, value] : record.fields) absl::StrAppend(&text, "field ", name, ": ", value, "\n");
  absl::StrAppend(&text, "key: ", record.key, "\n");
  return text;
}

absl::Status ReadBody(absl::string_view body, BinaryPackageRecord& record) {
  if (!absl::ConsumePrefix(&body, kFirstLine)) return NoRecord("it is none");
  for (const absl::string_view line : absl::StrSplit(absl::StripSuffix(body, "\n"), '\n')) {
    const std::pair<absl::string_view, absl::string_view> parts =
        absl::StrSplit(line, absl::MaxSplits(": ", 1));
    absl::string_view name = parts.first;
    if (name == "scope") record.scope = std::string(parts.second);
    if (name == "recipe") record.recipe = std::string(parts.second);
    if (name == "sha256") record.sha256 = std::string(parts.second);
    if (name == "key") record.key = std::string(parts.second);
    if (name == "size" && !absl::SimpleAtoi(parts.second, &record.size_bytes)) return NoRecord("its size");
    if (absl::ConsumePrefix(&name, "field ")) record.fields[std::string(name)] = std::string(parts.second);
  }
  // Only what we write ourselves reads back the same.
  if (Body(record) != absl::StrCat(kFirstLine, body)) return NoRecord("it has other lines");
  for (const std::string* digest : {&record.scope, &record.recipe, &record.sha256})
    if (!IsDigest(*digest)) return NoRecord("a digest is none");
  if (record.size_bytes <= 0 || record.fields.size() > kMostFields) return NoRecord("its size");
  for (const auto& [name, value] : record.fields)
    for (const unsigned char c : value)
      if (c < ' ' || c == 0x7f) return NoRecord("control characters");
  return SplitCpv(record.Field("CPV")).ok() ? absl::OkStatus() : NoRecord("it names no package");
}

}  // namespace

const std::string& BinaryPackageRecord::Field(const std::string& name) const {
  static const auto* const kNone = new std::string();
  const auto found = fields.find(name);
  return found == fields.end() ? *kNone : found->second;
}

absl::StatusOr<std::string> SignedText(BinaryPackageRecord record, const SigningKey& key) {
  record.key = key.public_key();
  const std::string body = Body(record);
  RW_ASSIGN_OR_RETURN(const std::string signature, key.Sign(body));
  return absl::StrCat(body, "signature: ", signature, "\n");
}

absl::StatusOr<BinaryPackageRecord> ReadSignedText(absl::string_view text,
                                                   const std::vector<std::string>& trusted) {
  const size_t at = text.rfind("\nsignature: ");
  absl::string_view signature = at == absl::string_view::npos ? "" : text.substr(at + 1);
  if (!absl::ConsumePrefix(&signature, "signature: ") || !absl::ConsumeSuffix(&signature, "\n"))
    return absl::PermissionDeniedError("it is not signed");
  const absl::string_view body = text.substr(0, at + 1);
  // The key is the body's last line; nothing else of it is looked at before the signature holds.
  const size_t key_at = body.rfind("\nkey: ");
  if (key_at == absl::string_view::npos) return absl::PermissionDeniedError("it is not signed");
  const absl::string_view key = absl::StripSuffix(body.substr(key_at + 6), "\n");
  if (!SignatureHolds(key, body, signature)) return absl::PermissionDeniedError("its signature is wrong");
  if (std::find(trusted.begin(), trusted.end(), key) == trusted.end()) {
    return absl::UnauthenticatedError(
        absl::StrCat("it is signed with the key ", key, ", which is not trusted here"));
  }
  BinaryPackageRecord record;
  RW_RETURN_IF_ERROR(ReadBody(body, record));
  return record;
}

std::string PackageIndex(const std::vector<PackageIndexEntry>& entries, absl::Time now) {
  std::string text = absl::StrCat("PACKAGES: ", entries.size(), "\nTIMESTAMP: ", absl::ToUnixSeconds(now),
                                  "\nVERSION: 0\n\n");
  for (const PackageIndexEntry& entry : entries) {
    std::map<std::string, std::string> fields = entry.record->fields;
    fields["PATH"] = entry.path;
    fields["SIZE"] = absl::StrCat(entry.record->size_bytes);
    // Short names, as Portage writes them (bintree.py, _pkgindex_translated_keys).
    for (const auto& [from, to] : {std::pair{"DESCRIPTION", "DESC"}, {"repository", "REPO"}}) {
      auto node = fields.extract(from);
      if (node.empty()) continue;
      node.key() = to;
      fields.insert(std::move(node));
    }
    for (const auto& [name, value] : fields)
      if (!value.empty()) absl::StrAppend(&text, name, ": ", value, "\n");
    text += '\n';
  }
  return text;
}

}  // namespace rootwright
