#pragma once

#include <filesystem>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace rootwright {

// OpenPGP keys as gpgv wants them: binary. What is armoured (RFC 4880, 6.2; one block or several) is decoded,
// anything else returned as it is. InvalidArgument when an armour is damaged or holds something else than
// public keys.
absl::StatusOr<std::string> BinaryKeyring(absl::string_view keys);

// A signature that gpgv found good.
struct GoodSignature {
  // Of the primary key: hexadecimal, upper case.
  std::string fingerprint;
  // What was signed, of a text that is signed within itself.
  std::string text;
};

// Checks signatures with gpgv against the keys that the caller trusts, and no others. A good signature by one
// of them, and none that is bad, passes; signatures by keys that have expired or were revoked do not.
// InvalidArgument says which it was: bad, by a key that is not among those given, not a signature at all.
class SignatureChecker {
 public:
  // `folder`, a private one, receives what gpgv reads. `keyring` is binary.
  SignatureChecker(std::filesystem::path folder, std::string keyring)
      : folder_(std::move(folder)), keyring_(std::move(keyring)) {}

  // `file` stands as `name` in errors.
  absl::StatusOr<GoodSignature> CheckDetached(absl::string_view signature, const std::filesystem::path& file,
                                              absl::string_view name, std::stop_token stop) const;
  absl::StatusOr<GoodSignature> CheckClearsigned(absl::string_view text, absl::string_view name,
                                                 std::stop_token stop) const;

 private:
  absl::StatusOr<GoodSignature> Run(const std::vector<std::string>& arguments, absl::string_view name,
                                    std::stop_token stop) const;

  const std::filesystem::path folder_;
  const std::string keyring_;
};

// What gpgv's status lines (GnuPG's doc/DETAILS) come to.
absl::StatusOr<GoodSignature> ReadGpgvStatus(absl::string_view status, absl::string_view name);

}  // namespace rootwright
