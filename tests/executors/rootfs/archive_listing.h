#pragma once

#include <fcntl.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "archive/tar_reader.h"
#include "base/sha256.h"
#include "base/status.h"
#include "base/unique_fd.h"

namespace rootwright {

// All of an archive's entry in one line that people can compare.
inline std::string DescribeEntry(const TarEntry& entry, absl::string_view digest) {
  constexpr std::array<const char*, 7> kKinds = {"file",        "folder",       "symlink", "hard link",
                                                 "char device", "block device", "fifo"};
  std::string text = absl::StrFormat("%s %04o %d:%d", kKinds.at(static_cast<size_t>(entry.kind)), entry.mode,
                                     entry.uid, entry.gid);
  if (!entry.target.empty()) absl::StrAppend(&text, " -> ", entry.target);
  if (entry.device != 0) absl::StrAppend(&text, " device ", entry.device);
  for (const auto& [name, value] : entry.xattrs) absl::StrAppend(&text, " ", name, "=", Sha256::Of(value));
  if (entry.kind == TarEntry::Kind::kFile) absl::StrAppend(&text, " ", entry.size, " bytes sha256:", digest);
  absl::StrAppend(&text, " time ", entry.mtime);
  return text;
}

// What a packed root holds: path → entry, with the digest of its content.
inline absl::StatusOr<std::map<std::string, std::string>> ListArchive(const std::filesystem::path& archive) {
  const UniqueFd file(open(archive.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return ErrnoStatus(errno, "open", archive.string());
  RW_ASSIGN_OR_RETURN(TarReader reader, TarReader::OfFile(file.get(), 0, -1, TarReader::Compression::kAny,
                                                          archive.filename().string()));
  std::map<std::string, std::string> entries;
  TarEntry entry;
  std::vector<char> buffer(1 << 16);
  while (true) {
    RW_ASSIGN_OR_RETURN(const bool more, reader.Next(entry));
    if (!more) return entries;
    Sha256 digest;
    size_t bytes = 0;
    do {
      RW_ASSIGN_OR_RETURN(bytes, reader.Read(buffer));
      digest.Update({buffer.data(), bytes});
    } while (bytes != 0);
    if (!entries.emplace(entry.path, DescribeEntry(entry, digest.Digest())).second)
      return absl::DataLossError(
          absl::StrCat("list ", archive.string(), ": ", entry.path, ": is there twice"));
  }
}

}  // namespace rootwright
