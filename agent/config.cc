#include "agent/config.h"

#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/text_format.h>
#include <google/protobuf/util/time_util.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "agent/build/limits.h"
#include "agent/config.pb.h"
#include "base/file.h"
#include "base/status.h"

namespace rootwright {
namespace {

using google::protobuf::util::TimeUtil;

constexpr int kMaxSlots = 64;
// Below are people and services; above, 4096 ranges would not fit into 32 bits.
constexpr uint32_t kLeastFirstId = 65'536;
constexpr uint32_t kMostFirstId = 4'000'000'000;
constexpr int kMaxVcpus = 8;
// A machine has six disks for inputs; two are taken by a build's own files and its sources.
constexpr int kMostRepositories = 4;
constexpr int kMostTrustedKeys = 64;
constexpr size_t kKeyDigits = 64;
constexpr size_t kLongestRepositoryName = 64;

// Collects what protobuf's parser and our own checks find wrong.
class Problems : public google::protobuf::io::ErrorCollector {
 public:
  explicit Problems(absl::string_view origin) : origin_(origin) {}

  // protobuf counts lines and columns from 0; -1 is no place.
  void AddError(int line, google::protobuf::io::ColumnNumber column, const std::string& message) override {
    lines_.push_back(absl::StrCat(origin_, ":", line + 1, ":", column + 1, ": ", message));
  }
  void AddWarning(int, google::protobuf::io::ColumnNumber, const std::string&) override {}

  void Add(const google::protobuf::TextFormat::ParseInfoTree& tree, absl::string_view field,
           absl::string_view message) {
    const auto* descriptor = agent::v1::AgentConfig::descriptor()->FindFieldByName(std::string(field));
    const auto place = tree.GetLocation(descriptor, descriptor->is_repeated() ? 0 : -1);
    AddError(place.line, place.column, absl::StrCat(field, ": ", message));
  }

  absl::Status ToStatus() const {
    if (lines_.empty()) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrJoin(lines_, "\n"));
  }

