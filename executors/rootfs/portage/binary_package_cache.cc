#include "executors/rootfs/portage/binary_package_cache.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <set>
#include <system_error>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/file.h"
#include "base/random.h"
#include "base/sha256.h"
#include "base/status.h"
#include "executors/rootfs/portage/stream_digests.h"

namespace rootwright {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kLargestPackage = int64_t{8} << 30;
constexpr size_t kMostFiles = 100'000;
constexpr int64_t kLongestRecord = 8 << 20;

std::set<std::string> Words(const std::string& text) { return absl::StrSplit(text, ' ', absl::SkipEmpty()); }

absl::Status Refused(absl::string_view why) { return absl::DataLossError(why); }

// Copies it, counting and bounded, to the disk for good.
absl::StatusOr<std::map<std::string, std::string>> CopyIn(const fs::path& from, const fs::path& to,
                                                          int64_t most_bytes, int64_t& size) {
  // Of a folder that a user's code wrote: a link would lead elsewhere, a pipe would never end.
  const UniqueFd in(open(from.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!in) return ErrnoStatus(errno, "open", from.string());
  struct stat status {};
  if (fstat(in.get(), &status) != 0) return ErrnoStatus(errno, "look at", from.string());
  if (!S_ISREG(status.st_mode)) return Refused("it is no file");
  const UniqueFd out(open(to.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!out) return ErrnoStatus(errno, "create", to.string());
  StreamDigests digests({"SHA256", "SHA1", "MD5"});
  std::vector<char> buffer(1 << 20);
  size = 0;
  for (;;) {
    const ssize_t got = read(in.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoStatus(errno, "read", from.string());
    if (got == 0) break;
    const absl::string_view data(buffer.data(), static_cast<size_t>(got));
    size += static_cast<int64_t>(got);
    if (size > most_bytes) return Refused(absl::StrCat("it has more than ", most_bytes, " bytes"));
    digests.Update(data);
    RW_RETURN_IF_ERROR(WriteAll(out.get(), data, to));
  }
  if (fsync(out.get()) != 0) return ErrnoStatus(errno, "sync", to.string());
  return digests.Finish();
}

absl::StatusOr<Gpkg> ReadGpkgFile(const fs::path& file) {
  const UniqueFd fd(open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return ErrnoStatus(errno, "open", file.string());
  RW_ASSIGN_OR_RETURN(TarReader archive,
                      TarReader::OfFile(fd.get(), 0, -1, TarReader::Compression::kNone, "gpkg"));
  return ReadGpkg(archive);
}

// Whether it is what the plan had in mind.
absl::Status CheckAgainstPlan(const Gpkg& package, const EmergePlan& plan) {
  const auto planned = std::find_if(plan.packages.begin(), plan.packages.end(), [&](const PlannedPackage& p) {
    return !p.binary && p.cpv == package.cpv();
  });
  if (planned == plan.packages.end())
    return Refused(absl::StrCat("it is ", package.cpv(), ", which this build did not plan to build"));
  if (package.Field("repository") != planned->repository)
    return Refused(absl::StrCat("it is from the repository '", package.Field("repository"),
                                "', planned was '", planned->repository, "'"));
  const std::string& slot = package.Field("SLOT");
  if (slot.substr(0, slot.find('/')) != planned->slot)
    return Refused(absl::StrCat("it is in slot ", slot, ", planned was ", planned->slot));
  const std::set<std::string> use = Words(package.Field("USE"));
  for (const std::string& flag : planned->use_on)
    if (use.count(flag) == 0) return Refused(absl::StrCat("it was built without USE=", flag));
  for (const std::string& flag : planned->use_off)
    if (use.count(flag) != 0) return Refused(absl::StrCat("it was built with USE=", flag));
  if (Words(package.Field("PROPERTIES")).count("live") != 0)
    return Refused("its sources are not pinned (PROPERTIES=live)");
  return absl::OkStatus();
}

// "dev-libs/popt/popt-1.19-1.gpkg.tar"
absl::Status CheckPlace(const Gpkg& package, absl::string_view place) {
  RW_ASSIGN_OR_RETURN(const Cpv cpv, SplitCpv(package.cpv()));
  const std::string& build_id = package.Field("BUILD_ID");
  const std::string file =
      absl::StrCat(package.Field("PF"), build_id.empty() ? "" : absl::StrCat("-", build_id), ".gpkg.tar");
  if (place == absl::StrCat(cpv.category, "/", cpv.name, "/", file) ||
      place == absl::StrCat(cpv.category, "/", file))
    return absl::OkStatus();
  return Refused(absl::StrCat("it says that it is ", package.cpv(), ", build ", build_id));
}

BinaryPackageRecord RecordOf(const Gpkg& package, const std::map<std::string, std::string>& digests) {
  BinaryPackageRecord record;
  record.sha256 = digests.at("SHA256");
  record.fields = package.fields;
  record.fields.erase("CATEGORY");
  record.fields.erase("PF");
  record.fields["CPV"] = package.cpv();
  record.fields["MD5"] = digests.at("MD5");
  record.fields["SHA1"] = digests.at("SHA1");
  return record;
}

std::string NameOf(const BinaryPackageRecord& record) {
  std::string name = absl::StrCat(record.Field("CPV"), ",", record.sha256.substr(0, 16));
  std::replace(name.begin(), name.end(), '/', ',');
  return name;
}

// Of two with the same, the newer replaces the older.
std::vector<std::string> IdentityOf(const BinaryPackageRecord& record) {
  std::vector<std::string> identity = {record.scope, record.recipe};
  for (const char* field : {"CPV", "SLOT", "USE", "CHOST", "USER_PATCHES", "repository", "DEPEND", "BDEPEND",
                            "RDEPEND", "PDEPEND", "IDEPEND"})
    identity.push_back(record.Field(field));
  return identity;
}

std::string Named(absl::string_view what, const fs::path& file, const absl::Status& why,
                  absl::string_view then) {
  return absl::StrCat("binary package ", what, ": ", file.string(), ": ", std::string(why.message()), "; ",
                      then);
}

// "dev-libs,popt-1.19,0f…" → "dev-libs/popt-1.19", for people.
std::string ReadableName(std::string name) {
  name = name.substr(0, name.rfind(','));
  std::replace(name.begin(), name.end(), ',', '/');
  return name;
}

}  // namespace

std::string BinaryPackageScope::Digest() const {
  Sha256 sha;
  for (const std::string* part : {&architecture, &profile, &build_root, &settings})
    sha.Update(absl::StrCat(part->size(), ":", *part, "\n"));
  return sha.Digest();
}

absl::StatusOr<std::unique_ptr<BinaryPackageCache>> BinaryPackageCache::Create(Settings settings) {
  RW_ASSIGN_OR_RETURN(SigningKey key, SigningKey::LoadOrMake(settings.key_file));
  return std::unique_ptr<BinaryPackageCache>(new BinaryPackageCache(std::move(settings), std::move(key)));
}

BinaryPackageCache::BinaryPackageCache(Settings settings, SigningKey key)
    : settings_(std::move(settings)),
      key_(std::move(key)),
      store_(settings_.folder),
      trusted_(settings_.trusted_keys) {
  trusted_.push_back(key_.public_key());
}

absl::StatusOr<BinaryPackageRecord> BinaryPackageCache::ReadRecord(const PackageStore::Entry& entry) const {
  const absl::StatusOr<std::string> text =
      ReadFile(store_.RecordFile(entry.scope, entry.name), kLongestRecord);
  if (absl::IsNotFound(text.status())) return absl::PermissionDeniedError("it is not signed");
  RW_RETURN_IF_ERROR(text.status());
  RW_ASSIGN_OR_RETURN(BinaryPackageRecord record, ReadSignedText(*text, trusted_));
  if (record.scope != entry.scope || NameOf(record) != entry.name)
    return absl::PermissionDeniedError("its record belongs to another package");
  if (record.size_bytes != entry.size_bytes)
    return Refused(absl::StrCat("it has ", entry.size_bytes, " bytes, its record says ", record.size_bytes));
  return record;
}

absl::StatusOr<std::unique_ptr<HandedOutPackages>> BinaryPackageCache::HandOut(
    const BinaryPackageScope& scope, RecipeDigests& recipes, const fs::path& folder,
    const std::string& inside, const CacheWarning& warn, Deadline deadline, std::stop_token stop) const {
  std::unique_ptr<HandedOutPackages> handed(new HandedOutPackages(store_, folder, inside));
  RW_RETURN_IF_ERROR(MakeFolders(folder));
  RW_ASSIGN_OR_RETURN(const PackageStore::Lock lock, store_.Acquire(deadline, stop));
  RW_ASSIGN_OR_RETURN(const std::vector<PackageStore::Entry> all, store_.List(lock));
  std::vector<PackageStore::Entry> used;
  const std::string wanted = scope.Digest();
  for (const PackageStore::Entry& entry : all) {
    if (entry.scope != wanted) continue;
    const fs::path package = store_.PackageFile(entry.scope, entry.name);
    absl::StatusOr<BinaryPackageRecord> record = ReadRecord(entry);
    if (absl::IsUnauthenticated(record.status())) continue;
    if (!record.ok()) {
      warn(Named(ReadableName(entry.name), package, record.status(), "removed, it is built from source"));
      RW_RETURN_IF_ERROR(store_.Remove(lock, entry.scope, entry.name));
      continue;
    }
    const std::set<std::string> inherited = Words(record->Field("INHERITED"));
    const absl::StatusOr<std::string> recipe =
        recipes.Of(record->Field("repository"), record->Field("CPV"), {inherited.begin(), inherited.end()});
    // Another repository, or an ebuild that changed: not for this build.
    if (!recipe.ok() || *recipe != record->recipe) continue;
    used.push_back(entry);
    handed->entries_.push_back({entry, *std::move(record), entry.name + ".gpkg.tar"});
  }
  RW_ASSIGN_OR_RETURN(handed->use_, store_.Use(lock, used));
  RW_RETURN_IF_ERROR(handed->WriteIndex());
  return handed;
}

absl::Status HandedOutPackages::WriteIndex() const {
  std::vector<PackageIndexEntry> index;
  for (const Entry& entry : entries_)
    index.push_back({&entry.record, absl::StrCat(inside_, "/", entry.file)});
  return WriteFileAtomically(folder_ / "Packages", PackageIndex(index, Clock::Real().Wall()));
}

absl::Status HandedOutPackages::LeaveOut(const Entry& entry) const {
  std::error_code error;
  fs::remove(folder_ / entry.file, error);
  return error ? ErrnoStatus(error.value(), "remove", (folder_ / entry.file).string()) : absl::OkStatus();
}

absl::Status HandedOutPackages::PutIn(const Entry& entry) const {
  const fs::path stored = store_.PackageFile(entry.stored.scope, entry.stored.name);
  const fs::path file = folder_ / entry.file;
  std::error_code error;
  if (!fs::exists(file, error)) {
    fs::create_hard_link(stored, file, error);
    // On another file system.
    if (error) fs::copy_file(stored, file, error);
    if (error) return ErrnoStatus(error.value(), "hand out as", file.string());
  }
  RW_ASSIGN_OR_RETURN(const std::string digest, Sha256::OfFile(file));
  if (digest == entry.record.sha256) return absl::OkStatus();
  return Refused(absl::StrCat("its SHA-256 is ", digest, ", its record says ", entry.record.sha256));
}

absl::StatusOr<bool> HandedOutPackages::Confirm(const EmergePlan& plan, const CacheWarning& warn,
                                                Deadline deadline, std::stop_token stop) {
  std::set<std::string> wanted;
  for (const PlannedPackage& package : plan.packages)
    if (package.binary) wanted.insert(package.cpv);
  std::vector<Entry> taken;
  std::vector<Entry> others;
  std::vector<Entry> bad;
  for (Entry& entry : entries_) {
    if (stop.stop_requested()) return absl::CancelledError("check binary packages");
    const bool take = wanted.count(entry.record.Field("CPV")) != 0;
    const absl::Status put = take ? PutIn(entry) : absl::OkStatus();
    // A full disk, for instance, says nothing about the package.
    if (!put.ok() && !absl::IsDataLoss(put) && !absl::IsNotFound(put)) return put;
    if (!put.ok()) {
      warn(Named(entry.record.Field("CPV"), store_.PackageFile(entry.stored.scope, entry.stored.name), put,
                 "removed, it is built from source"));
    }
    std::vector<Entry>& where = !take ? others : (put.ok() ? taken : bad);
    where.push_back(std::move(entry));
  }
  for (const Entry& entry : bad.empty() ? others : bad) RW_RETURN_IF_ERROR(LeaveOut(entry));
  for (const Entry& entry : taken) store_.Touch(entry.stored.scope, entry.stored.name);
  entries_ = std::move(taken);
  if (bad.empty()) {
    RW_RETURN_IF_ERROR(WriteIndex());
    return true;
  }
  entries_.insert(entries_.end(), std::make_move_iterator(others.begin()),
                  std::make_move_iterator(others.end()));
  RW_RETURN_IF_ERROR(WriteIndex());
  RW_ASSIGN_OR_RETURN(const PackageStore::Lock lock, store_.Acquire(deadline, stop));
  for (const Entry& entry : bad)
    RW_RETURN_IF_ERROR(store_.Remove(lock, entry.stored.scope, entry.stored.name));
  return false;
}

absl::StatusOr<BinaryPackageCache::Stored> BinaryPackageCache::Store(
    const BinaryPackageScope& scope, RecipeDigests& recipes, const EmergePlan& plan, const fs::path& folder,
    const CacheWarning& warn, Deadline deadline, std::stop_token stop) const {
  Stored stored;
  RW_ASSIGN_OR_RETURN(const PackageStore::Lock lock, store_.Acquire(deadline, stop));
  size_t files = 0;
  std::error_code error;
  for (fs::recursive_directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    if (++files > kMostFiles)
      return Refused(absl::StrCat("binary packages: more than ", kMostFiles, " files"));
    // Two folders deep at most, as Portage makes them.
    if (at.depth() >= 2) at.disable_recursion_pending();
    const std::string place = at->path().lexically_relative(folder).string();
    std::error_code unknown;
    if (!absl::EndsWith(place, ".gpkg.tar") || fs::is_directory(at->symlink_status(unknown))) continue;
    if (stop.stop_requested()) return absl::CancelledError("keep binary packages");
    const absl::StatusOr<int64_t> bytes = StoreOne(lock, scope.Digest(), recipes, plan, at->path(), place);
    if (bytes.ok()) {
      ++stored.packages;
      stored.bytes += *bytes;
    } else {
      warn(absl::StrCat("binary package ", absl::CEscape(place),
                        " is not kept: ", std::string(bytes.status().message())));
    }
  }
  if (error && error != std::errc::no_such_file_or_directory)
    return ErrnoStatus(error.value(), "read", folder.string());
  return stored;
}

absl::StatusOr<int64_t> BinaryPackageCache::StoreOne(const PackageStore::Lock& lock, const std::string& scope,
                                                     RecipeDigests& recipes, const EmergePlan& plan,
                                                     const fs::path& file, const std::string& place) const {
  struct stat status {};
  if (lstat(file.c_str(), &status) != 0) return ErrnoStatus(errno, "look at", file.string());
  const int64_t most = std::min(kLargestPackage, settings_.quota_bytes);
  if (status.st_size > most) return Refused(absl::StrCat("it has more than ", most, " bytes"));
  RW_ASSIGN_OR_RETURN(const bool fits, store_.MakeRoom(lock, settings_.quota_bytes, status.st_size));
  if (!fits) return absl::ResourceExhaustedError("the cache is full of packages that running builds use");
  const fs::path incoming = store_.incoming() / RandomHex(16);
  struct Remover {
    const fs::path& path;
    ~Remover() { unlink(path.c_str()); }
  } remover{incoming};
  int64_t size = 0;
  RW_ASSIGN_OR_RETURN(const auto digests, CopyIn(file, incoming, status.st_size, size));
  RW_ASSIGN_OR_RETURN(const Gpkg package, ReadGpkgFile(incoming));
  RW_RETURN_IF_ERROR(CheckPlace(package, place));
  RW_RETURN_IF_ERROR(CheckAgainstPlan(package, plan));
  BinaryPackageRecord record = RecordOf(package, digests);
  record.scope = scope;
  record.size_bytes = size;
  record.fields["MTIME"] = absl::StrCat(absl::ToUnixSeconds(Clock::Real().Wall()));
  const std::set<std::string> inherited = Words(package.Field("INHERITED"));
  RW_ASSIGN_OR_RETURN(record.recipe, recipes.Of(package.Field("repository"), package.cpv(),
                                                {inherited.begin(), inherited.end()}));
  RW_ASSIGN_OR_RETURN(const std::string text, SignedText(record, key_));
  const std::string name = NameOf(record);
  RW_RETURN_IF_ERROR(store_.Put(lock, scope, name, incoming, text));
  RW_RETURN_IF_ERROR(DropOlder(lock, record, name));
  return size;
}

absl::Status BinaryPackageCache::DropOlder(const PackageStore::Lock& lock, const BinaryPackageRecord& newer,
                                           const std::string& name) const {
  RW_ASSIGN_OR_RETURN(const std::vector<PackageStore::Entry> entries, store_.List(lock));
  for (const PackageStore::Entry& entry : entries) {
    std::string same = newer.Field("CPV");
    std::replace(same.begin(), same.end(), '/', ',');
    if (entry.scope != newer.scope || entry.name == name || !absl::StartsWith(entry.name, same + ","))
      continue;
    const absl::StatusOr<BinaryPackageRecord> record = ReadRecord(entry);
    if (record.ok() && IdentityOf(*record) == IdentityOf(newer))
      RW_RETURN_IF_ERROR(store_.Remove(lock, entry.scope, entry.name));
  }
  return absl::OkStatus();
}

}  // namespace rootwright
