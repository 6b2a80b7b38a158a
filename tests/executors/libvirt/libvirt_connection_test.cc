#include "executors/libvirt/libvirt_connection.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/mutex.h"

namespace rootwright {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// libvirt's own fake hypervisor: one for the whole process, with a domain called "test".
constexpr char kFake[] = "test:///default";

std::unique_ptr<LibvirtConnection> ConnectTo(const std::string& uri) {
  LibvirtSettings settings;
  settings.uri = uri;
  absl::StatusOr<std::unique_ptr<LibvirtConnection>> connection = LibvirtConnection::Create(settings);
  EXPECT_TRUE(connection.ok()) << connection.status();
  return *std::move(connection);
}

std::string FakeDomain(const std::string& name) {
  return absl::StrCat("<domain type='test'><name>", name,
                      "</name><memory>8192</memory><os><type>hvm</type></os></domain>");
}

// Events of one domain, in order, waited for.
class Heard {
 public:
  LibvirtConnection::DomainListener Listener() {
    return [this](DomainEvent event) {
      MutexLock lock(mutex_);
      events_.push_back(event);
      changed_.notify_all();
    };
  }
  std::vector<DomainEvent> Await(size_t count) {
    MutexLock lock(mutex_);
    changed_.wait_for(mutex_, std::chrono::seconds(30), [&] { return events_.size() >= count; });
    return events_;
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  std::vector<DomainEvent> events_;
};

TEST(LibvirtConnection, AnswersWhenTheDaemonDoes) {
  const auto connection = ConnectTo(kFake);
  EXPECT_TRUE(connection->Check().ok()) << connection->Check();
  EXPECT_THAT(*connection->DaemonVersion(), HasSubstr("."));
  EXPECT_THAT(*connection->Capabilities(), HasSubstr("<capabilities>"));
}

TEST(LibvirtConnection, IsUnavailableAtOnceWithoutADaemon) {
  const auto connection = ConnectTo("qemu+unix:///system?socket=/nonexistent/libvirt-sock");
  const absl::Status status = connection->Check();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), HasSubstr("/nonexistent/libvirt-sock"));
  EXPECT_EQ(connection->CreateDomain("rootwright-1", FakeDomain("rootwright-1")).code(),
            absl::StatusCode::kUnavailable);
}

TEST(LibvirtConnection, TellsAListenerOfItsDomainOnly) {
  const auto connection = ConnectTo(kFake);
  Heard mine;
  Heard other;
  const auto listening = connection->Listen("rootwright-mine", mine.Listener());
  const auto elsewhere = connection->Listen("rootwright-other", other.Listener());
  ASSERT_TRUE(connection->CreateDomain("rootwright-mine", FakeDomain("rootwright-mine")).ok());
  ASSERT_TRUE(connection->DestroyDomain("rootwright-mine").ok());
  EXPECT_THAT(mine.Await(2), ElementsAre(DomainEvent::kStarted, DomainEvent::kStopped));
  EXPECT_THAT(other.Await(0), IsEmpty());
}

TEST(LibvirtConnection, ListsDomainsByPrefix) {
  const auto connection = ConnectTo(kFake);
  ASSERT_TRUE(connection->CreateDomain("rootwright-a", FakeDomain("rootwright-a")).ok());
  EXPECT_THAT(*connection->ListDomains("rootwright-"), ElementsAre("rootwright-a"));
  EXPECT_TRUE(connection->DomainCpuTime("rootwright-a").ok());
  EXPECT_THAT(*connection->DomainDescription("rootwright-a"), HasSubstr("<name>rootwright-a</name>"));
  ASSERT_TRUE(connection->DestroyDomain("rootwright-a").ok());
  EXPECT_THAT(*connection->ListDomains("rootwright-"), IsEmpty());
}

TEST(LibvirtConnection, NamesTheDomainThatIsNotThere) {
  const auto connection = ConnectTo(kFake);
  const absl::Status status = connection->DestroyDomain("rootwright-gone");
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), HasSubstr("destroy domain: rootwright-gone: "));
}

TEST(LibvirtConnection, RefusesBrokenXmlWithLibvirtsWords) {
  const auto connection = ConnectTo(kFake);
  const absl::Status status = connection->CreateDomain("rootwright-bad", "<domain>");
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("create domain: rootwright-bad: "));
}

TEST(LibvirtConnection, IsSilentAfterTheSubscriptionEnded) {
  const auto connection = ConnectTo(kFake);
  Heard first;
  Heard second;
  auto listening = connection->Listen("rootwright-s", first.Listener());
  listening.reset();
  const auto still = connection->Listen("rootwright-s", second.Listener());
  ASSERT_TRUE(connection->CreateDomain("rootwright-s", FakeDomain("rootwright-s")).ok());
  ASSERT_TRUE(connection->DestroyDomain("rootwright-s").ok());
  EXPECT_EQ(second.Await(2).size(), 2u);
  EXPECT_THAT(first.Await(0), IsEmpty());
}

TEST(LibvirtConnection, ServesManyThreads) {
  const auto connection = ConnectTo(kFake);
  std::atomic<int> good = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&, name = absl::StrCat("rootwright-t", i)] {
      Heard heard;
      const auto listening = connection->Listen(name, heard.Listener());
      const bool ok = connection->CreateDomain(name, FakeDomain(name)).ok() &&
                      connection->DomainCpuTime(name).ok() && connection->DestroyDomain(name).ok() &&
                      heard.Await(2).size() == 2;
      if (ok) ++good;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(good, 8);
}

TEST(LibvirtConnection, ComesAndGoesBesideAnother) {
  const auto staying = ConnectTo(kFake);
  for (int i = 0; i < 5; ++i) ConnectTo(kFake);
  EXPECT_TRUE(staying->Check().ok());
}

}  // namespace
}  // namespace rootwright