 private:
  const std::string origin_;
  std::vector<std::string> lines_;
};

std::string HostName() {
  char name[256] = "";
  gethostname(name, sizeof name - 1);
  return absl::AsciiStrToLower(name);
}

bool GoodName(absl::string_view name) {
  return !name.empty() && name.size() <= 63 && std::all_of(name.begin(), name.end(), [](char c) {
    return absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '.' || c == '-';
  });
}

// Fields that the file sets replace those in `limits`.
void Override(const agent::v1::AgentConfig::Limits& from, v1::Limits& limits) {
  if (from.has_wall()) *limits.mutable_wall() = from.wall();
  if (from.has_silence()) *limits.mutable_silence() = from.silence();
  if (from.has_boot()) *limits.mutable_boot() = from.boot();
  if (from.memory_bytes() != 0) limits.set_memory_bytes(from.memory_bytes());
  if (from.vcpus() != 0) limits.set_vcpus(from.vcpus());
  if (from.disk_bytes() != 0) limits.set_disk_bytes(from.disk_bytes());
  if (from.log_bytes() != 0) limits.set_log_bytes(from.log_bytes());
  if (from.processes() != 0) limits.set_processes(from.processes());
}

bool Positive(const v1::Limits& limits) {
  const google::protobuf::Duration zero;
  return limits.wall() > zero && limits.silence() > zero && limits.boot() > zero &&
         limits.memory_bytes() > 0 && limits.vcpus() > 0 && limits.vcpus() <= kMaxVcpus &&
         limits.disk_bytes() > 0 && limits.log_bytes() > 0 && limits.processes() > 0;
}

bool Within(const v1::Limits& limits, const v1::Limits& maximum) {
  return limits.wall() <= maximum.wall() && limits.silence() <= maximum.silence() &&
         limits.boot() <= maximum.boot() && limits.memory_bytes() <= maximum.memory_bytes() &&
         limits.vcpus() <= maximum.vcpus() && limits.disk_bytes() <= maximum.disk_bytes() &&
         limits.log_bytes() <= maximum.log_bytes() && limits.processes() <= maximum.processes();
}

void Take(const std::string& from, std::string& to) {
  if (!from.empty()) to = from;
}

void TakeFolder(const google::protobuf::TextFormat::ParseInfoTree& tree, absl::string_view field,
                const std::string& from, std::filesystem::path& to, Problems& problems) {
  if (from.empty()) return;
  to = from;
  if (!to.is_absolute()) problems.Add(tree, field, absl::StrCat("'", from, "' is not an absolute path"));
}

void CheckLimits(const google::protobuf::TextFormat::ParseInfoTree& tree, const AgentConfig& config,
                 Problems& problems) {
  if (!Positive(config.default_limits)) {
    problems.Add(tree, "default_limits", "every limit must be more than zero, and vcpus at most 8");
  }
  if (!Positive(config.maximum_limits)) {
    problems.Add(tree, "maximum_limits", "every limit must be more than zero, and vcpus at most 8");
  }
  if (!Within(config.default_limits, config.maximum_limits)) {
    problems.Add(tree, "default_limits", "a default is larger than its maximum in maximum_limits");
  }
}

// As Portage's own configuration can hold them.
bool GoodRepositoryName(absl::string_view name) {
  return !name.empty() && name.size() <= kLongestRepositoryName && name[0] != '-' &&
         std::all_of(name.begin(), name.end(),
                     [](unsigned char c) { return absl::ascii_isalnum(c) || c == '-' || c == '_'; });
}

void TakeRepositories(const google::protobuf::TextFormat::ParseInfoTree& tree,
                      const agent::v1::AgentConfig::Portage& from, AgentConfig& config, Problems& problems) {
  if (from.repository_size() > kMostRepositories)
    problems.Add(tree, "portage", absl::StrCat("at most ", kMostRepositories, " repositories are possible"));
  std::set<std::string> names;
  for (const agent::v1::AgentConfig::Repository& repository : from.repository()) {
    const auto wrong = [&](absl::string_view what) {
      problems.Add(tree, "portage",
                   absl::StrCat("repository '", absl::CHexEscape(repository.name()), "': ", what));
    };
    if (!GoodRepositoryName(repository.name())) wrong("letters, digits, '-' and '_' are a name");
    if (!names.insert(repository.name()).second) wrong("stands here again");
    if (!std::filesystem::path(repository.path()).is_absolute())
      wrong(absl::StrCat("'", absl::CHexEscape(repository.path()), "' is not an absolute path"));
    config.portage_repositories.push_back({repository.name(), repository.path()});
  }
}

void TakeBinaryPackages(const google::protobuf::TextFormat::ParseInfoTree& tree,
                        const agent::v1::AgentConfig::BinaryPackages& from,
                        AgentConfig::BinaryPackages& packages, Problems& problems) {
  if (!from.folder().empty()) packages.folder = from.folder();
  if (!packages.folder.is_absolute())
    problems.Add(tree, "portage", "binary_packages: the folder is not an absolute path");
  if (from.quota_bytes() != 0) packages.quota_bytes = from.quota_bytes();
  if (packages.quota_bytes < 0)
    problems.Add(tree, "portage", "binary_packages: quota_bytes must not be negative");
  if (from.trusted_key_size() > kMostTrustedKeys)
    problems.Add(tree, "portage",
                 absl::StrCat("binary_packages: at most ", kMostTrustedKeys, " keys are possible"));
  for (const std::string& key : from.trusted_key()) {
    if (key.size() != kKeyDigits || key.find_first_not_of("0123456789abcdef") != std::string::npos) {
      problems.Add(tree, "portage",
                   absl::StrCat("binary_packages: trusted_key '", absl::CHexEscape(key),
                                "': 64 digits of 0-9a-f are a key"));
    }
    packages.trusted_keys.push_back(key);
  }
  packages.off = from.off();
}

}  // namespace

