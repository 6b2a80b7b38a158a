#include "agent/build/build.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <exception>
#include <filesystem>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "agent/build/pipeline.h"
#include "agent/build/upload_artifacts.h"
#include "base/file.h"
#include "base/log.h"
#include "base/status.h"
#include "proto/proto_time.h"

namespace rootwright {
namespace {

// What the environment of a build that went well has for its own end; any other is ended by force.
constexpr absl::Duration kOrderlyEnd = absl::Seconds(3);

// The journal is on a full or failing disk.
Ending JournalBroken(const absl::Status& status) {
  return Infrastructure(v1::INFRASTRUCTURE_ERROR_CODE_HOST, true,
                        absl::StrCat("write the journal: ", status.message()));
}

// What is wrong before the first step: the request (the user's), or this host.
Ending NotPlanned(const absl::Status& status) {
  if (absl::IsInvalidArgument(status)) return Failed(std::string(status.message()));
  return FromStatus(status, "prepare", Place::kHost);
}

}  // namespace

Build::Build(std::shared_ptr<BuildJournal> journal, absl::StatusOr<PlannedBuild> plan, const Host& host)
    : journal_(std::move(journal)),
      plan_(std::move(plan)),
      limits_(plan_.ok() ? plan_->limits : BuildLimits()),
      host_(host),
      started_(host.clock.Now()),
      writer_(*journal_, host.clock, limits_.log_bytes, [this] { End(JournalBroken(writer_.status())); }),
      watchdog_(limits_, host.watchdog, host.clock, writer_,
                [this] { return AllocatedBytes(plan_->environment().work_folder); }) {}

absl::Status Build::Run() {
  Ending ending;
  try {
    ending = Prepare();
    if (ending.ok()) ending = RunSteps();
  } catch (const std::exception& error) {
    ending = Infrastructure(v1::INFRASTRUCTURE_ERROR_CODE_AGENT, true, absl::StrCat("build: ", error.what()));
  }
  EndEnvironment(ending.ok() ? kOrderlyEnd : absl::ZeroDuration());
  return Finish(ending);
}

Ending Build::Prepare() {
  Enter(v1::BUILD_STATE_PREPARING);
  if (!plan_.ok()) return NotPlanned(plan_.status());
  const std::filesystem::path own = plan_->environment().private_folder();
  absl::Status made = MakeFolders(own);
  if (made.ok() && chmod(own.c_str(), 0700) != 0) made = ErrnoStatus(errno, "set the mode of", own.string());
  if (!made.ok()) return NotPlanned(made);
  auto routine = host_.routines.Make(*plan_);
  if (!routine.ok()) return NotPlanned(routine.status());
  routine_ = *std::move(routine);
  return {};
}

Ending Build::RunSteps() {
  const auto running_from = static_cast<size_t>(routine_->preparing_steps());
  const size_t collecting_from = routine_->steps().size() - static_cast<size_t>(routine_->collecting_steps());
  const auto upload = MakeUploadArtifacts(routine_->artifacts(), lease(), host_.publisher, writer_);
  Step* const last = routine_->collecting_steps() > 0 ? upload.get() : nullptr;

  // Preparing has the wall limit of its own: a server that does not answer must not hold the slot for good.
  watchdog_.StartWallLimit();
  watchdog_.Start();
  Pipeline pipeline(writer_, watchdog_, *routine_, host_.clock);
  Ending ending = pipeline.Run(last, [&](size_t index) {
    if (index == running_from) {
      watchdog_.StartWallLimit();
      Enter(v1::BUILD_STATE_RUNNING);
    }
    if (index == collecting_from) Enter(v1::BUILD_STATE_COLLECTING);
  });
  if (ending.outcome == v1::OUTCOME_FAILED && !routine_->failure_artifacts().empty()) {
    const auto tell = MakeUploadArtifacts(routine_->failure_artifacts(), lease(), host_.publisher, writer_);
    pipeline.RunAfterFailure(*tell);
  }
  peak_memory_bytes_ = pipeline.peak_memory_bytes();
  cpu_ = std::max(pipeline.cpu(), watchdog_.cpu());
  return ending;
}

void Build::Enter(v1::BuildState state) {
  state_ = state;
  writer_.EnterState(state);
}

void Build::EndEnvironment(absl::Duration grace) {
  watchdog_.SetEnvironment(nullptr);
  watchdog_.Stop();
  if (routine_ == nullptr) return;
  if (const absl::Status status = routine_->EndEnvironment(grace); !status.ok()) {
    spdlog::warn("build {}: end its environment: {}", lease().build_id(), std::string(status.message()));
    writer_.Warn(absl::StrCat("end the environment: ", status.message()));
  }
  routine_.reset();
}

void Build::RemoveFiles() {
  if (!plan_.ok()) return;
  std::error_code error;
  std::filesystem::remove_all(plan_->environment().work_folder, error);
  if (error) spdlog::warn("build {}: remove its work folder: {}", lease().build_id(), error.message());
}

absl::Status Build::Finish(const Ending& ending) {
  v1::BuildFinished finished;
  finished.set_outcome(ending.outcome);
  finished.set_reason(ending.reason);
  if (ending.error) *finished.mutable_infrastructure_error() = *ending.error;
  *finished.mutable_wall() = ToProto(Since(started_, host_.clock.Now()));
  if (cpu_ > absl::ZeroDuration()) *finished.mutable_cpu() = ToProto(cpu_);
  finished.set_peak_memory_bytes(peak_memory_bytes_);
  RW_RETURN_IF_ERROR(writer_.Finish(std::move(finished)));
  state_ = v1::BUILD_STATE_FINISHED;
  spdlog::info("build {} attempt {}: {} {}", lease().build_id(), lease().attempt(),
               v1::Outcome_Name(ending.outcome), ending.reason);
  return journal_->Sync();
}

}  // namespace rootwright
