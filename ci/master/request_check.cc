#include "ci/master/request_check.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/architecture.h"
#include "base/artifact_name.h"
#include "google/rpc/error_details.pb.h"
#include "proto/proto_architecture.h"

namespace rootwright::master {
namespace {

constexpr int64_t kMiB = 1 << 20;
constexpr int64_t kWallSecondsMax = 7 * 24 * 3600;

bool AllOf(absl::string_view text, absl::string_view also, bool upper) {
  return std::all_of(text.begin(), text.end(), [&](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return absl::ascii_islower(byte) || absl::ascii_isdigit(byte) || (upper && absl::ascii_isupper(byte)) ||
           also.find(c) != absl::string_view::npos;
  });
}

class Violations {
 public:
  void Add(absl::string_view field, absl::string_view description) {
    auto* violation = bad_.add_field_violations();
    violation->set_field(std::string(field));
    violation->set_description(std::string(description));
  }
  // When `holds` is false.
  void Require(bool holds, absl::string_view field, absl::string_view description) {
    if (!holds) Add(field, description);
  }
  absl::Status AsStatus() const {
    if (bad_.field_violations().empty()) return absl::OkStatus();
    const auto& first = bad_.field_violations(0);
    std::string message = absl::StrCat("build request: ", first.field(), ": ", first.description());
    if (bad_.field_violations_size() > 1) {
      absl::StrAppend(&message, " (and ", bad_.field_violations_size() - 1, " more)");
    }
    absl::Status status = absl::InvalidArgumentError(message);
    status.SetPayload(kBadRequestType, absl::Cord(bad_.SerializeAsString()));
    return status;
  }

