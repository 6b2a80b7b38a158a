#pragma once

#include "executors/guest/program/port.h"
#include "executors/guest/program/session.h"

namespace rootwright::guest {

enum class ServeEnd { kShutdown, kHostGone };

// The loop that joins port, session and child processes, in one thread. Returns when the host
// asks for a shutdown, or when an inherited connection ends.
ServeEnd Serve(Port& port, Session& session);

}  // namespace rootwright::guest
