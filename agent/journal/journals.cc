#include "agent/journal/journals.h"

#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/log.h"
#include "base/status.h"

namespace rootwright {

absl::StatusOr<std::unique_ptr<Journals>> Journals::Open(const StatePaths& paths, Doorbell& doorbell) {
  RW_RETURN_IF_ERROR(MakeFolders(paths.builds()));
  std::unique_ptr<Journals> journals(new Journals(paths, doorbell));
  std::error_code error;
  std::vector<std::filesystem::path> folders;
  for (const auto& entry : std::filesystem::directory_iterator(paths.builds(), error))
    folders.push_back(entry.path());
  if (error) return ErrnoStatus(error.value(), "list", paths.builds().string());
  MutexLock lock(journals->mutex_);
  for (const std::filesystem::path& folder : folders) {
    auto journal = BuildJournal::Open(folder, doorbell);
    if (journal.ok()) {
      const v1::Lease& lease = (*journal)->lease();
      journals->journals_[{lease.build_id(), lease.attempt()}] = *journal;
    } else if (absl::IsNotFound(journal.status())) {
      std::filesystem::remove_all(folder, error);
    } else {
      spdlog::error("{}; left as it is", std::string(journal.status().message()));
    }
  }
  return journals;
}

absl::StatusOr<std::shared_ptr<BuildJournal>> Journals::Create(const v1::Lease& lease) {
  if (!IsBuildId(lease.build_id()) || lease.attempt() < 1) {
    return absl::InvalidArgumentError(absl::StrCat("lease: build '", lease.build_id(), "' attempt ",
                                                   lease.attempt(),
                                                   ": not a build id and an attempt from 1"));
  }
  MutexLock lock(mutex_);
  const Key key{lease.build_id(), lease.attempt()};
  if (journals_.count(key) > 0) {
    return absl::AlreadyExistsError(
        absl::StrCat("lease: build ", key.first, " attempt ", key.second, ": already here"));
  }
  RW_ASSIGN_OR_RETURN(std::shared_ptr<BuildJournal> journal,
                      BuildJournal::Create(paths_.build(key.first, key.second), lease, doorbell_));
  return journals_[key] = std::move(journal);
}

std::shared_ptr<BuildJournal> Journals::Find(absl::string_view build_id) const {
  MutexLock lock(mutex_);
  std::shared_ptr<BuildJournal> found;
  for (auto at = journals_.lower_bound({std::string(build_id), 0});
       at != journals_.end() && at->first.first == build_id; ++at) {
    found = at->second;
  }
  return found;
}

std::shared_ptr<BuildJournal> Journals::FindLease(absl::string_view lease_id) const {
  MutexLock lock(mutex_);
  for (const auto& [key, journal] : journals_) {
    if (journal->lease().lease_id() == lease_id) return journal;
  }
  return nullptr;
}

std::vector<std::shared_ptr<BuildJournal>> Journals::All() const {
  MutexLock lock(mutex_);
  std::vector<std::shared_ptr<BuildJournal>> all;
  for (const auto& [key, journal] : journals_) all.push_back(journal);
  return all;
}

void Journals::Remove(const BuildJournal& journal) {
  // Files and entry at once: whoever finds no journal may create one in the same folder.
  MutexLock lock(mutex_);
  const auto found = journals_.find({journal.lease().build_id(), journal.lease().attempt()});
  if (found == journals_.end() || found->second.get() != &journal) return;
  const std::shared_ptr<BuildJournal> removed = std::move(found->second);
  journals_.erase(found);
  // Lease first: a crash half way leaves what Open removes.
  std::error_code error;
  std::filesystem::remove(removed->folder() / kLeaseFile, error);
  std::filesystem::remove_all(removed->folder(), error);
  if (error) spdlog::warn("remove: {}: {}", removed->folder().string(), error.message());
}

}  // namespace rootwright