 private:
  google::rpc::BadRequest bad_;
};

bool IsRelativePath(absl::string_view path) {
  if (!path.empty() && path.front() == '/') return false;
  if (path.find('\0') != absl::string_view::npos) return false;
  const std::vector<std::string> parts = absl::StrSplit(path, '/');
  return std::find(parts.begin(), parts.end(), "..") == parts.end();
}

void CheckTarget(const v1::BuildRequest& request, Violations& violations) {
  const v1::Target& target = request.target();
  const bool known = v1::Architecture_IsValid(target.architecture());
  violations.Require(target.architecture() != v1::ARCHITECTURE_UNSPECIFIED, "request.target.architecture",
                     "is required");
  violations.Require(known, "request.target.architecture", "is not an architecture that this master knows");
  if (const auto architecture = FromProto(target.architecture()); architecture && !target.abi().empty()) {
    const ArchitectureNames& names = NamesOf(*architecture);
    violations.Require(
        target.abi() == names.abi, "request.target.abi",
        absl::StrCat("must be absent or '", names.abi, "': no agent builds ", names.debian, " with another"));
  }
  violations.Require(target.cpu_model().size() <= 64 && AllOf(target.cpu_model(), "_.-", true),
                     "request.target.cpu_model", "must be at most 64 characters of [A-Za-z0-9_.-]");
  violations.Require(target.platform().size() <= 64 && AllOf(target.platform(), "_-", false),
                     "request.target.platform", "must be at most 64 characters of [a-z0-9_-]");
  violations.Require(v1::Isolation_IsValid(request.isolation()), "request.isolation",
                     "is not an isolation that this master knows");
  violations.Require(v1::Network_IsValid(request.network()), "request.network",
                     "is not a network that this master knows");
}

void CheckSource(const v1::BuildRequest& request, Violations& violations) {
  if (!request.has_source()) {
    violations.Require(!request.has_rootfs(), "request.source", "is required for a root filesystem");
    return;
  }
  const v1::GitSource& source = request.source();
  violations.Require(!source.url().empty(), "request.source.url", "is required");
  violations.Require(IsPrintable(source.url(), 2048), "request.source.url",
                     "must be at most 2048 printable bytes");
  violations.Require(source.url().rfind('-', 0) != 0, "request.source.url", "must not start with '-'");
  violations.Require(IsPrintable(source.ref(), 256), "request.source.ref",
                     "must be at most 256 printable bytes");
  violations.Require(source.ref().rfind('-', 0) != 0, "request.source.ref", "must not start with '-'");
  violations.Require(IsRelativePath(source.path()) && source.path().size() <= 4096, "request.source.path",
                     "must be a relative path without '..'");
}

void CheckRootfs(const v1::RootfsBuild& rootfs, Violations& violations) {
  const auto& shortcuts = rootfs.disabled_shortcuts();
  violations.Require(shortcuts.size() <= 32, "request.rootfs.disabled_shortcuts", "must be at most 32");
  for (int i = 0; i < std::min(shortcuts.size(), 32); ++i) {
    violations.Require(!shortcuts[i].empty() && shortcuts[i].size() <= 64 && AllOf(shortcuts[i], "-", false),
                       absl::StrCat("request.rootfs.disabled_shortcuts[", i, "]"),
                       "must be the name of a shortcut, characters of [a-z0-9-]");
  }
  violations.Require(rootfs.source_date().seconds() >= 0, "request.rootfs.source_date",
                     "must not be before 1970");
}

void CheckCommand(const v1::CommandBuild& command, Violations& violations) {
  size_t bytes = 0;
  bool has_nul = false;
  for (const std::string& word : command.argv()) {
    bytes += word.size() + 1;
    has_nul |= word.find('\0') != std::string::npos;
  }
  violations.Require(command.argv_size() > 0 && !command.argv(0).empty(), "request.command.argv",
                     "is required");
  violations.Require(command.argv_size() <= 1024 && bytes <= 128 << 10, "request.command.argv",
                     "must be at most 1024 words and 128 KiB");
  violations.Require(!has_nul, "request.command.argv", "must not hold a zero byte");
  violations.Require(command.environment_size() <= 256, "request.command.environment",
                     "must be at most 256 variables");
  bytes = 0;
  for (const auto& [name, value] : command.environment()) {
    bytes += name.size() + value.size();
    const bool plain = !name.empty() && name.find('=') == std::string::npos &&
                       name.find('\0') == std::string::npos && value.find('\0') == std::string::npos;
    violations.Require(plain, "request.command.environment",
                       "names must not be empty or hold '=' or a zero byte");
    if (!plain) break;
  }
  violations.Require(bytes <= 128 << 10, "request.command.environment", "must be at most 128 KiB");
  violations.Require(command.collect_size() <= 64, "request.command.collect", "must be at most 64 files");
  std::set<std::string> names;
  for (int i = 0; i < std::min(command.collect_size(), 64); ++i) {
    const std::string field = absl::StrCat("request.command.collect[", i, "]");
    violations.Require(!command.collect(i).empty() && IsPrintable(command.collect(i), 4096), field,
                       "must be a path of at most 4096 bytes");
    // What is collected becomes an artifact of that name.
    const std::string name = std::filesystem::path(command.collect(i)).filename().string();
    violations.Require(IsArtifactName(name), field, absl::StrCat("the file's name ", kArtifactNameRule));
    violations.Require(names.insert(name).second, field, "another file of the list has the same name");
  }
  violations.Require(IsPrintable(command.working_directory(), 4096), "request.command.working_directory",
                     "must be a path of at most 4096 bytes");
}

void CheckRange(int64_t value, int64_t least, int64_t most, absl::string_view field,
                absl::string_view description, Violations& violations) {
  // 0: the agent's default.
  if (value != 0) violations.Require(value >= least && value <= most, field, description);
}

void CheckTime(bool present, const google::protobuf::Duration& time, absl::string_view field,
               Violations& violations) {
  if (!present) return;
  const bool fits =
      time.seconds() >= 0 && time.nanos() >= 0 && time.nanos() < 1'000'000'000 &&
      (time.seconds() < kWallSecondsMax || (time.seconds() == kWallSecondsMax && time.nanos() == 0));
  violations.Require(fits, field, "must be from 0 to 7 days");
}

void CheckLimits(const v1::Limits& limits, Violations& violations) {
  constexpr int64_t kUnbounded = INT64_MAX;
  CheckTime(limits.has_wall(), limits.wall(), "request.limits.wall", violations);
  CheckTime(limits.has_silence(), limits.silence(), "request.limits.silence", violations);
  CheckTime(limits.has_boot(), limits.boot(), "request.limits.boot", violations);
  CheckRange(limits.memory_bytes(), 64 * kMiB, 1024 * 1024 * kMiB, "request.limits.memory_bytes",
             "must be from 64 MiB to 1 TiB", violations);
  CheckRange(limits.vcpus(), 1, 8, "request.limits.vcpus", "must be from 1 to 8", violations);
  CheckRange(limits.disk_bytes(), 64 * kMiB, kUnbounded, "request.limits.disk_bytes",
             "must be at least 64 MiB", violations);
  CheckRange(limits.log_bytes(), 1, kUnbounded, "request.limits.log_bytes", "must not be negative",
             violations);
  CheckRange(limits.processes(), 1, kUnbounded, "request.limits.processes", "must not be negative",
             violations);
}

void CheckOutputs(const v1::BuildRequest& request, Violations& violations) {
  violations.Require(request.outputs_size() <= 8, "request.outputs", "must be at most 8");
  std::set<int> seen;
  for (int i = 0; i < std::min(request.outputs_size(), 8); ++i) {
    const std::string field = absl::StrCat("request.outputs[", i, "]");
    const v1::OutputFormat format = request.outputs(i);
    violations.Require(format != v1::OUTPUT_FORMAT_UNSPECIFIED && v1::OutputFormat_IsValid(format), field,
                       "is not a format that this master knows");
    violations.Require(seen.insert(format).second, field, "is named twice");
  }
}

void CheckForPeople(const v1::BuildRequest& request, Violations& violations) {
  violations.Require(request.required_labels_size() <= 32, "request.required_labels", "must be at most 32");
  for (const auto& [key, value] : request.required_labels()) {
    const bool fits = !key.empty() && key.size() <= 63 && AllOf(key, "._/-", false) && value.size() <= 63 &&
                      AllOf(value, "._/-", true);
    if (fits) continue;
    violations.Add("request.required_labels",
                   "keys must be 1 to 63 characters of [a-z0-9._/-], values at most 63 of [A-Za-z0-9._/-]");
    break;
  }
  violations.Require(request.priority() >= -100 && request.priority() <= 100, "request.priority",
                     "must be from -100 to 100");
  violations.Require(request.trace_parent().size() <= 55 && AllOf(request.trace_parent(), "-", false),
                     "request.trace_parent", "must be a W3C traceparent of at most 55 characters");
  violations.Require(IsPrintable(request.display_name(), 128), "request.display_name",
                     "must be at most 128 bytes of printable UTF-8");
  CheckTime(request.has_keep_failed(), request.keep_failed(), "request.keep_failed", violations);
  const v1::WithoutMaster& alone = request.without_master();
  CheckTime(alone.has_go_on_for(), alone.go_on_for(), "request.without_master.go_on_for", violations);
  violations.Require(v1::WithoutMaster::Afterwards_IsValid(alone.afterwards()),
                     "request.without_master.afterwards", "is not known to this master");
}

}  // namespace

bool IsPrintable(absl::string_view text, size_t max_bytes) {
  // Proto strings are valid UTF-8 already; what is left are control characters.
  return text.size() <= max_bytes && std::none_of(text.begin(), text.end(), [](char c) {
           const auto byte = static_cast<unsigned char>(c);
           return byte < 0x20 || byte == 0x7f;
         });
}

absl::Status CheckRequest(const v1::SubmitBuildRequest& submit) {
  Violations violations;
  const v1::BuildRequest& request = submit.request();
  violations.Require(submit.idempotency_key().size() <= 128, "idempotency_key",
                     "must be at most 128 characters");
  CheckTarget(request, violations);
  CheckSource(request, violations);
  switch (request.routine_case()) {
    case v1::BuildRequest::kRootfs:
      CheckRootfs(request.rootfs(), violations);
      break;
    case v1::BuildRequest::kCommand:
      CheckCommand(request.command(), violations);
      break;
    default:
      violations.Add("request.routine", "one of rootfs and command is required");
  }
  CheckLimits(request.limits(), violations);
  CheckOutputs(request, violations);
  CheckForPeople(request, violations);
  return violations.AsStatus();
}

}  // namespace rootwright::master