absl::StatusOr<AgentConfig> ParseAgentConfig(absl::string_view text, absl::string_view origin) {
  Problems problems(origin);
  agent::v1::AgentConfig file;
  google::protobuf::TextFormat::ParseInfoTree tree;
  google::protobuf::TextFormat::Parser parser;
  parser.RecordErrorsTo(&problems);
  parser.WriteLocationsTo(&tree);
  parser.SetRecursionLimit(32);
  if (!parser.ParseFromString(std::string(text), &file)) return problems.ToStatus();

  AgentConfig config;
  config.name = HostName();
  Take(file.name(), config.name);
  if (!GoodName(config.name)) {
    problems.Add(tree, "name",
                 absl::StrCat("'", config.name, "': 1 to 63 characters of a-z, 0-9, '.' and '-' are a name"));
  }
  Take(file.master(), config.master);
  TakeFolder(tree, "state_folder", file.state_folder(), config.state_folder, problems);
  TakeFolder(tree, "image_folder", file.image_folder(), config.image_folder, problems);
  TakeFolder(tree, "build_root_folder", file.build_root_folder(), config.build_root_folder, problems);
  TakeFolder(tree, "portage_specification", file.portage_specification(), config.portage_specification,
             problems);
  TakeFolder(tree, "package_folder", file.package_folder(), config.package_folder, problems);
  TakeFolder(tree, "apt_keyring", file.apt_keyring(), config.apt_keyring, problems);
  Take(file.libvirt_uri(), config.libvirt_uri);
  absl::string_view rest = config.libvirt_uri;
  if (absl::ConsumePrefix(&rest, "qemu")) config.container_uri = absl::StrCat("lxc", rest);
  Take(file.container_uri(), config.container_uri);
  if (file.container_first_id() != 0) config.container_first_id = file.container_first_id();
  if (config.container_first_id < kLeastFirstId || config.container_first_id > kMostFirstId)
    problems.Add(tree, "container_first_id", "65536 to 4000000000 are possible");
  Take(file.admin_listen(), config.admin_listen);
  Take(file.apt_mirror(), config.apt_mirror);
  if (file.slots() != 0) config.slots = file.slots();
  if (config.slots < 1 || config.slots > kMaxSlots)
    problems.Add(tree, "slots", "1 to 64 builds can run at one time");
  config.labels.insert(file.labels().begin(), file.labels().end());
  config.default_limits = ToProto(BuildLimits());
  Override(file.default_limits(), config.default_limits);
  config.maximum_limits = ToProto(LargestLimits());
  Override(file.maximum_limits(), config.maximum_limits);
  CheckLimits(tree, config, problems);
  for (const std::string& target : file.targets()) {
    const std::optional<Architecture> architecture = ArchitectureFromDebianName(target);
    if (architecture)
      config.targets.insert(*architecture);
    else
      problems.Add(tree, "targets",
                   absl::StrCat("'", target,
                                "': no such architecture; there are amd64, arm64, armhf, riscv64, armel"));
  }
  Take(file.log_level(), config.log_level);
  if (config.log_level != "debug" && config.log_level != "info" && config.log_level != "warn" &&
      config.log_level != "error") {
    problems.Add(tree, "log_level",
                 absl::StrCat("'", config.log_level, "': there are debug, info, warn, error"));
  }
  config.memory_bytes = file.memory_bytes();
  if (config.memory_bytes < 0) problems.Add(tree, "memory_bytes", "must not be negative");
  TakeFolder(tree, "guest_programs", file.guest_programs(), config.guest_programs, problems);
  if (file.has_shutdown_grace()) {
    config.shutdown_grace = absl::Nanoseconds(TimeUtil::DurationToNanoseconds(file.shutdown_grace()));
  }
  if (file.has_outbound_network()) config.outbound_network = file.outbound_network();
  if (file.has_maximum_keep_failed()) {
    config.maximum_keep_failed =
        absl::Nanoseconds(TimeUtil::DurationToNanoseconds(file.maximum_keep_failed()));
    if (config.maximum_keep_failed < absl::ZeroDuration())
      problems.Add(tree, "maximum_keep_failed", "must not be less than zero");
  }
  if (file.has_libvirt_grace()) {
    config.libvirt_grace = absl::Nanoseconds(TimeUtil::DurationToNanoseconds(file.libvirt_grace()));
    if (config.libvirt_grace <= absl::ZeroDuration())
      problems.Add(tree, "libvirt_grace", "must be more than zero");
  }
  TakeRepositories(tree, file.portage(), config, problems);
  TakeBinaryPackages(tree, file.portage().binary_packages(), config.binary_packages, problems);
  TakeFolder(tree, "platforms_file", file.platforms_file(), config.platforms_file, problems);
  TakeFolder(tree, "distfile_folder", file.distfile_folder(), config.distfile_folder, problems);
  RW_RETURN_IF_ERROR(problems.ToStatus());
  return config;
}

absl::StatusOr<AgentConfig> ReadAgentConfig(const std::filesystem::path& path) {
  RW_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, 1 << 20));
  return ParseAgentConfig(text, path.string());
}

}  // namespace rootwright
