#include "executors/rootfs/portage/merge_report.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "executors/rootfs/portage/json_fields.h"

namespace rootwright {
namespace {

using nlohmann::json;

constexpr size_t kLongestLine = 1 << 20;
constexpr size_t kMostTailLines = 100;

std::optional<MergeEvent> ReadEvent(absl::string_view text) {
  const json line = json::parse(text.begin(), text.end(), nullptr, false);
  const std::string type = TextField(line, "type");
  if (type == "snapshot") return ReadSnapshot(line);
  if (type == "log") {
    std::optional<EmergeLogEntry> entry = ReadEmergeLogLine(TextField(line, "text"));
    if (!entry.has_value()) return std::nullopt;
    return *std::move(entry);
  }
  if (type == "failure") {
    return MergeFailure{TextField(line, "cpv"), TextField(line, "phase"), TextField(line, "message"),
                        TextsField(line, "tail", kMostTailLines), TextField(line, "log")};
  }
  if (type == "end")
    return MergeEnd{static_cast<int>(std::clamp<int64_t>(NumberField(line, "exit", 1), -128, 255))};
  return std::nullopt;
}

// "did not compile"
std::string InWords(const std::string& phase) {
  static const auto* const kWords =
      new std::map<std::string, const char*>{{"setup", "could not be set up"},
                                             {"unpack", "could not be unpacked"},
                                             {"prepare", "could not be prepared"},
                                             {"configure", "did not configure"},
                                             {"compile", "did not compile"},
                                             {"test", "failed its tests"},
                                             {"install", "did not install"},
                                             {"preinst", "failed before it was merged (pkg_preinst)"},
                                             {"postinst", "was merged, but its pkg_postinst failed"}};
  const auto found = kWords->find(phase);
  if (found != kWords->end()) return found->second;
  return phase.empty() ? "failed" : absl::StrCat("failed in its ", phase, " phase");
}

// Compilers and tools say "error" where the reason is; what make says of it afterwards is no reason.
std::string Reason(const std::vector<std::string>& tail) {
  for (const std::string& line : tail) {
    if (absl::StrContains(absl::AsciiStrToLower(line), "error:")) return line;
  }
  return tail.empty() ? "" : tail.back();
}

}  // namespace

std::vector<MergeEvent> MergeReport::Append(absl::string_view data) {
  std::vector<MergeEvent> events;
  while (!data.empty()) {
    const size_t end = data.find('\n');
    const absl::string_view piece = data.substr(0, end);
    if (!skipping_ && pending_.size() + piece.size() > kLongestLine) {
      skipping_ = true;
      pending_.clear();
    }
    if (!skipping_) pending_.append(piece.data(), piece.size());
    if (end == absl::string_view::npos) break;
    if (!skipping_) {
      if (std::optional<MergeEvent> event = ReadEvent(pending_)) events.push_back(*std::move(event));
    }
    pending_.clear();
    skipping_ = false;
    data.remove_prefix(end + 1);
  }
  return events;
}

std::string DescribeFailure(const MergeFailure& failure) {
  std::string text = absl::StrCat(failure.cpv, " ", InWords(failure.phase));
  if (!failure.message.empty()) absl::StrAppend(&text, ": ", failure.message);
  const std::string reason(absl::StripAsciiWhitespace(Reason(failure.tail)));
  if (!reason.empty() && reason != failure.message) absl::StrAppend(&text, ": ", reason);
  return text;
}

}  // namespace rootwright
