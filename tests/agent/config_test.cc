#include "agent/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "absl/strings/str_cat.h"

namespace rootwright {
namespace {

using testing::HasSubstr;

std::string Refusal(absl::string_view text) {
  const absl::StatusOr<AgentConfig> config = ParseAgentConfig(text, "agent.textproto");
  return config.ok() ? "accepted" : std::string(config.status().message());
}

TEST(AgentConfig, EmptyTextIsAllDefaults) {
  const absl::StatusOr<AgentConfig> config = ParseAgentConfig("", "x");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_FALSE(config->name.empty());
  EXPECT_EQ(config->slots, 1);
  EXPECT_EQ(config->default_limits.vcpus(), 1);
  EXPECT_EQ(config->maximum_limits.vcpus(), 8);
  EXPECT_TRUE(config->targets.empty());
}

TEST(AgentConfig, ExampleSaysWhatTheDefaultsAre) {
  const char* source = std::getenv("ROOTWRIGHT_SOURCE");
  ASSERT_NE(source, nullptr);
  const absl::StatusOr<AgentConfig> example =
      ReadAgentConfig(absl::StrCat(source, "/examples/agent.textproto"));
  const absl::StatusOr<AgentConfig> empty = ParseAgentConfig("", "x");
  ASSERT_TRUE(example.ok()) << example.status();
  EXPECT_EQ(example->master, empty->master);
  EXPECT_EQ(example->state_folder, empty->state_folder);
  EXPECT_EQ(example->image_folder, empty->image_folder);
  EXPECT_EQ(example->package_folder, empty->package_folder);
  EXPECT_EQ(example->build_root_folder, empty->build_root_folder);
  EXPECT_EQ(example->libvirt_uri, empty->libvirt_uri);
  EXPECT_EQ(example->container_uri, empty->container_uri);
  EXPECT_EQ(example->container_first_id, empty->container_first_id);
  EXPECT_EQ(example->admin_listen, empty->admin_listen);
  EXPECT_EQ(example->slots, empty->slots);
  EXPECT_EQ(example->default_limits.SerializeAsString(), empty->default_limits.SerializeAsString());
  EXPECT_EQ(example->maximum_limits.SerializeAsString(), empty->maximum_limits.SerializeAsString());
  EXPECT_EQ(example->apt_mirror, empty->apt_mirror);
  EXPECT_EQ(example->apt_keyring, empty->apt_keyring);
  EXPECT_EQ(example->shutdown_grace, empty->shutdown_grace);
  EXPECT_EQ(example->libvirt_grace, empty->libvirt_grace);
  EXPECT_EQ(example->maximum_keep_failed, empty->maximum_keep_failed);
  EXPECT_EQ(example->outbound_network, empty->outbound_network);
}

TEST(AgentConfig, TakesRepositoriesOfEbuildsInOrder) {
  const absl::StatusOr<AgentConfig> config = ParseAgentConfig(
      "portage { repository { name: 'gentoo' path: '/g' } repository { name: 'own' path: '/o' } }", "x");
  ASSERT_TRUE(config.ok()) << config.status();
  ASSERT_EQ(config->portage_repositories.size(), 2U);
  EXPECT_EQ(config->portage_repositories[0].name, "gentoo");
  EXPECT_EQ(config->portage_repositories[1].folder, "/o");
  EXPECT_THAT(Refusal("portage { repository { name: 'a b' path: '/g' } }"), HasSubstr("are a name"));
  EXPECT_THAT(Refusal("portage { repository { name: 'a' path: 'g' } }"), HasSubstr("not an absolute path"));
}

TEST(AgentConfig, OneLimitReplacesOneDefault) {
  const absl::StatusOr<AgentConfig> config = ParseAgentConfig("default_limits { vcpus: 2 }", "x");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->default_limits.vcpus(), 2);
  EXPECT_EQ(config->default_limits.memory_bytes(), int64_t{1} << 30);
}

TEST(AgentConfig, UnknownFieldIsNamedWithItsPlace) {
  EXPECT_THAT(Refusal("name: \"a\"\nslot: 2\n"), HasSubstr("agent.textproto:2:"));
  EXPECT_THAT(Refusal("name: \"a\"\nslot: 2\n"), HasSubstr("slot"));
}

TEST(AgentConfig, EveryMistakeIsTold) {
  const std::string refusal =
      Refusal("slots: 65\nstate_folder: \"here\"\ntargets: \"pdp11\"\nlog_level: \"loud\"\n");
  EXPECT_THAT(refusal, HasSubstr("agent.textproto:1:1: slots"));
  EXPECT_THAT(refusal, HasSubstr("agent.textproto:2:1: state_folder: 'here' is not an absolute path"));
  EXPECT_THAT(refusal, HasSubstr("agent.textproto:3:1: targets: 'pdp11'"));
  EXPECT_THAT(refusal, HasSubstr("agent.textproto:4:1: log_level"));
}

TEST(AgentConfig, DefaultBeyondItsMaximumIsRefused) {
  EXPECT_THAT(Refusal("maximum_limits { memory_bytes: 1000 }"), HasSubstr("default_limits"));
}

TEST(AgentConfig, BadNameIsRefused) { EXPECT_THAT(Refusal("name: \"Builder 1\""), HasSubstr("'Builder 1'")); }

TEST(AgentConfig, ContainersAreWhereMachinesAreUnlessSaidOtherwise) {
  EXPECT_EQ(ParseAgentConfig("libvirt_uri: \"qemu+unix:///system?socket=/run/x\"", "test")->container_uri,
            "lxc+unix:///system?socket=/run/x");
  EXPECT_EQ(ParseAgentConfig("container_uri: \"lxc:///elsewhere\"", "test")->container_uri,
            "lxc:///elsewhere");
  EXPECT_FALSE(ParseAgentConfig("container_first_id: 1000", "test").ok());
}

TEST(ParseAgentConfig, TakesTheCacheOfBinaryPackages) {
  const absl::StatusOr<AgentConfig> config = ParseAgentConfig(
      absl::StrCat("portage { binary_packages { folder: '/srv/binpkgs' quota_bytes: 5 trusted_key: '",
                   std::string(64, 'a'), "' } }"),
      "agent.textproto");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->binary_packages.folder, "/srv/binpkgs");
  EXPECT_EQ(config->binary_packages.quota_bytes, 5);
  EXPECT_EQ(config->binary_packages.trusted_keys.size(), 1U);
  EXPECT_FALSE(config->binary_packages.off);
  EXPECT_EQ(ParseAgentConfig("", "agent.textproto")->binary_packages.folder, "/var/cache/rootwright/binpkgs");
  for (const char* wrong : {"folder: 'here'", "quota_bytes: -1", "trusted_key: 'A'"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(
        ParseAgentConfig(absl::StrCat("portage { binary_packages { ", wrong, " } }"), "agent.textproto")
            .status()))
        << wrong;
  }
}

}  // namespace
}  // namespace rootwright
