#include "ci/cli/presenter.h"

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "ci/cli/json_line.h"

namespace rootwright::cli {
namespace {

constexpr std::chrono::milliseconds kFrame{100};

// A picture on a terminal, repainted ten times a second at most.
class LivePresenter final : public Presenter {
 public:
  explicit LivePresenter(const Presentation& presentation) : p_(presentation) {}

  void Show(const v1::WatchBuildResponse& message) override { view_.Apply(message); }
  void Explain(const v1::ExplainPendingResponse& why) override { view_.Explain(why); }
  void Notice(const std::string& notice) override { view_.SetNotice(notice); }

  Instant Refresh(Instant now) override {
    if (now < next_) return next_;
    p_.out.Repaint(view_.Lines(p_.clock.Wall(), p_.out.rows() - 1));
    next_ = now == Instant::max() ? now : now + kFrame;
    return next_;
  }

  void End(const Ending& ending) override {
    v1::WatchBuildResponse last;
    *last.mutable_build() = ending.build;
    view_.Apply(last);
    view_.SetNotice("");
    p_.out.Repaint(view_.Lines(p_.clock.Wall(), p_.out.rows() - 1));
    p_.out.Settle();
    p_.out.Write("\n");
    p_.out.Write(EndingLines(ending));
  }

 private:
  Presentation p_;
  BuildView view_;
  Instant next_ = Instant::min();
};

// Lines for pipes and files, written as they come.
class PlainPresenter final : public Presenter {
 public:
  explicit PlainPresenter(const Presentation& presentation)
      : p_(presentation), view_(presentation.zone, presentation.log_lines) {}

  void Show(const v1::WatchBuildResponse& message) override {
    if (message.has_build()) build_id_ = message.build().id();
    for (Line& line : view_.Apply(message)) lines_.push_back(std::move(line));
  }

  void Explain(const v1::ExplainPendingResponse& why) override {
    std::vector<Line> lines = WaitingLines(build_id_, why);
    if (Render(lines, Colour::kOff) == explained_) return;
    explained_ = Render(lines, Colour::kOff);
    for (Line& line : lines) lines_.push_back(std::move(line));
  }

  void Notice(const std::string& notice) override {
    if (!notice.empty()) p_.error.Write(absl::StrCat(notice, "\n"));
  }

  Instant Refresh(Instant) override {
    if (!lines_.empty()) p_.out.Write(lines_);
    lines_.clear();
    return Instant::max();
  }

  void End(const Ending& ending) override { p_.out.Write(EndingLines(ending)); }

 private:
  Presentation p_;
  PlainView view_;
  std::vector<Line> lines_;
  std::string build_id_;
  std::string explained_;
};

// One message a line.
class JsonPresenter final : public Presenter {
 public:
  explicit JsonPresenter(const Presentation& presentation) : p_(presentation) {}

  void Show(const v1::WatchBuildResponse& message) override { lines_.append(JsonLine(message)); }
  void Explain(const v1::ExplainPendingResponse&) override {}
  void Notice(const std::string& notice) override {
    if (!notice.empty()) p_.error.Write(absl::StrCat(notice, "\n"));
  }

  Instant Refresh(Instant) override {
    if (!lines_.empty()) p_.out.Write(lines_);
    lines_.clear();
    return Instant::max();
  }

  void End(const Ending& ending) override {
    v1::WatchBuildResponse last;
    *last.mutable_build() = ending.build;
    std::string lines = JsonLine(last);
    for (const auto& [name, path] : ending.files) {
      nlohmann::ordered_json line;
      line["downloaded"] = {{"name", name}, {"path", path}};
      absl::StrAppend(&lines, line.dump(), "\n");
    }
    p_.out.Write(lines);
  }

 private:
  Presentation p_;
  std::string lines_;
};

}  // namespace

std::unique_ptr<Presenter> MakePresenter(const Presentation& presentation) {
  switch (presentation.format) {
    case Presentation::Format::kLive:
      return std::make_unique<LivePresenter>(presentation);
    case Presentation::Format::kJson:
      return std::make_unique<JsonPresenter>(presentation);
    case Presentation::Format::kPlain:
      break;
  }
  return std::make_unique<PlainPresenter>(presentation);
}

}  // namespace rootwright::cli
