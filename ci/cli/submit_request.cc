#include "ci/cli/submit_request.h"

#include <system_error>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "base/architecture.h"
#include "base/file.h"
#include "base/status.h"
#include "ci/cli/units.h"
#include "executors/rootfs/spec/platforms.h"
#include "proto/proto_time.h"

namespace rootwright::cli {
namespace {

absl::Status Wrong(absl::string_view option, absl::string_view cause) {
  return absl::InvalidArgumentError(absl::StrCat("build submit: --", option, ": ", cause));
}

absl::Status TakeTime(const Arguments& arguments, const char* option,
                      google::protobuf::Duration* (*field)(v1::BuildRequest&), v1::BuildRequest& request) {
  if (!arguments.Has(option)) return absl::OkStatus();
  const auto time = ParseTimeSpan(arguments.Get(option));
  if (!time.ok()) return Wrong(option, time.status().message());
  *field(request) = ToProto(*time);
  return absl::OkStatus();
}

absl::Status TakeBytes(const Arguments& arguments, const char* option, void (v1::Limits::*set)(int64_t),
                       v1::BuildRequest& request) {
  if (!arguments.Has(option)) return absl::OkStatus();
  const auto bytes = ParseBytes(arguments.Get(option));
  if (!bytes.ok()) return Wrong(option, bytes.status().message());
  (request.mutable_limits()->*set)(*bytes);
  return absl::OkStatus();
}

absl::StatusOr<int32_t> TakeNumber(const Arguments& arguments, const char* option) {
  int32_t number = 0;
  if (!absl::SimpleAtoi(arguments.Get(option), &number)) {
    return Wrong(option, absl::StrCat("not a whole number: '", arguments.Get(option), "'"));
  }
  return number;
}

absl::Status TakePairs(const Arguments& arguments, const char* option,
                       google::protobuf::Map<std::string, std::string>& map) {
  for (const std::string& pair : arguments.All(option)) {
    const std::vector<std::string> parts = absl::StrSplit(pair, absl::MaxSplits('=', 1));
    if (parts.size() != 2 || parts[0].empty())
      return Wrong(option, absl::StrCat("not of the form NAME=VALUE: '", pair, "'"));
    map[parts[0]] = parts[1];
  }
  return absl::OkStatus();
}

// "tar.zst" → OUTPUT_FORMAT_TAR_ZST. The parser has seen to it that there is one.
template <typename Enum>
Enum EnumOf(absl::string_view prefix, const std::string& word, bool (*parse)(const std::string&, Enum*)) {
  Enum value = {};
  parse(absl::StrCat(prefix, absl::StrReplaceAll(absl::AsciiStrToUpper(word), {{".", "_"}})), &value);
  return value;
}

// What is checked out in a local repository; empty when that is no branch.
std::string CheckedOutBranch(const std::string& repository) {
  for (const char* head : {".git/HEAD", "HEAD"}) {
    const absl::StatusOr<std::string> text = ReadFile(std::filesystem::path(repository) / head, 4096);
    absl::string_view branch = text.ok() ? absl::StripAsciiWhitespace(*text) : "";
    if (absl::ConsumePrefix(&branch, "ref: refs/heads/")) return std::string(branch);
  }
  return "";
}

// Of the platform that --platform or else the branch names.
absl::StatusOr<Platform> PlatformOf(const Arguments& arguments, const v1::GitSource& source) {
  const std::vector<Platform> platforms = ShippedPlatforms();
  if (arguments.Has("platform")) return FindPlatform(platforms, arguments.Get("platform"));
  const std::string branch =
      source.ref().empty() && !IsRemoteUrl(source.url()) ? CheckedOutBranch(source.url()) : source.ref();
  return PlatformOfBranch(platforms, branch);
}

absl::Status TakeTarget(const Arguments& arguments, v1::BuildRequest& request) {
  v1::Target& target = *request.mutable_target();
  std::string architecture = arguments.Get("arch");
  target.set_cpu_model(arguments.Get("cpu"));
  target.set_abi(arguments.Get("abi"));
  target.set_platform(arguments.Get("platform"));
  if (architecture.empty()) {
    const absl::StatusOr<Platform> platform = PlatformOf(arguments, request.source());
    if (!platform.ok()) {
      return absl::InvalidArgumentError(
          "build submit: for which architecture? Add --arch arm64 (or amd64, armhf, riscv64, armel)");
    }
    architecture = NamesOf(platform->architecture).debian;
    target.set_platform(platform->name);
    if (target.cpu_model().empty()) target.set_cpu_model(platform->cpu_model);
  }
  target.set_architecture(EnumOf<v1::Architecture>(
      "ARCHITECTURE_", architecture,
      [](const std::string& n, v1::Architecture* v) { return v1::Architecture_Parse(n, v); }));
  if (arguments.Has("isolation")) {
    request.set_isolation(EnumOf<v1::Isolation>(
        "ISOLATION_", arguments.Get("isolation"),
        [](const std::string& n, v1::Isolation* v) { return v1::Isolation_Parse(n, v); }));
  }
  if (arguments.Has("network")) {
    request.set_network(
        EnumOf<v1::Network>("NETWORK_", arguments.Get("network"),
                            [](const std::string& n, v1::Network* v) { return v1::Network_Parse(n, v); }));
  }
  return absl::OkStatus();
}

absl::Status TakeLimits(const Arguments& arguments, v1::BuildRequest& request) {
  RW_RETURN_IF_ERROR(TakeTime(
      arguments, "wall", [](v1::BuildRequest& r) { return r.mutable_limits()->mutable_wall(); }, request));
  RW_RETURN_IF_ERROR(TakeTime(
      arguments, "silence", [](v1::BuildRequest& r) { return r.mutable_limits()->mutable_silence(); },
      request));
  RW_RETURN_IF_ERROR(TakeTime(
      arguments, "boot", [](v1::BuildRequest& r) { return r.mutable_limits()->mutable_boot(); }, request));
  RW_RETURN_IF_ERROR(TakeTime(
      arguments, "go-on-for",
      [](v1::BuildRequest& r) { return r.mutable_without_master()->mutable_go_on_for(); }, request));
  RW_RETURN_IF_ERROR(TakeTime(
      arguments, "keep-failed", [](v1::BuildRequest& r) { return r.mutable_keep_failed(); }, request));
  RW_RETURN_IF_ERROR(TakeBytes(arguments, "memory", &v1::Limits::set_memory_bytes, request));
  RW_RETURN_IF_ERROR(TakeBytes(arguments, "disk", &v1::Limits::set_disk_bytes, request));
  RW_RETURN_IF_ERROR(TakeBytes(arguments, "log-limit", &v1::Limits::set_log_bytes, request));
  if (arguments.Has("vcpus")) {
    RW_ASSIGN_OR_RETURN(const int32_t vcpus, TakeNumber(arguments, "vcpus"));
    request.mutable_limits()->set_vcpus(vcpus);
  }
  if (arguments.Has("processes")) {
    RW_ASSIGN_OR_RETURN(const int32_t processes, TakeNumber(arguments, "processes"));
    request.mutable_limits()->set_processes(processes);
  }
  const std::string afterwards = arguments.Get("afterwards");
  if (!afterwards.empty()) {
    request.mutable_without_master()->set_afterwards(afterwards == "keep" ? v1::WithoutMaster::AFTERWARDS_KEEP
                                                     : afterwards == "stop"
                                                         ? v1::WithoutMaster::AFTERWARDS_STOP
                                                         : v1::WithoutMaster::AFTERWARDS_STOP_AND_DISCARD);
  }
  return absl::OkStatus();
}

absl::Status TakeSource(const Arguments& arguments, const std::filesystem::path& current_folder,
                        v1::BuildRequest& request) {
  const std::string spec = arguments.Operand(0);
  if (spec.empty()) {
    if (arguments.Has("command")) return absl::OkStatus();
    return absl::InvalidArgumentError(
        "build submit: missing SPEC: a git URL or a folder of a local git repository");
  }
  v1::GitSource& source = *request.mutable_source();
  source.set_ref(arguments.Get("ref"));
  if (IsRemoteUrl(spec)) {
    source.set_url(spec);
    source.set_path(arguments.Get("path"));
    return absl::OkStatus();
  }
  RW_ASSIGN_OR_RETURN(const LocalSource local, FindRepository(current_folder / spec));
  source.set_url(local.repository.string());
  source.set_path((std::filesystem::path(local.path) / arguments.Get("path")).string());
  return absl::OkStatus();
}

absl::Status TakeRoutine(const Arguments& arguments, v1::BuildRequest& request) {
  if (!arguments.Has("command")) {
    request.mutable_rootfs()->set_keep_going(arguments.Has("keep-going"));
    request.mutable_rootfs()->set_without_binary_packages(arguments.Has("from-source"));
    for (const char* option : {"env", "collect", "working-directory"}) {
      if (arguments.Has(option)) return Wrong(option, "goes only with --command");
    }
    if (!arguments.rest.empty())
      return absl::InvalidArgumentError("build submit: a program after '--' goes only with --command");
    for (const std::string& name : arguments.All("disable-shortcut"))
      request.mutable_rootfs()->add_disabled_shortcuts(name);
    request.mutable_rootfs();
    for (const std::string& format : arguments.All("format")) {
      request.add_outputs(EnumOf<v1::OutputFormat>(
          "OUTPUT_FORMAT_", format,
          [](const std::string& n, v1::OutputFormat* v) { return v1::OutputFormat_Parse(n, v); }));
    }
    return absl::OkStatus();
  }
  if (arguments.rest.empty())
    return absl::InvalidArgumentError("build submit: --command needs a program after '--'");
  v1::CommandBuild& command = *request.mutable_command();
  command.mutable_argv()->Assign(arguments.rest.begin(), arguments.rest.end());
  for (const std::string& file : arguments.All("collect")) command.add_collect(file);
  command.set_working_directory(arguments.Get("working-directory"));
  return TakePairs(arguments, "env", *command.mutable_environment());
}

}  // namespace

bool IsRemoteUrl(absl::string_view text) {
  if (absl::StrContains(text, "://")) return true;
  // git's short form of ssh, "git@host:path": a colon before the first slash.
  const size_t colon = text.find(':');
  return colon != absl::string_view::npos && colon > 0 &&
         text.substr(0, colon).find('/') == absl::string_view::npos;
}

absl::StatusOr<LocalSource> FindRepository(const std::filesystem::path& folder) {
  std::error_code error;
  const std::filesystem::path whole = std::filesystem::canonical(folder, error);
  if (error || !std::filesystem::is_directory(whole)) {
    return absl::NotFoundError(absl::StrCat("build submit: no such folder: ", folder.string(),
                                            ": give a git URL or a local git folder"));
  }
  for (std::filesystem::path top = whole;; top = top.parent_path()) {
    const bool bare = std::filesystem::is_regular_file(top / "HEAD", error) &&
                      std::filesystem::is_directory(top / "objects", error);
    if (bare || std::filesystem::exists(top / ".git", error)) {
      const std::string path = whole == top ? "" : whole.lexically_relative(top).string();
      return LocalSource{top, path};
    }
    if (top == top.parent_path()) break;
  }
  return absl::FailedPreconditionError(
      absl::StrCat("build submit: not in a git repository: ", whole.string(),
                   ": builds are made of commits; begin with: git init && git add . && git commit -m first"));
}

absl::StatusOr<v1::SubmitBuildRequest> MakeSubmitRequest(const Arguments& arguments,
                                                         const std::filesystem::path& current_folder) {
  v1::SubmitBuildRequest submit;
  v1::BuildRequest& request = *submit.mutable_request();
  RW_RETURN_IF_ERROR(TakeRoutine(arguments, request));
  RW_RETURN_IF_ERROR(TakeSource(arguments, current_folder, request));
  RW_RETURN_IF_ERROR(TakeTarget(arguments, request));
  RW_RETURN_IF_ERROR(TakeLimits(arguments, request));
  RW_RETURN_IF_ERROR(TakePairs(arguments, "label", *request.mutable_required_labels()));
  if (arguments.Has("priority")) {
    RW_ASSIGN_OR_RETURN(const int32_t priority, TakeNumber(arguments, "priority"));
    request.set_priority(priority);
  }
  request.set_trace_parent(arguments.Get("trace-parent"));
  request.set_display_name(arguments.Get("name"));
  submit.set_idempotency_key(arguments.Get("key"));
  return submit;
}

}  // namespace rootwright::cli
