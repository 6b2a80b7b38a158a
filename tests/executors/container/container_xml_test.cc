#include "executors/container/container_xml.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "base/file.h"

namespace rootwright {
namespace {

ContainerDomain Example() {
  ContainerDomain domain;
  domain.name = "rootwright-7f3a";
  domain.architecture = "x86_64";
  domain.vcpus = 2;
  domain.memory_bytes = int64_t{512} << 20;
  domain.ids.first = 1879048192;
  domain.root = "/var/lib/rootwright/work/7f3a/container/root";
  domain.guest_folder = "/usr/lib/rootwright/guest/amd64";
  return domain;
}

TEST(ContainerXml, IsTheGoldenText) {
  const char* source = std::getenv("ROOTWRIGHT_SOURCE");
  const std::filesystem::path golden =
      std::filesystem::path(source == nullptr ? "." : source) / "tests/executors/container/golden/amd64.xml";
  EXPECT_EQ(ContainerXml(Example()), ReadFile(golden).value_or(""));
}

TEST(ContainerXml, EscapesWhatComesFromOutside) {
  ContainerDomain domain = Example();
  domain.name = "rootwright-<a&b>";
  domain.root = "/srv/it's \"here\"";
  const std::string xml = ContainerXml(domain);
  EXPECT_THAT(xml, ::testing::HasSubstr("<name>rootwright-&lt;a&amp;b&gt;</name>"));
  EXPECT_THAT(xml, ::testing::HasSubstr("<source dir='/srv/it&apos;s &quot;here&quot;'/>"));
}

TEST(ContainerXml, GivesNoCapabilityThatReachesBeyondTheContainer) {
  const std::string xml = ContainerXml(Example());
  EXPECT_THAT(xml, ::testing::HasSubstr("<capabilities policy='deny'>"));
  for (const char* name : {"sys_admin", "sys_module", "sys_ptrace", "net_admin", "net_raw", "sys_rawio",
                           "sys_boot", "sys_time", "syslog", "bpf", "perfmon", "sys_resource", "mac_admin"}) {
    EXPECT_THAT(xml, ::testing::Not(::testing::HasSubstr(name)));
  }
}

}  // namespace
}  // namespace rootwright
