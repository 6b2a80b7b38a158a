#include "executors/rootfs/roots/openpgp.h"

#include <map>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/file.h"
#include "base/status.h"
#include "base/subprocess.h"

namespace rootwright {
namespace {

constexpr char kBegin[] = "-----BEGIN PGP ";
constexpr char kBeginKey[] = "-----BEGIN PGP PUBLIC KEY BLOCK-----";
constexpr char kEndKey[] = "-----END PGP PUBLIC KEY BLOCK-----";
// Hashing a stage takes a second or two.
constexpr absl::Duration kLimit = absl::Minutes(5);

absl::Status BadArmour(absl::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat("key: ", why, "; give a file of OpenPGP public keys, binary or armoured"));
}

// Lines between "BEGIN" and "END": headers, an empty line, base64, "=" and a checksum.
absl::StatusOr<std::string> Decode(absl::string_view block) {
  std::string base64;
  bool body = false;
  for (absl::string_view line : absl::StrSplit(block, '\n')) {
    line = absl::StripAsciiWhitespace(line);
    if (!body) {
      if (line.empty()) {
        body = true;
      } else if (!absl::StrContains(line, ": ") && !absl::EndsWith(line, ":")) {
        return BadArmour("the armour has no empty line behind its headers");
      }
      continue;
    }
    if (absl::StartsWith(line, "=")) break;
    absl::StrAppend(&base64, line);
  }
  std::string keys;
  if (!absl::Base64Unescape(base64, &keys) || keys.empty()) return BadArmour("the armour is damaged");
  return keys;
}

absl::Status Refuse(absl::string_view name, absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat("signature of ", name, ": ", why));
}

}  // namespace

absl::StatusOr<std::string> BinaryKeyring(absl::string_view keys) {
  if (keys.empty()) return BadArmour("it is empty");
  if (!absl::StrContains(keys, kBegin)) return std::string(keys);
  std::string binary;
  for (size_t at = 0; (at = keys.find(kBegin, at)) != absl::string_view::npos;) {
    absl::string_view block = keys.substr(at);
    if (!absl::ConsumePrefix(&block, kBeginKey)) return BadArmour("it holds something else than public keys");
    const size_t end = block.find(kEndKey);
    if (end == absl::string_view::npos) return BadArmour("the armour has no end");
    const size_t line = block.find('\n');
    if (line == absl::string_view::npos || line > end) return BadArmour("the armour is damaged");
    RW_ASSIGN_OR_RETURN(const std::string decoded, Decode(block.substr(line + 1, end - line - 1)));
    binary += decoded;
    at += sizeof(kBeginKey) - 1 + end;
  }
  return binary;
}

absl::StatusOr<GoodSignature> ReadGpgvStatus(absl::string_view status, absl::string_view name) {
  GoodSignature good;
  // Keyword to its first word, of the last line that has it.
  std::map<std::string, std::string> seen;
  for (absl::string_view line : absl::StrSplit(status, '\n')) {
    if (!absl::ConsumePrefix(&line, "[GNUPG:] ")) continue;
    const std::vector<std::string> words = absl::StrSplit(line, ' ', absl::SkipEmpty());
    if (words.empty()) continue;
    seen[words[0]] = words.size() > 1 ? words[1] : "";
    // Behind the fingerprint of the signing key and eight more the primary key's.
    if (words[0] == "VALIDSIG" && words.size() > 1)
      good.fingerprint = words.size() > 10 ? words[10] : words[1];
  }
  const auto key = [&](const char* word) { return absl::StrCat("key ", seen[word]); };
  if (seen.contains("BADSIG"))
    return Refuse(
        name, absl::StrCat("is bad (", key("BADSIG"), "): the file is not what was signed; fetch it again"));
  if (seen.contains("REVKEYSIG")) return Refuse(name, key("REVKEYSIG") + " has been revoked");
  if (seen.contains("EXPKEYSIG"))
    return Refuse(name,
                  key("EXPKEYSIG") + " has expired; give a newer key file, if its owner made it last longer");
  if (seen.contains("EXPSIG")) return Refuse(name, "has expired");
  if (seen.contains("GOODSIG") && !good.fingerprint.empty()) return good;
  if (seen.contains("NO_PUBKEY"))
    return Refuse(name, absl::StrCat("is by ", key("NO_PUBKEY"), ", which is not among the keys given"));
  if (seen.contains("ERRSIG")) return Refuse(name, absl::StrCat("cannot be checked (", key("ERRSIG"), ")"));
  return Refuse(name, "there is none in what was given as signature");
}

absl::StatusOr<GoodSignature> SignatureChecker::Run(const std::vector<std::string>& arguments,
                                                    absl::string_view name, std::stop_token stop) const {
  const std::filesystem::path keyring = folder_ / "keyring.gpg";
  RW_RETURN_IF_ERROR(WriteFileAtomically(keyring, keyring_, 0600));
  SubprocessSpec spec;
  spec.argv = {"gpgv", "--homedir", folder_.string(), "--keyring", keyring.string(), "--status-fd", "1"};
  spec.argv.insert(spec.argv.end(), arguments.begin(), arguments.end());
  const absl::StatusOr<SubprocessResult> result = RunSubprocess(spec, Deadline::In(kLimit), std::move(stop));
  if (absl::IsNotFound(result.status())) {
    return absl::FailedPreconditionError(
        absl::StrCat("signature of ", name, ": gpgv is missing on the build host: apt-get install gpgv"));
  }
  RW_RETURN_IF_ERROR(result.status());
  absl::StatusOr<GoodSignature> good = ReadGpgvStatus(result->output, name);
  // More than one signature, of which another is by an unknown key, is no failure.
  if (good.ok() || result->signal == 0) return good;
  return absl::InternalError(absl::StrCat("signature of ", name, ": gpgv: signal ", result->signal));
}

absl::StatusOr<GoodSignature> SignatureChecker::CheckDetached(absl::string_view signature,
                                                              const std::filesystem::path& file,
                                                              absl::string_view name,
                                                              std::stop_token stop) const {
  const std::filesystem::path path = folder_ / "signature";
  RW_RETURN_IF_ERROR(WriteFileAtomically(path, signature, 0600));
  return Run({"--", path.string(), file.string()}, name, std::move(stop));
}

absl::StatusOr<GoodSignature> SignatureChecker::CheckClearsigned(absl::string_view text,
                                                                 absl::string_view name,
                                                                 std::stop_token stop) const {
  const std::filesystem::path path = folder_ / "signed";
  const std::filesystem::path content = folder_ / "content";
  RW_RETURN_IF_ERROR(WriteFileAtomically(path, text, 0600));
  std::error_code ignored;
  std::filesystem::remove(content, ignored);
  RW_ASSIGN_OR_RETURN(GoodSignature good,
                      Run({"--output", content.string(), "--", path.string()}, name, std::move(stop)));
  // What gpgv says was signed, never what stands around it.
  RW_ASSIGN_OR_RETURN(good.text, ReadFile(content, 1 << 20));
  return good;
}

}  // namespace rootwright
