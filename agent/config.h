#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <set>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "agent/build/limits.h"
#include "base/architecture.h"

namespace rootwright {

// The configuration in our own terms, every default filled in. agent/config.proto is its manual.
struct AgentConfig {
  std::string name;
  std::string master;
  std::filesystem::path state_folder;
  std::filesystem::path image_folder;
  std::filesystem::path package_folder;
  std::string libvirt_uri;
  std::string admin_listen;
  int slots = 1;
  std::map<std::string, std::string> labels;
  // Empty: all that the host can.
  std::set<Architecture> targets;
  BuildLimits default_limits;
  BuildLimits maximum_limits;
  // 0: what the host has, less what it needs itself.
  int64_t memory_bytes = 0;
  std::string apt_mirror;
  std::filesystem::path apt_keyring;
  // Empty: the ones that came with the agent.
  std::filesystem::path guest_programs;
  absl::Duration shutdown_grace;
  std::string log_level;
};

// `text` is in protobuf's text format, `source` names it in messages. InvalidArgument lists every mistake as
// "file:line:column: error: what", one a line.
absl::StatusOr<AgentConfig> ParseConfig(absl::string_view text, absl::string_view source);
// Of a file; an empty path gives the defaults.
absl::StatusOr<AgentConfig> ReadConfig(const std::filesystem::path& file);

}  // namespace rootwright
