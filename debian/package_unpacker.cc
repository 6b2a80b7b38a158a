#include "debian/package_unpacker.h"

#include <algorithm>
#include <atomic>
#include <limits>
#include <numeric>
#include <optional>
#include <set>
#include <thread>
#include <unordered_map>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "archive/tree_writer.h"
#include "base/mutex.h"
#include "base/status.h"
#include "debian/control_text.h"
#include "debian/md5.h"

namespace rootwright {
namespace {

constexpr int64_t kLargestFile = int64_t{64} << 30;

// The folders that are links into /usr, as debootstrap and mmdebstrap make them.
std::vector<std::string> MergedFolders(Architecture architecture) {
  std::vector<std::string> folders = {"bin", "sbin", "lib"};
  if (architecture == Architecture::kAmd64) folders.insert(folders.end(), {"lib32", "lib64", "libx32"});
  return folders;
}

// Which package has which path; shared by the threads.
class Claims {
 public:
  explicit Claims(const std::vector<std::string>& merged) : merged_(merged.begin(), merged.end()) {}

  // The same name for a file whichever way its package spells it: "usr/bin/x" for "bin/x".
  std::string Canonical(const std::string& path) const {
    return merged_.contains(path.substr(0, path.find('/'))) ? absl::StrCat("usr/", path) : path;
  }

  // Claims a file; false when a later package has it already.
  bool ClaimFile(const std::string& canonical, size_t package) RW_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    size_t& owner = files_.try_emplace(canonical, package).first->second;
    owner = std::max(owner, package);
    return owner == package;
  }
  bool Owns(const std::string& canonical, size_t package) const RW_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    const auto owner = files_.find(canonical);
    return owner == files_.end() || owner->second == package;
  }

  // Of all that have the folder the smallest rank decides its mode.
  void NoteFolder(const std::string& canonical, size_t rank, const TarEntry& entry) RW_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    const auto [folder, is_new] = folders_.try_emplace(canonical, rank, entry);
    if (!is_new && rank < folder->second.first) folder->second = {rank, entry};
  }
  std::map<std::string, std::pair<size_t, TarEntry>> TakeFolders() RW_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    return std::move(folders_);
  }

 private:
  const std::set<std::string> merged_;
  mutable Mutex mutex_;
  std::unordered_map<std::string, size_t> files_ RW_GUARDED_BY(mutex_);
  std::map<std::string, std::pair<size_t, TarEntry>> folders_ RW_GUARDED_BY(mutex_);
};

// Unpacks one package.
class OnePackage {
 public:
  OnePackage(const DebFile& deb, size_t index, size_t rank, TreeWriter& writer, Claims& claims)
      : deb_(deb), index_(index), rank_(rank), writer_(writer), claims_(claims) {}

  absl::StatusOr<UnpackedPackage> Unpack();

 private:
  absl::Status ReadControl();
  absl::Status UnpackEntry(TarReader& data, const TarEntry& entry);
  absl::Status UnpackFile(TarReader& data, const TarEntry& entry, const std::string& canonical);

  const DebFile& deb_;
  const size_t index_;
  const size_t rank_;
  TreeWriter& writer_;
  Claims& claims_;
  UnpackedPackage package_;
  std::set<std::string> conffiles_;
};

absl::Status OnePackage::ReadControl() {
  RW_ASSIGN_OR_RETURN(package_.control, deb_.ReadControl());
  const std::string& control = package_.control["control"].content;
  package_.name = ControlField(control, "Package");
  package_.multi_arch_same = ControlField(control, "Multi-Arch") == "same";
  if (!IsPackageName(package_.name)) {
    return absl::DataLossError(absl::StrCat("'", package_.name, "' is no package name"));
  }
  if (const auto list = package_.control.find("conffiles"); list != package_.control.end()) {
    for (const std::string& path : ParseConffiles(list->second.content)) conffiles_.insert(path);
  }
  return absl::OkStatus();
}

absl::Status OnePackage::UnpackFile(TarReader& data, const TarEntry& entry, const std::string& canonical) {
  if (!claims_.ClaimFile(canonical, index_)) return absl::OkStatus();
  const bool hashed = entry.kind == TarEntry::Kind::kFile &&
                      (!package_.control.contains("md5sums") || conffiles_.contains(entry.path));
  std::optional<Md5> md5;
  if (hashed) md5.emplace();
  const auto content = [&](std::span<char> into) -> absl::StatusOr<size_t> {
    RW_ASSIGN_OR_RETURN(const size_t got, data.Read(into));
    if (md5) md5->Update({into.data(), got});
    return got;
  };
  absl::Status made = writer_.Make(entry, content, kLargestFile);
  while (absl::IsAlreadyExists(made)) {
    // Another package's: ours is either the later one, or is not wanted any more.
    if (!claims_.Owns(canonical, index_)) return absl::OkStatus();
    const absl::Status removed = writer_.RemoveFile(entry.path);
    if (absl::IsFailedPrecondition(removed) && entry.kind == TarEntry::Kind::kSymlink)
      return absl::OkStatus();
    RW_RETURN_IF_ERROR(removed);
    made = writer_.Make(entry, content, kLargestFile);
  }
  RW_RETURN_IF_ERROR(made);
  if (md5) package_.md5[entry.path] = md5->Digest();
  return absl::OkStatus();
}

