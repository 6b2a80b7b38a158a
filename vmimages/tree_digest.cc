#include "vmimages/tree_digest.h"

#include <fts.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <functional>
#include <memory>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/sha256.h"
#include "base/status.h"

namespace rootwright {
namespace {

using Visit = std::function<absl::Status(const FTSENT&, const std::string& below)>;

// In an order that depends on names alone.
absl::Status Walk(const std::filesystem::path& tree, const Visit& visit) {
  std::string root = tree.string();
  char* const roots[] = {root.data(), nullptr};
  const auto by_name = [](const FTSENT** a, const FTSENT** b) {
    return std::strcmp((*a)->fts_name, (*b)->fts_name);
  };
  const std::unique_ptr<FTS, int (*)(FTS*)> walk(
      fts_open(roots, FTS_PHYSICAL | FTS_XDEV | FTS_NOCHDIR, by_name), &fts_close);
  if (walk == nullptr) return ErrnoStatus(errno, "look through", root);
  while (const FTSENT* entry = fts_read(walk.get())) {
    if (entry->fts_info == FTS_DP) continue;
    if (entry->fts_info == FTS_NS || entry->fts_info == FTS_DNR || entry->fts_info == FTS_ERR)
      return ErrnoStatus(entry->fts_errno, "look at", entry->fts_path);
    RW_RETURN_IF_ERROR(visit(*entry, std::string(entry->fts_path).substr(root.size())));
  }
  return absl::OkStatus();
}

// Of file capabilities and users' attributes: "name", value, …
absl::StatusOr<std::string> Attributes(const char* path) {
  std::string names(64 << 10, '\0');
  const ssize_t size = llistxattr(path, names.data(), names.size());
  if (size < 0)
    return errno == ENOTSUP ? absl::StatusOr<std::string>("")
                            : ErrnoStatus(errno, "read attributes of", path);
  names.resize(static_cast<size_t>(size));
  std::vector<std::string> sorted = absl::StrSplit(names, '\0', absl::SkipEmpty());
  std::sort(sorted.begin(), sorted.end());
  std::string text;
  for (const std::string& name : sorted) {
    if (name != "security.capability" && !absl::StartsWith(name, "user.")) continue;
    std::string value(64 << 10, '\0');
    const ssize_t got = lgetxattr(path, name.c_str(), value.data(), value.size());
    if (got < 0) return ErrnoStatus(errno, "read attribute " + name + " of", path);
    absl::StrAppend(&text, name, "=", got, ":", value.substr(0, static_cast<size_t>(got)));
  }
  return text;
}

}  // namespace

absl::StatusOr<TreeDigest> DigestTree(const std::filesystem::path& tree) {
  TreeDigest digest;
  Sha256 all;
  RW_RETURN_IF_ERROR(Walk(tree, [&](const FTSENT& entry, const std::string& below) -> absl::Status {
    const struct stat& info = *entry.fts_statp;
    std::string content;
    if (S_ISREG(info.st_mode)) {
      RW_ASSIGN_OR_RETURN(content, Sha256::OfFile(entry.fts_path));
      digest.content_bytes += info.st_size;
    }
    if (S_ISLNK(info.st_mode)) {
      std::error_code error;
      content = std::filesystem::read_symlink(entry.fts_path, error).string();
      if (error) return ErrnoStatus(error.value(), "read link", entry.fts_path);
    }
    RW_ASSIGN_OR_RETURN(const std::string attributes, Attributes(entry.fts_path));
    // Lengths first: no name or value can pass for another field.
    all.Update(absl::StrCat(below.size(), ":", below, " ", info.st_mode, " ", info.st_uid, " ", info.st_gid,
                            " ", S_ISDIR(info.st_mode) ? 0 : info.st_rdev, " ", content.size(), ":", content,
                            " ", attributes.size(), ":", attributes, "\n"));
    return absl::OkStatus();
  }));
  digest.sha256 = all.Digest();
  return digest;
}

absl::StatusOr<std::string> FingerprintTree(const std::filesystem::path& tree) {
  Sha256 all;
  RW_RETURN_IF_ERROR(Walk(tree, [&](const FTSENT& entry, const std::string& below) -> absl::Status {
    const struct stat& info = *entry.fts_statp;
    all.Update(absl::StrCat(below.size(), ":", below, " ", info.st_dev, " ", info.st_ino, " ", info.st_size,
                            " ", info.st_mtim.tv_sec, ".", info.st_mtim.tv_nsec, " ", info.st_ctim.tv_sec,
                            ".", info.st_ctim.tv_nsec, "\n"));
    return absl::OkStatus();
  }));
  return all.Digest();
}

}  // namespace rootwright
