#pragma once

#include <poll.h>

#include <cstddef>
#include <string>
#include <vector>

namespace rootwright::guest {

// The way to the host: a virtio-serial port, which stays open while hosts come and go; a
// listening socket, where the newest connection counts; or one connection that was inherited.
// Nothing blocks.
class Port {
 public:
  enum class Event { kNone, kReadable, kGone, kFinished };

  // Each false, with a line on the console, when it cannot be opened.
  bool OpenVirtio(const std::string& device);
  bool Listen(const std::string& path);
  void Adopt(int fd);
  ~Port();
  Port() = default;
  Port(const Port&) = delete;
  Port& operator=(const Port&) = delete;

  void AddPolls(std::vector<pollfd>& polls, bool read, bool write) const;
  // What one of `polls` means; kNone also for descriptors of others. kGone: the host went, or a
  // new one came in its place. kFinished: no other can come.
  Event OnReady(const pollfd& ready);
  // While no host is at the virtio port: looks whether one came; how long until it is due, else -1.
  void LookAgain();
  int WaitMillis() const;

  bool connected() const { return fd_ >= 0 && !absent_; }
  // As read(2) and write(2): 0 when nothing can be moved now.
  size_t Read(void* into, size_t size, Event& event);
  size_t Write(const void* from, size_t size);

 private:
  enum class Kind { kVirtio, kListening, kInherited };
  Event Lose();

  Kind kind_ = Kind::kInherited;
  int fd_ = -1;
  int listening_fd_ = -1;
  std::string path_;
  // No host is at the other end of the virtio port.
  bool absent_ = false;
};

}  // namespace rootwright::guest
