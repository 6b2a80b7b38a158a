#include "executors/rootfs/portage/stream_digests.h"

#include <openssl/evp.h>

#include <array>

#include "absl/strings/escaping.h"

namespace rootwright {
namespace {

const EVP_MD* AlgorithmNamed(const std::string& name) {
  if (name == "BLAKE2B") return EVP_blake2b512();
  if (name == "SHA512") return EVP_sha512();
  if (name == "SHA1") return EVP_sha1();
  return name == "MD5" ? EVP_md5() : EVP_sha256();
}

}  // namespace

void StreamDigests::Free::operator()(evp_md_ctx_st* made) const { EVP_MD_CTX_free(made); }

StreamDigests::StreamDigests(const std::vector<std::string>& algorithms) {
  for (const std::string& algorithm : algorithms) {
    auto& context = contexts_[algorithm];
    context.reset(EVP_MD_CTX_new());
    EVP_DigestInit_ex(context.get(), AlgorithmNamed(algorithm), nullptr);
  }
}

void StreamDigests::Update(absl::string_view data) {
  for (const auto& [algorithm, context] : contexts_)
    EVP_DigestUpdate(context.get(), data.data(), data.size());
}

std::map<std::string, std::string> StreamDigests::Finish() {
  std::map<std::string, std::string> digests;
  for (const auto& [algorithm, context] : contexts_) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
    unsigned int size = 0;
    EVP_DigestFinal_ex(context.get(), digest.data(), &size);
    digests[algorithm] =
        absl::BytesToHexString(absl::string_view(reinterpret_cast<const char*>(digest.data()), size));
  }
  return digests;
}

}  // namespace rootwright
