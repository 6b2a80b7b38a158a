#include "executors/rootfs/spec/overlay_attributes.h"

#include <gtest/gtest.h>

namespace rootwright {
namespace {

TEST(AttributeScript, SetsWhatIsAskedAndQuotesPaths) {
  OverlayAttribute shadow{"post_install_overlay", "etc/shadow", "", "shadow", 0640};
  OverlayAttribute program{"post_install_overlay", "usr/bin/it's; rm -rf $HOME", "root", "", 04755};
  OverlayAttribute other{"pre_install_overlay", "etc/early", "1000", "1000", std::nullopt};
  EXPECT_EQ(AttributeScript({shadow, other, program}, "post_install_overlay"),
            "set -e\n"
            "chown -h -- root:shadow '/etc/shadow'\n"
            "chmod 0640 '/etc/shadow'\n"
            "chown -h -- root:root '/usr/bin/it'\\''s; rm -rf $HOME'\n"
            "chmod 4755 '/usr/bin/it'\\''s; rm -rf $HOME'\n");
  EXPECT_EQ(AttributeScript({shadow, other, program}, "pre_install_overlay"),
            "set -e\nchown -h -- 1000:1000 '/etc/early'\n");
  EXPECT_EQ(AttributeScript({other}, "post_install_overlay"), "");
}

TEST(OwnerName, IsANameOrANumber) {
  for (const char* good : {"root", "www-data", "_apt", "1000", "systemd-network"})
    EXPECT_TRUE(IsOwnerName(good)) << good;
  for (const char* bad : {"", "-R", "a b", "a:b", "a;b", "ä", "$x", "."})
    EXPECT_FALSE(IsOwnerName(bad)) << bad;
}

}  // namespace
}  // namespace rootwright
