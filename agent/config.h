#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/architecture.h"
#include "rootwright/v1/build.pb.h"

namespace rootwright {

// The agent's configuration with every default filled in. agent/config.proto says what each
// field means.
struct AgentConfig {
  std::string name;
  std::string master = "127.0.0.1:7420";
  std::filesystem::path state_folder = "/var/lib/rootwright";
  std::filesystem::path image_folder = "/var/cache/rootwright/images";
  std::filesystem::path build_root_folder = "/var/cache/rootwright/roots";
  // Empty: the one that came with the agent.
  std::filesystem::path portage_specification;
  std::filesystem::path package_folder = "/var/cache/rootwright/packages";
  std::string libvirt_uri = "qemu:///system";
  std::string container_uri = "lxc:///system";
  uint32_t container_first_id = 0x70000000;
  std::string admin_listen = "127.0.0.1:0";
  int slots = 1;
  std::map<std::string, std::string> labels;
  v1::Limits default_limits;
  v1::Limits maximum_limits;
  std::string apt_mirror = "http://deb.debian.org/debian";
  std::filesystem::path apt_keyring = "/usr/share/keyrings/debian-archive-keyring.gpg";
  // Empty: all that the host can build.
  std::set<Architecture> targets;
  std::string log_level = "info";
  // 0: what the host has, less what it needs itself.
  int64_t memory_bytes = 0;
  // Empty: the ones that came with the agent.
  std::filesystem::path guest_programs;
  absl::Duration shutdown_grace = absl::Seconds(5);
  absl::Duration libvirt_grace = absl::Seconds(60);
  struct Repository {
    std::string name;
    std::filesystem::path folder;
  };
  // Of ebuilds; the first is the main one.
  std::vector<Repository> portage_repositories;
  struct BinaryPackages {
    std::filesystem::path folder = "/var/cache/rootwright/binpkgs";
    int64_t quota_bytes = int64_t{20} << 30;
    std::vector<std::string> trusted_keys;
    bool off = false;
  };
  BinaryPackages binary_packages;
  // Empty: the platforms that came with the agent.
  std::filesystem::path platforms_file;
  std::filesystem::path distfile_folder = "/var/cache/rootwright/distfiles";
  absl::Duration maximum_keep_failed = absl::Hours(8);
  bool outbound_network = true;
};

// Reads protobuf's text format. InvalidArgument lists every mistake as "origin:line:column: …",
// one a line. An empty text is a good configuration.
absl::StatusOr<AgentConfig> ParseAgentConfig(absl::string_view text, absl::string_view origin);

// The same from a file.
absl::StatusOr<AgentConfig> ReadAgentConfig(const std::filesystem::path& path);

}  // namespace rootwright
