#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace rootwright {

// One line of a file of digests.
struct StageDigest {
  enum class Algorithm { kSha256, kSha512, kBlake2b };
  Algorithm algorithm = Algorithm::kSha256;
  // Lower-case hexadecimal, as long as the algorithm makes it.
  std::string digest;
  std::string file_name;

  friend bool operator==(const StageDigest&, const StageDigest&) = default;
};

// "SHA512".
const char* NameOf(StageDigest::Algorithm algorithm);

// Whether the text is signed within itself (RFC 4880, 7); its content must come from gpgv then.
bool IsClearsigned(absl::string_view text);

// Gentoo's .DIGESTS and .sha256 files without their signature: "# SHA512 HASH" heads lines of
// "<digest>  <file name>"; those of other algorithms are left out. Without a heading a line's algorithm is
// told by its length, as sha256sum and sha512sum write it. InvalidArgument names the first line that is none
// of these.
absl::StatusOr<std::vector<StageDigest>> ParseStageDigests(absl::string_view text);

// "sha256:…" or "sha512:…"; of no file. InvalidArgument when it is none.
absl::StatusOr<StageDigest> ParseDigestOption(absl::string_view text);

// The digests of a file, by algorithm.
using DigestsOfFile = std::map<StageDigest::Algorithm, std::string>;

// Says which of the expected ones is wrong; those of other files are not looked at. InvalidArgument when
// there is none for `file_name`, with the names there are.
absl::Status CheckDigests(const std::vector<StageDigest>& expected, absl::string_view file_name,
                          const DigestsOfFile& found);

}  // namespace rootwright
