#include "ci/cli/follow.h"

#include <algorithm>
#include <atomic>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "ci/cli/master_client.h"

namespace rootwright::cli {
namespace {

class Follower {
 public:
  Follower(BuildClient& client, Presenter& presenter, const FollowOptions& options)
      : client_(client),
        presenter_(presenter),
        options_(options),
        stream_(client, options.stream),
        explain_at_(Deadline::In(options.explain_after)) {}

  // On the thread of Interrupts.
  void Press(Interrupts::Kind kind) {
    const Instant now = std::chrono::steady_clock::now();
    if (last_press_.has_value() && Since(*last_press_, now) < options_.one_press) return;
    last_press_ = now;
    if (kind == Interrupts::Kind::kTerminate) terminated_ = true;
    stream_.Interrupt();
  }

  // After the handler of signals is set: a press just as the first event comes must find it.
  absl::StatusOr<v1::Build> Run() {
    stream_.Start();
    Instant refresh_at = Instant::min();
    for (;;) {
      StreamNews news = stream_.Take(NextDeadline(refresh_at));
      for (const v1::WatchBuildResponse& message : news.messages) Show(message);
      if (news.link.has_value()) presenter_.Notice(*news.link);
      if (news.end.has_value()) {
        presenter_.Refresh(Instant::max());
        return *std::move(news.end);
      }
      if (news.interrupts > presses_) OnPress(news.interrupts);
      ExplainIfDue();
      refresh_at = presenter_.Refresh(std::chrono::steady_clock::now());
      if (terminated_ || presses_ > 2 || detach_at_.Passed()) {
        presenter_.Refresh(Instant::max());
        const std::string& id = options_.stream.build_id;
        return absl::CancelledError(
            presses_ == 1 && !terminated_
                ? absl::StrCat("build ", id, " goes on without being followed")
                : absl::StrCat("detached, the build goes on: rootwright build watch ", id));
      }
    }
  }

 private:
  Deadline NextDeadline(Instant refresh_at) const {
    const Deadline soonest = Earlier(Deadline::At(refresh_at), detach_at_);
    return waiting_ ? Earlier(soonest, explain_at_) : soonest;
  }

  void Show(const v1::WatchBuildResponse& message) {
    if (message.has_build()) waiting_ = message.build().state() == v1::BUILD_STATE_QUEUED;
    if (message.has_event()) waiting_ = false;
    presenter_.Show(message);
  }

  void OnPress(int presses) {
    presses_ = presses;
    if (terminated_) return;
    const std::string& id = options_.stream.build_id;
    if (presses == 1) {
      detach_at_ = Deadline::In(options_.second_press_within);
      presenter_.Notice(absl::StrCat("detached, the build goes on; `rootwright build watch ", id,
                                     "`, or press again to cancel it"));
    } else if (presses == 2) {
      detach_at_ = Deadline::Never();
      const auto cancelled = client_.Cancel(id, "cancelled with Ctrl-C");
      presenter_.Notice(cancelled.ok() ? "cancelling the build; press again to leave at once"
                                       : absl::StrCat("! could not cancel: ", cancelled.status().message()));
    }
  }

  void ExplainIfDue() {
    if (!waiting_ || !explain_at_.Passed()) return;
    explain_at_ = Deadline::In(options_.explain_every);
    // A build that has just been taken cannot be explained; its next event says so anyway.
    if (const auto why = client_.Explain(options_.stream.build_id); why.ok()) presenter_.Explain(*why);
  }

  BuildClient& client_;
  Presenter& presenter_;
  const FollowOptions options_;
  EventStream stream_;
  std::atomic<bool> terminated_ = false;
  std::optional<Instant> last_press_;  // of Press's thread alone
  bool waiting_ = false;
  int presses_ = 0;
  Deadline explain_at_;
  Deadline detach_at_ = Deadline::Never();
};

}  // namespace

absl::StatusOr<v1::Build> FollowBuild(BuildClient& client, Presenter& presenter, Interrupts& interrupts,
                                      const FollowOptions& options) {
  Follower follower(client, presenter, options);
  interrupts.SetHandler([&follower](Interrupts::Kind kind) { follower.Press(kind); });
  const absl::Cleanup unset = [&interrupts] { interrupts.SetHandler([](Interrupts::Kind) {}); };
  return follower.Run();
}

}  // namespace rootwright::cli