absl::Status OnePackage::UnpackEntry(TarReader& data, const TarEntry& entry) {
  if (absl::StrContains(entry.path, "\n")) return absl::DataLossError("a file name has a line break");
  package_.paths.push_back(entry.path);
  const std::string canonical = claims_.Canonical(entry.path);
  if (entry.kind != TarEntry::Kind::kFolder) return UnpackFile(data, entry, canonical);
  RW_RETURN_IF_ERROR(writer_.MakeFolder(entry.path).status());
  claims_.NoteFolder(canonical, rank_, entry);
  return absl::OkStatus();
}

absl::StatusOr<UnpackedPackage> OnePackage::Unpack() {
  RW_RETURN_IF_ERROR(ReadControl());
  RW_ASSIGN_OR_RETURN(TarReader data, deb_.ReadData());
  TarEntry entry;
  for (;;) {
    RW_ASSIGN_OR_RETURN(const bool more, data.Next(entry));
    if (!more) return std::move(package_);
    RW_RETURN_IF_ERROR(UnpackEntry(data, entry));
  }
}

// All packages, by several threads.
class AllPackages {
 public:
  AllPackages(const std::filesystem::path& folder, const UnpackJob& job)
      : folder_(folder), job_(job), merged_(MergedFolders(job.architecture)), claims_(merged_) {
    unpacked_.resize(job.packages.size());
    // Long ones first, so that no thread is left with one at the end.
    order_.resize(job.packages.size());
    std::iota(order_.begin(), order_.end(), size_t{0});
    std::stable_sort(order_.begin(), order_.end(), [&](size_t a, size_t b) {
      return job.packages[a].data_size() > job.packages[b].data_size();
    });
  }

  absl::StatusOr<std::vector<UnpackedPackage>> Run() {
    RW_ASSIGN_OR_RETURN(TreeWriter writer, TreeWriter::Create(folder_, TreeWriter::Links::kFollowInside));
    RW_RETURN_IF_ERROR(MakeMergedFolders(writer));
    RW_RETURN_IF_ERROR(UnpackBaseFiles(writer));
    std::vector<std::jthread> threads;
    for (int i = 1; i < job_.threads; ++i) threads.emplace_back([this] { Work(); });
    Work();
    threads.clear();
    {
      const MutexLock lock(mutex_);
      RW_RETURN_IF_ERROR(first_error_);
    }
    RW_RETURN_IF_ERROR(SetFolders(writer));
    DropLostPaths();
    return std::move(unpacked_);
  }

 private:
  absl::Status MakeMergedFolders(TreeWriter& writer) {
    RW_RETURN_IF_ERROR(writer.MakeFolder("usr").status());
    for (const std::string& name : merged_) {
      RW_RETURN_IF_ERROR(writer.MakeFolder(absl::StrCat("usr/", name)).status());
      TarEntry link;
      link.kind = TarEntry::Kind::kSymlink;
      link.path = name;
      link.target = absl::StrCat("usr/", name);
      link.mtime = absl::ToUnixSeconds(absl::Now());
      RW_RETURN_IF_ERROR(writer.Make(link, nullptr, 0));
    }
    return absl::OkStatus();
  }

  absl::Status UnpackBaseFiles(TreeWriter& writer) {
    for (size_t i = 0; i < job_.packages.size(); ++i) {
      if (!absl::StrContains(job_.packages[i].name(), "base-files_")) continue;
      RW_RETURN_IF_ERROR(UnpackOne(i, 0, writer));
      std::erase(order_, i);
      break;
    }
    return absl::OkStatus();
  }

  absl::Status UnpackOne(size_t index, size_t rank, TreeWriter& writer) {
    absl::StatusOr<UnpackedPackage> package =
        OnePackage(job_.packages[index], index, rank, writer, claims_).Unpack();
    if (!package.ok()) return Annotate(package.status(), job_.packages[index].name());
    unpacked_[index] = *std::move(package);
    if (job_.on_done) job_.on_done(index);
    return absl::OkStatus();
  }

  void Work() RW_EXCLUDES(mutex_) {
    absl::StatusOr<TreeWriter> writer = TreeWriter::Create(folder_, TreeWriter::Links::kFollowInside);
    absl::Status status = writer.status();
    while (status.ok() && !failed_) {
      const size_t next = next_++;
      if (next >= order_.size()) return;
      status = UnpackOne(order_[next], order_[next] + 1, *writer);
    }
    if (status.ok()) return;
    failed_ = true;
    const MutexLock lock(mutex_);
    first_error_.Update(status);
  }

  absl::Status SetFolders(TreeWriter& writer) {
    for (auto& [canonical, folder] : claims_.TakeFolders()) {
      folder.second.path = canonical;
      const absl::Status set = writer.SetFolder(folder.second);
      // A symlink to a folder stays what it is.
      if (!set.ok() && !absl::IsNotFound(set)) return set;
    }
    return absl::OkStatus();
  }

  void DropLostPaths() {
    for (size_t i = 0; i < unpacked_.size(); ++i) {
      std::erase_if(unpacked_[i].paths,
                    [&](const std::string& path) { return !claims_.Owns(claims_.Canonical(path), i); });
    }
  }

  const std::filesystem::path& folder_;
  const UnpackJob& job_;
  const std::vector<std::string> merged_;
  Claims claims_;
  std::vector<size_t> order_;
  // Each thread writes only the packages it took.
  std::vector<UnpackedPackage> unpacked_;
  std::atomic<size_t> next_ = 0;
  std::atomic<bool> failed_ = false;
  Mutex mutex_;
  absl::Status first_error_ RW_GUARDED_BY(mutex_);
};

}  // namespace

absl::StatusOr<std::vector<UnpackedPackage>> UnpackInto(const std::filesystem::path& folder,
                                                        const UnpackJob& job) {
  return AllPackages(folder, job).Run();
}

}  // namespace rootwright
