#include "archive/overlay_changes.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "archive/tar_reader.h"
#include "archive/tree_writer.h"
#include "base/status.h"

namespace rootwright {
namespace {

bool IsWhiteout(const TarEntry& entry) {
  return entry.kind == TarEntry::Kind::kCharDevice && entry.device == 0;
}

class OverlayApplier {
 public:
  OverlayApplier(TarReader reader, TreeWriter writer, const OverlayLimits& limits)
      : reader_(std::move(reader)), writer_(std::move(writer)), limits_(limits) {}

  absl::StatusOr<OverlayChanges> Run(Deadline deadline, const std::stop_token& stop);

 private:
  absl::Status Apply(const TarEntry& entry);
  absl::Status ApplyFolder(const TarEntry& entry);
  absl::Status Count(const TarEntry& entry);

  TarReader reader_;
  TreeWriter writer_;
  const OverlayLimits limits_;
  int64_t entries_ = 0;
  int64_t name_bytes_ = 0;
  // Their times and modes are set last: writing into a folder changes its time.
  std::vector<TarEntry> folders_;
  OverlayChanges changes_;
};

absl::Status OverlayApplier::Count(const TarEntry& entry) {
  name_bytes_ += static_cast<int64_t>(entry.path.size());
  if (++entries_ > limits_.entries) {
    return absl::ResourceExhaustedError(
        absl::StrCat("apply changes: more than ", limits_.entries, " entries"));
  }
  if (name_bytes_ > limits_.name_bytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat("apply changes: more than ", limits_.name_bytes, " bytes of names"));
  }
  return absl::OkStatus();
}

absl::Status OverlayApplier::ApplyFolder(const TarEntry& entry) {
  absl::StatusOr<bool> made = writer_.MakeFolder(entry.path);
  if (absl::IsAlreadyExists(made.status())) {
    RW_RETURN_IF_ERROR(writer_.Remove(entry.path));
    made = writer_.MakeFolder(entry.path);
  }
  RW_RETURN_IF_ERROR(made.status());
  const auto opaque = entry.xattrs.find("trusted.overlay.opaque");
  if (!*made && opaque != entry.xattrs.end() && opaque->second == "y") {
    RW_RETURN_IF_ERROR(writer_.Empty(entry.path));
    ++changes_.removed;
  }
  ++changes_.written;
  folders_.push_back(entry);
  return absl::OkStatus();
}

absl::Status OverlayApplier::Apply(const TarEntry& entry) {
  for (const char* reference : {"trusted.overlay.redirect", "trusted.overlay.metacopy"}) {
    if (entry.xattrs.contains(reference)) {
      return absl::FailedPreconditionError(
          absl::StrCat("apply changes: ", entry.path, ": has ", reference,
                       ": mount the overlay with redirect_dir=off,metacopy=off"));
    }
  }
  if (entry.kind == TarEntry::Kind::kFolder) return ApplyFolder(entry);
  RW_RETURN_IF_ERROR(writer_.Remove(entry.path));
  if (IsWhiteout(entry)) {
    ++changes_.removed;
    return absl::OkStatus();
  }
  const auto content = [&](std::span<char> into) -> absl::StatusOr<size_t> {
    RW_ASSIGN_OR_RETURN(const size_t got, reader_.Read(into));
    changes_.content_bytes += static_cast<int64_t>(got);
    return got;
  };
  const int64_t left = limits_.content_bytes - changes_.content_bytes;
  if (entry.size > left) {
    return absl::ResourceExhaustedError(absl::StrCat("apply changes: ", entry.path, ": more than ",
                                                     limits_.content_bytes, " bytes of content"));
  }
  ++changes_.written;
  return writer_.Make(entry, content, left);
}

absl::StatusOr<OverlayChanges> OverlayApplier::Run(Deadline deadline, const std::stop_token& stop) {
  TarEntry entry;
  for (;;) {
    if (stop.stop_requested()) return absl::CancelledError("apply changes: stopped");
    if (deadline.Passed()) return absl::DeadlineExceededError("apply changes: not done in time");
    RW_ASSIGN_OR_RETURN(const bool more, reader_.Next(entry));
    if (!more) break;
    RW_RETURN_IF_ERROR(Count(entry));
    RW_RETURN_IF_ERROR(Apply(entry));
  }
  for (auto folder = folders_.rbegin(); folder != folders_.rend(); ++folder) {
    const absl::Status set = writer_.SetFolder(*folder);
    // A later entry may have removed it.
    if (!set.ok() && !absl::IsNotFound(set)) return set;
  }
  return changes_;
}

}  // namespace

absl::StatusOr<OverlayChanges> ApplyOverlayChanges(int archive, const std::string& name,
                                                   const std::filesystem::path& tree,
                                                   const OverlayLimits& limits, Deadline deadline,
                                                   std::stop_token stop) {
  RW_ASSIGN_OR_RETURN(TarReader reader,
                      TarReader::OfFile(archive, 0, -1, TarReader::Compression::kNone, name));
  RW_ASSIGN_OR_RETURN(TreeWriter writer, TreeWriter::Create(tree, TreeWriter::Links::kRefuse));
  OverlayApplier applier(std::move(reader), std::move(writer), limits);
  return applier.Run(deadline, stop);
}

}  // namespace rootwright
