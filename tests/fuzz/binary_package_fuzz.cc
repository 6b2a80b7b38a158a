// A binary package as it comes out of an environment, and a cache's record of one.
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/file.h"
#include "executors/rootfs/portage/binary_package_record.h"
#include "executors/rootfs/portage/gpkg.h"

using namespace rootwright;  // NOLINT: one file, one function.

namespace {

const SigningKey& Key() {
  static const auto* const kKey = [] {
    const auto folder = ScopedFolder::Create(std::filesystem::temp_directory_path(), "fuzz-");
    return new SigningKey(*SigningKey::LoadOrMake(folder->path() / "key.pem"));
  }();
  return *kKey;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  if (auto archive = TarReader::OfBytes(text, TarReader::Compression::kNone, "fuzz"); archive.ok())
    ReadGpkg(*archive).IgnoreError();
  SplitCpv(text).IgnoreError();
  ReadSignedText(text, {Key().public_key()}).IgnoreError();
  // What an agent that is trusted may sign.
  const std::string body = absl::StrCat(text, "\nkey: ", Key().public_key(), "\n");
  const auto signature = Key().Sign(body);
  const auto record =
      ReadSignedText(absl::StrCat(body, "signature: ", *signature, "\n"), {Key().public_key()});
  if (record.ok()) PackageIndex({{&*record, "/inside/file"}}, absl::UnixEpoch());
  return 0;
}
