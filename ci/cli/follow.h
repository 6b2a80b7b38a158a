#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "ci/cli/event_stream.h"
#include "ci/cli/interrupts.h"
#include "ci/cli/presenter.h"

namespace rootwright::cli {

class BuildClient;

struct FollowOptions {
  StreamOptions stream;
  // After the first Ctrl-C: how long a second one still means "cancel the build".
  absl::Duration second_press_within = absl::Seconds(3);
  // Presses closer together count as one: timeout(1) and some shells send each signal both
  // to the process and to its group.
  absl::Duration one_press = absl::Milliseconds(200);
  // A build that waits longer than this is explained, and again so often.
  absl::Duration explain_after = absl::Milliseconds(500);
  absl::Duration explain_every = absl::Seconds(5);
};

// Shows a build until it ends and returns it, finished. The first Ctrl-C detaches, a second
// one cancels the build and stays to its end, a third leaves at once; SIGTERM leaves at
// once. Cancelled when the user left: the build goes on. Unavailable when the master
// stayed away for options.stream.reconnect_for.
absl::StatusOr<v1::Build> FollowBuild(BuildClient& client, Presenter& presenter, Interrupts& interrupts,
                                      const FollowOptions& options);

}  // namespace rootwright::cli
