#include "agent/config.h"

#include <unistd.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "agent/build/proto_time.h"
#include "agent/config.pb.h"
#include "base/file.h"
#include "base/status.h"
#include "google/protobuf/io/tokenizer.h"
#include "google/protobuf/text_format.h"

namespace rootwright {
namespace {

constexpr int64_t kLargestFile = 1 << 20;

// Keeps the parser's complaints, with places counted from 1.
class Complaints : public google::protobuf::io::ErrorCollector {
 public:
  explicit Complaints(absl::string_view source) : source_(source) {}
  void AddError(int line, int column, const std::string& message) override {
    lines_.push_back(absl::StrCat(source_, ":", line + 1, ":", column + 1, ": error: ", message));
  }
  void AddWarning(int line, int column, const std::string& message) override { AddError(line, column, message); }
  absl::Status ToStatus() const { return absl::InvalidArgumentError(absl::StrJoin(lines_, "\n")); }

 private:
  const std::string source_;
  std::vector<std::string> lines_;
};

std::string HostName() {
  char name[256] = "";
  gethostname(name, sizeof name - 1);
  std::string lower = absl::AsciiStrToLower(name);
  std::erase_if(lower, [](unsigned char c) {
    return !absl::ascii_islower(c) && !absl::ascii_isdigit(c) && c != '.' && c != '-';
  });
  return lower.empty() ? "agent" : lower.substr(0, 63);
}

bool AllOf(absl::string_view text, size_t least, absl::string_view extra, bool upper) {
  return text.size() >= least && text.size() <= 63 && std::all_of(text.begin(), text.end(), [&](unsigned char c) {
           return absl::ascii_islower(c) || absl::ascii_isdigit(c) || (upper && absl::ascii_isupper(c)) ||
                  extra.find(static_cast<char>(c)) != absl::string_view::npos;
         });
}

std::string Or(const std::string& value, const char* otherwise) { return value.empty() ? otherwise : value; }

BuildLimits Fill(const agent::v1::Limits& limits, const BuildLimits& otherwise) {
  v1::Limits asked;
  *asked.mutable_wall() = limits.wall();
  *asked.mutable_silence() = limits.silence();
  *asked.mutable_boot() = limits.boot();
  asked.set_memory_bytes(limits.memory_bytes());
  asked.set_vcpus(limits.vcpus());
  asked.set_disk_bytes(limits.disk_bytes());
  asked.set_log_bytes(limits.log_bytes());
  asked.set_processes(limits.processes());
  return FillLimits(asked, otherwise);
}

absl::Status Wrong(absl::string_view source, absl::string_view field, absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat(source, ": error: ", field, ": ", why));
}

absl::Status Check(const AgentConfig& config, absl::string_view source) {
  if (!AllOf(config.name, 1, ".-", false)) return Wrong(source, "name", "must be 1 to 63 characters of [a-z0-9.-]");
  if (config.slots < 1 || config.slots > 64) return Wrong(source, "slots", "must be 1 to 64");
  for (const auto& [key, value] : config.labels) {
    if (!AllOf(key, 1, "._/-", false)) return Wrong(source, "labels", absl::StrCat("'", key, "': the key must be 1 to 63 characters of [a-z0-9._/-]"));
    if (!AllOf(value, 0, "._/-", true)) return Wrong(source, "labels", absl::StrCat("'", key, "': the value must be at most 63 characters of [A-Za-z0-9._/-]"));
  }
  if (!config.state_folder.is_absolute()) return Wrong(source, "state_folder", "must be an absolute path");
  if (!config.image_folder.is_absolute()) return Wrong(source, "image_folder", "must be an absolute path");
  if (!config.package_folder.is_absolute()) return Wrong(source, "package_folder", "must be an absolute path");
  if (config.memory_bytes < 0) return Wrong(source, "memory_bytes", "must not be negative");
  if (const absl::Status limits = CheckLimits(config.default_limits, config.maximum_limits); !limits.ok()) {
    return Wrong(source, "default_limits", absl::StrCat("above maximum_limits: ", limits.message()));
  }
  static constexpr const char* kLevels[] = {"trace", "debug", "info", "warn", "error", "off"};
  if (std::find(std::begin(kLevels), std::end(kLevels), config.log_level) == std::end(kLevels)) {
    return Wrong(source, "log_level", absl::StrCat("must be one of ", absl::StrJoin(kLevels, ", ")));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<AgentConfig> ParseConfig(absl::string_view text, absl::string_view source) {
  agent::v1::AgentConfig proto;
  Complaints complaints(source);
  google::protobuf::TextFormat::Parser parser;
  parser.RecordErrorsTo(&complaints);
  parser.SetRecursionLimit(16);
  if (!parser.ParseFromString(std::string(text), &proto)) return complaints.ToStatus();

  AgentConfig config;
  config.name = proto.name().empty() ? HostName() : proto.name();
  config.master = proto.master();
  config.state_folder = Or(proto.state_folder(), "/var/lib/rootwright");
  config.image_folder = Or(proto.image_folder(), "/var/cache/rootwright/images");
  config.package_folder = Or(proto.package_folder(), "/var/cache/rootwright/packages");
  config.libvirt_uri = Or(proto.libvirt_uri(), "qemu:///system");
  config.admin_listen = Or(proto.admin_listen(), "127.0.0.1:0");
  config.slots = proto.slots() == 0 ? 1 : proto.slots();
  config.labels = {proto.labels().begin(), proto.labels().end()};
  for (const std::string& name : proto.targets()) {
    const auto architecture = ArchitectureFromDebianName(name);
    if (!architecture) return Wrong(source, "targets", absl::StrCat("'", name, "': not an architecture that we know"));
    config.targets.insert(*architecture);
  }
  config.default_limits = Fill(proto.default_limits(), BuildLimits());
  config.maximum_limits = Fill(proto.maximum_limits(), LargestLimits());
  config.memory_bytes = proto.memory_bytes();
  config.apt_mirror = Or(proto.apt_mirror(), "http://deb.debian.org/debian");
  config.apt_keyring = Or(proto.apt_keyring(), "/usr/share/keyrings/debian-archive-keyring.gpg");
  config.guest_programs = proto.guest_programs();
  config.shutdown_grace = proto.has_shutdown_grace() ? FromProto(proto.shutdown_grace()) : absl::Seconds(5);
  config.log_level = Or(proto.log_level(), "info");
  RW_RETURN_IF_ERROR(Check(config, source));
  return config;
}

absl::StatusOr<AgentConfig> ReadConfig(const std::filesystem::path& file) {
  if (file.empty()) return ParseConfig("", "defaults");
  RW_ASSIGN_OR_RETURN(const std::string text, ReadFile(file, kLargestFile));
  return ParseConfig(text, file.string());
}

}  // namespace rootwright
