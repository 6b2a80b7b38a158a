#pragma once

#include <cstdint>
#include <string>
#include <thread>

#include "base/unique_fd.h"

namespace rootwright {

// Two network namespaces and a cable between them, for as long as it lives. The thread that makes it is in
// "host", and so is what it starts; its way out is `outside`, where somebody answers. Needs root and ip(8);
// throws where it cannot work.
class OutsideWorld {
 public:
  OutsideWorld();
  ~OutsideWorld();

  // Where "outside" answers each connection with "outside\n", and the name it knows it by.
  static constexpr char kAddress[] = "10.99.0.1";
  static constexpr char kName[] = "outside.example";
  uint16_t port() const { return port_; }
  // Of the host's loopback; TCP and UDP.
  uint16_t loopback_port() const { return loopback_port_; }
  // Takes datagrams outside.
  uint16_t datagram_port() const { return datagram_port_; }

  // Somebody came to the host's loopback since the last call.
  bool LoopbackWasReached();
  // A datagram came outside within some seconds.
  bool DatagramCame();
  // Whether names can be asked for: the host's first resolver is one that "outside" can stand in for.
  bool answers_names() const { return static_cast<bool>(names_); }

 private:
  void MakeCable(const std::string& resolver);
  void ListenOutside(const std::string& resolver);
  void Answer(const std::stop_token& stop);

  UniqueFd home_, outside_;
  UniqueFd server_, names_, datagrams_, loopback_, loopback_datagrams_;
  uint16_t port_ = 0, datagram_port_ = 0, loopback_port_ = 0;
  std::jthread answering_;
};

}  // namespace rootwright
