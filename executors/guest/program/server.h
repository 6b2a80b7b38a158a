#pragma once

#include <vector>

#include "executors/guest/program/port.h"
#include "executors/guest/program/session.h"

namespace rootwright::guest {

enum class ServeEnd { kShutdown, kHostGone };

// One way to the host, and what is said on it. Two of them do not wait for each other.
struct Line {
  Port& port;
  Session& session;
};

// The loop that joins ports, sessions and child processes, in one thread. Returns when the host
// asks for a shutdown, or when the first line is an inherited connection and ends.
ServeEnd Serve(const std::vector<Line>& lines);

}  // namespace rootwright::guest
