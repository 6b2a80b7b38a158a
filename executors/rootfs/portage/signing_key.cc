#include "executors/rootfs/portage/signing_key.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/random.h"
#include "base/status.h"

namespace rootwright {
namespace {

namespace fs = std::filesystem;

constexpr size_t kPublicBytes = 32;
constexpr size_t kSignatureBytes = 64;

struct FreeBio {
  void operator()(BIO* made) const { BIO_free_all(made); }
};
struct FreeContext {
  void operator()(EVP_MD_CTX* made) const { EVP_MD_CTX_free(made); }
};
struct FreeKeyContext {
  void operator()(EVP_PKEY_CTX* made) const { EVP_PKEY_CTX_free(made); }
};

const unsigned char* Bytes(absl::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

// Empty unless it is so many bytes in lower-case hexadecimal digits.
std::string FromHex(absl::string_view text, size_t bytes) {
  std::string raw = text.size() == 2 * bytes ? absl::HexStringToBytes(text) : "";
  return raw.size() == bytes && absl::BytesToHexString(raw) == text ? raw : "";
}

}  // namespace

void SigningKey::Free::operator()(evp_pkey_st* made) const { EVP_PKEY_free(made); }

absl::StatusOr<SigningKey> SigningKey::LoadOrMake(const fs::path& file) {
  absl::StatusOr<SigningKey> key = Load(file);
  if (!absl::IsNotFound(key.status())) return key;
  RW_RETURN_IF_ERROR(Make(file));
  return Load(file);
}

absl::StatusOr<SigningKey> SigningKey::Load(const fs::path& file) {
  struct stat status {};
  if (stat(file.c_str(), &status) != 0) return ErrnoStatus(errno, "open the signing key", file.string());
  if ((status.st_mode & 077) != 0) {
    return absl::FailedPreconditionError(absl::StrCat(
        "signing key: ", file.string(), ": others may read it: chmod 600, or remove it if somebody did"));
  }
  RW_ASSIGN_OR_RETURN(const std::string text, ReadFile(file, 1 << 16));
  const std::unique_ptr<BIO, FreeBio> bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  Key key(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr));
  std::array<unsigned char, kPublicBytes> raw{};
  size_t size = raw.size();
  if (key == nullptr || EVP_PKEY_id(key.get()) != EVP_PKEY_ED25519 ||
      EVP_PKEY_get_raw_public_key(key.get(), raw.data(), &size) != 1 || size != raw.size()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "signing key: ", file.string(), ": holds no ed25519 key in PEM; remove it and a new one is made"));
  }
  return SigningKey(std::move(key), absl::BytesToHexString(absl::string_view(
                                        reinterpret_cast<const char*>(raw.data()), raw.size())));
}

absl::Status SigningKey::Make(const fs::path& file) {
  const std::unique_ptr<EVP_PKEY_CTX, FreeKeyContext> context(EVP_PKEY_CTX_new_id(EVP_PKEY_ED25519, nullptr));
  EVP_PKEY* made = nullptr;
  if (context == nullptr || EVP_PKEY_keygen_init(context.get()) != 1 ||
      EVP_PKEY_keygen(context.get(), &made) != 1)
    return absl::InternalError("make a signing key: OpenSSL cannot");
  const Key key(made);
  const std::unique_ptr<BIO, FreeBio> bio(BIO_new(BIO_s_mem()));
  char* text = nullptr;
  if (PEM_write_bio_PrivateKey(bio.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) != 1)
    return absl::InternalError("make a signing key: OpenSSL cannot write it");
  const int64_t size = BIO_get_mem_data(bio.get(), &text);
  RW_RETURN_IF_ERROR(MakeFolders(file.parent_path()));
  const std::string whole = absl::StrCat(file.string(), ".", RandomHex(12));
  RW_RETURN_IF_ERROR(WriteFileAtomically(whole, absl::string_view(text, static_cast<size_t>(size)), 0600));
  // Whoever is first makes it.
  const bool linked = link(whole.c_str(), file.c_str()) == 0;
  const int error = errno;
  unlink(whole.c_str());
  if (!linked && error != EEXIST) return ErrnoStatus(error, "make the signing key", file.string());
  return SyncFolder(file.parent_path());
}

absl::StatusOr<std::string> SigningKey::Sign(absl::string_view text) const {
  const std::unique_ptr<EVP_MD_CTX, FreeContext> context(EVP_MD_CTX_new());
  std::array<unsigned char, kSignatureBytes> signature{};
  size_t size = signature.size();
  if (EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key_.get()) != 1 ||
      EVP_DigestSign(context.get(), signature.data(), &size, Bytes(text), text.size()) != 1)
    return absl::InternalError("sign a package: OpenSSL cannot");
  return absl::BytesToHexString(absl::string_view(reinterpret_cast<const char*>(signature.data()), size));
}

bool SignatureHolds(absl::string_view public_key, absl::string_view text, absl::string_view signature) {
  const std::string raw_key = FromHex(public_key, kPublicBytes);
  const std::string raw_signature = FromHex(signature, kSignatureBytes);
  if (raw_key.empty() || raw_signature.empty()) return false;
  EVP_PKEY* made = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, Bytes(raw_key), raw_key.size());
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(made, &EVP_PKEY_free);
  const std::unique_ptr<EVP_MD_CTX, FreeContext> context(EVP_MD_CTX_new());
  return key != nullptr && EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key.get()) == 1 &&
         EVP_DigestVerify(context.get(), Bytes(raw_signature), raw_signature.size(), Bytes(text),
                          text.size()) == 1;
}

}  // namespace rootwright
