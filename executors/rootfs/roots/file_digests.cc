#include "executors/rootfs/roots/file_digests.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "base/status.h"
#include "base/unique_fd.h"

namespace rootwright {
namespace {

using Context = std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)>;

}  // namespace

absl::StatusOr<DigestsOfFile> DigestFile(const std::filesystem::path& path,
                                         const std::function<void(int64_t)>& progress, std::stop_token stop) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return ErrnoStatus(errno, "open", path.string());
  std::vector<std::pair<StageDigest::Algorithm, Context>> contexts;
  for (const auto& [algorithm, kind] : {std::make_pair(StageDigest::Algorithm::kSha256, EVP_sha256()),
                                        std::make_pair(StageDigest::Algorithm::kSha512, EVP_sha512()),
                                        std::make_pair(StageDigest::Algorithm::kBlake2b, EVP_blake2b512())}) {
    Context context(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
    if (context == nullptr || EVP_DigestInit_ex(context.get(), kind, nullptr) != 1)
      return absl::InternalError("digest: OpenSSL cannot do it");
    contexts.emplace_back(algorithm, std::move(context));
  }
  std::vector<char> buffer(1 << 20);
  int64_t done = 0;
  for (;;) {
    if (stop.stop_requested()) return absl::CancelledError("verify: stopped");
    const ssize_t got = read(fd.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoStatus(errno, "read", path.string());
    if (got == 0) break;
    for (const auto& [algorithm, context] : contexts)
      EVP_DigestUpdate(context.get(), buffer.data(), static_cast<size_t>(got));
    done += got;
    if (progress) progress(done);
  }
  DigestsOfFile digests;
  for (const auto& [algorithm, context] : contexts) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> bytes{};
    unsigned size = 0;
    EVP_DigestFinal_ex(context.get(), bytes.data(), &size);
    digests[algorithm] =
        absl::BytesToHexString({reinterpret_cast<const char*>(bytes.data()), static_cast<size_t>(size)});
  }
  return digests;
}

}  // namespace rootwright
