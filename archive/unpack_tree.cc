#include "archive/unpack_tree.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "archive/tar_reader.h"
#include "archive/tree_writer.h"
#include "base/status.h"

namespace rootwright {
namespace {

constexpr int64_t kProgressEvery = 1 << 20;

class TreeUnpacker {
 public:
  TreeUnpacker(TarReader reader, TreeWriter writer, const OverlayLimits& limits, UnpackProgress progress)
      : reader_(std::move(reader)),
        writer_(std::move(writer)),
        limits_(limits),
        progress_(std::move(progress)) {}

  absl::StatusOr<UnpackedTree> Run(Deadline deadline, const std::stop_token& stop);

 private:
  absl::Status Unpack(const TarEntry& entry);
  absl::Status MakeWithParents(const TarEntry& entry);
  absl::Status Count(const TarEntry& entry);
  absl::Status Refuse(absl::string_view path, absl::string_view why) const;

  TarReader reader_;
  TreeWriter writer_;
  const OverlayLimits limits_;
  const UnpackProgress progress_;
  int64_t name_bytes_ = 0;
  int64_t told_ = 0;
  // Their times and modes are set last: writing into a folder changes its time.
  std::vector<TarEntry> folders_;
  UnpackedTree tree_;
};

absl::Status TreeUnpacker::Refuse(absl::string_view path, absl::string_view why) const {
  return absl::DataLossError(absl::StrCat("unpack: ", reader_.name(), ": ", path, ": ", why));
}

absl::Status TreeUnpacker::Count(const TarEntry& entry) {
  name_bytes_ += static_cast<int64_t>(entry.path.size() + entry.target.size());
  if (tree_.entries + tree_.devices_left_out >= limits_.entries) {
    return absl::ResourceExhaustedError(
        absl::StrCat("unpack: ", reader_.name(), ": more than ", limits_.entries, " entries"));
  }
  if (name_bytes_ > limits_.name_bytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat("unpack: ", reader_.name(), ": more than ", limits_.name_bytes, " bytes of names"));
  }
  if (entry.size > limits_.content_bytes - tree_.content_bytes) {
    return absl::ResourceExhaustedError(absl::StrCat("unpack: ", reader_.name(), ": ", entry.path,
                                                     ": more than ", limits_.content_bytes,
                                                     " bytes of content"));
  }
  return absl::OkStatus();
}

absl::Status TreeUnpacker::MakeWithParents(const TarEntry& entry) {
  const auto make = [&]() -> absl::Status {
    if (entry.kind == TarEntry::Kind::kFolder) return writer_.MakeFolder(entry.path).status();
    const auto content = [&](std::span<char> into) -> absl::StatusOr<size_t> {
      RW_ASSIGN_OR_RETURN(const size_t got, reader_.Read(into));
      tree_.content_bytes += static_cast<int64_t>(got);
      return got;
    };
    return writer_.Make(entry, content, limits_.content_bytes - tree_.content_bytes);
  };
  // Nothing of a file's content is read before its folder is there.
  absl::Status made = make();
  if (!absl::IsNotFound(made)) return made;
  for (size_t at = entry.path.find('/'); at != std::string::npos; at = entry.path.find('/', at + 1)) {
    RW_RETURN_IF_ERROR(writer_.MakeFolder(entry.path.substr(0, at)).status());
  }
  return make();
}

absl::Status TreeUnpacker::Unpack(const TarEntry& entry) {
  RW_RETURN_IF_ERROR(Count(entry));
  if (entry.kind == TarEntry::Kind::kCharDevice || entry.kind == TarEntry::Kind::kBlockDevice) {
    ++tree_.devices_left_out;
    return absl::OkStatus();
  }
  if (entry.kind != TarEntry::Kind::kFolder && entry.path.empty())
    return Refuse("/", "is not a folder in it");
  const absl::Status made = MakeWithParents(entry);
  if (absl::IsAlreadyExists(made)) return Refuse(entry.path, "stands in it twice");
  if (absl::IsNotFound(made)) return Refuse(entry.path, "is a link to something that is not in it");
  RW_RETURN_IF_ERROR(made);
  if (entry.kind == TarEntry::Kind::kFolder) folders_.push_back(entry);
  ++tree_.entries;
  return absl::OkStatus();
}

absl::StatusOr<UnpackedTree> TreeUnpacker::Run(Deadline deadline, const std::stop_token& stop) {
  TarEntry entry;
  for (;;) {
    if (stop.stop_requested()) return absl::CancelledError("unpack: stopped");
    if (deadline.Passed()) return absl::DeadlineExceededError("unpack: not done in time");
    RW_ASSIGN_OR_RETURN(const bool more, reader_.Next(entry));
    if (!more) break;
    RW_RETURN_IF_ERROR(Unpack(entry));
    if (progress_ && reader_.position() - told_ >= kProgressEvery) progress_(told_ = reader_.position());
  }
  if (tree_.entries == 0)
    return absl::DataLossError(absl::StrCat("unpack: ", reader_.name(), ": nothing in it"));
  for (auto folder = folders_.rbegin(); folder != folders_.rend(); ++folder)
    RW_RETURN_IF_ERROR(writer_.SetFolder(*folder));
  return tree_;
}

}  // namespace

absl::StatusOr<UnpackedTree> UnpackTree(int archive, const std::string& name,
                                        const std::filesystem::path& tree, const OverlayLimits& limits,
                                        const UnpackProgress& progress, Deadline deadline,
                                        std::stop_token stop) {
  RW_ASSIGN_OR_RETURN(TarReader reader,
                      TarReader::OfFile(archive, 0, -1, TarReader::Compression::kAny, name));
  RW_ASSIGN_OR_RETURN(TreeWriter writer, TreeWriter::Create(tree, TreeWriter::Links::kRefuse));
  TreeUnpacker unpacker(std::move(reader), std::move(writer), limits, progress);
  return unpacker.Run(deadline, stop);
}

}  // namespace rootwright
