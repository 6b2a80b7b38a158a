#include "executors/rootfs/apt/dpkg_status.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"

namespace rootwright {
namespace {

constexpr size_t kLongestLine = 16384;
constexpr size_t kMostPackages = 100000;

// "libc6:arm64" is shown as "libc6".
std::string WithoutArchitecture(absl::string_view package) {
  return std::string(package.substr(0, package.find(':')));
}

int ExitCodeIn(absl::string_view why) {
  constexpr absl::string_view kSign = "exit status ";
  const size_t at = why.find(kSign);
  int code = 1;
  if (at == absl::string_view::npos || !absl::SimpleAtoi(why.substr(at + kSign.size()), &code)) return 1;
  return code;
}

}  // namespace

std::vector<DpkgStatus::Change> DpkgStatus::Append(absl::string_view data) {
  std::vector<Change> changes;
  pending_.append(data.data(), data.size());
  size_t start = 0;
  for (size_t end; (end = pending_.find('\n', start)) != std::string::npos; start = end + 1) {
    std::optional<Change> change = ReadLine(absl::string_view(pending_).substr(start, end - start));
    if (change.has_value()) changes.push_back(*std::move(change));
  }
  pending_.erase(0, start);
  if (pending_.size() > kLongestLine) pending_.clear();
  return changes;
}

std::optional<DpkgStatus::Change> DpkgStatus::ReadLine(absl::string_view line) {
  const std::vector<absl::string_view> parts = absl::StrSplit(line, absl::MaxSplits(": ", 2));
  if (parts.size() < 3) return std::nullopt;
  const absl::string_view first = absl::StripAsciiWhitespace(parts[1]);
  const absl::string_view second = absl::StripAsciiWhitespace(parts[2]);
  if (parts[0] == "processing") {
    if (first == "configure") return Change{"configuring", WithoutArchitecture(second)};
    if (first == "trigproc") return Change{"processing triggers", WithoutArchitecture(second)};
    return std::nullopt;
  }
  if (parts[0] != "status") return std::nullopt;
  if (absl::StartsWith(second, "error")) {
    const size_t colon = second.find(':');
    const absl::string_view why =
        colon == absl::string_view::npos ? second : absl::StripAsciiWhitespace(second.substr(colon + 1));
    if (!failure_.has_value())
      failure_ = Failure{WithoutArchitecture(first), std::string(why), ExitCodeIn(why)};
    return std::nullopt;
  }
  const bool configured =
      second == "installed" || second == "triggers-pending" || second == "triggers-awaited";
  if (!configured || installed_.size() >= kMostPackages) return std::nullopt;
  if (!installed_.insert(std::string(first)).second) return std::nullopt;
  return Change{"configured", WithoutArchitecture(first)};
}

}  // namespace rootwright
