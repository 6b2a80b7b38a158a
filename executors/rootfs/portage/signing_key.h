#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

struct evp_pkey_st;

namespace rootwright {

// The ed25519 key with which an agent signs the packages that its builds made. Any thread.
class SigningKey {
 public:
  // Reads the key from a PEM file, or makes one there (mode 0600) when there is none; of two that make it at
  // one time, both have the one that was first. FailedPrecondition when the file holds something else or
  // others may read it.
  static absl::StatusOr<SigningKey> LoadOrMake(const std::filesystem::path& file);

  // 64 bytes as 128 lower-case hexadecimal digits.
  absl::StatusOr<std::string> Sign(absl::string_view text) const;
  // 32 bytes as 64 lower-case hexadecimal digits.
  const std::string& public_key() const { return public_key_; }

 private:
  struct Free {
    void operator()(evp_pkey_st* made) const;
  };
  using Key = std::unique_ptr<evp_pkey_st, Free>;
  SigningKey(Key key, std::string public_key) : key_(std::move(key)), public_key_(std::move(public_key)) {}
  static absl::StatusOr<SigningKey> Load(const std::filesystem::path& file);
  static absl::Status Make(const std::filesystem::path& file);

  Key key_;
  std::string public_key_;
};

// Whether `signature` is that key's over the text; false also for what is no key or no signature.
bool SignatureHolds(absl::string_view public_key, absl::string_view text, absl::string_view signature);

}  // namespace rootwright
