#pragma once

namespace rootwright {

// What an environment with a way out finds: the same everywhere, and the addresses that QEMU's user-mode
// network has made known (docs: qemu(1), -netdev user). IPv4 alone.
inline constexpr char kOutboundAddress[] = "10.0.2.15";
inline constexpr char kOutboundNetmask[] = "255.255.255.0";
inline constexpr char kOutboundGateway[] = "10.0.2.2";
// Answers with what the host's own resolver says.
inline constexpr char kOutboundResolver[] = "10.0.2.3";

}  // namespace rootwright
