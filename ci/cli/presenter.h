#pragma once

#include <memory>
#include <string>

#include "base/clock.h"
#include "ci/cli/build_view.h"
#include "ci/cli/plain_view.h"
#include "ci/cli/report.h"
#include "ci/cli/screen.h"

namespace rootwright::cli {

// How a followed build is shown. One thread.
class Presenter {
 public:
  virtual ~Presenter() = default;

  virtual void Show(const v1::WatchBuildResponse& message) = 0;
  virtual void Explain(const v1::ExplainPendingResponse& why) = 0;
  // About following itself, e.g. a lost link; empty: no more.
  virtual void Notice(const std::string& notice) = 0;
  // Called after each batch of messages, and again at the time that it returns.
  virtual Instant Refresh(Instant now) = 0;
  // The last word.
  virtual void End(const Ending& ending) = 0;
};

// What to show it on, and how.
struct Presentation {
  Screen& out;
  // For what is not a build's own: notices beside JSON.
  Screen& error;
  const Clock& clock;
  absl::TimeZone zone;
  enum class Format { kLive, kPlain, kJson } format = Format::kPlain;
  LogLines log_lines = LogLines::kHide;
};

// The presentation outlives the presenter.
std::unique_ptr<Presenter> MakePresenter(const Presentation& presentation);

}  // namespace rootwright::cli
