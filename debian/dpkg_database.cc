#include "debian/dpkg_database.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "archive/tree_writer.h"
#include "base/status.h"
#include "debian/control_text.h"

namespace rootwright {
namespace {

// The name under which the package's files lie in info/ and triggers/.
std::string DatabaseName(const UnpackedPackage& package, Architecture architecture) {
  return package.multi_arch_same ? absl::StrCat(package.name, ":", NamesOf(architecture).debian)
                                 : package.name;
}

std::string Stanza(const UnpackedPackage& package) {
  const std::string& control = package.control.at("control").content;
  std::string stanza = absl::StrCat("Package: ", package.name, "\nStatus: install ok unpacked\n");
  bool skipped = false;
  size_t at = 0;
  while (at < control.size()) {
    const size_t end = std::min(control.find('\n', at), control.size());
    const absl::string_view line = absl::string_view(control).substr(at, end - at);
    at = end + 1;
    if (absl::StripAsciiWhitespace(line).empty()) continue;
    // A field goes on in lines that start with a space.
    if (line.front() != ' ' && line.front() != '\t') {
      skipped = absl::StartsWithIgnoreCase(line, "Package:") || absl::StartsWithIgnoreCase(line, "Status:") ||
                absl::StartsWithIgnoreCase(line, "Conffiles:");
    }
    if (!skipped) absl::StrAppend(&stanza, line, "\n");
  }
  const auto list = package.control.find("conffiles");
  if (list == package.control.end()) return absl::StrCat(stanza, "\n");
  std::string conffiles;
  for (const std::string& path : ParseConffiles(list->second.content)) {
    if (const auto digest = package.md5.find(path); digest != package.md5.end()) {
      absl::StrAppend(&conffiles, " /", path, " ", digest->second, "\n");
    }
  }
  if (!conffiles.empty()) absl::StrAppend(&stanza, "Conffiles:\n", conffiles);
  return absl::StrCat(stanza, "\n");
}

std::string PathList(const UnpackedPackage& package) {
  std::string list = "/.\n";
  for (const std::string& path : package.paths) {
    if (!path.empty()) absl::StrAppend(&list, "/", path, "\n");
  }
  return list;
}

std::string Md5sums(const UnpackedPackage& package) {
  std::string sums;
  for (const auto& [path, digest] : package.md5) absl::StrAppend(&sums, digest, "  ", path, "\n");
  return sums;
}

bool IsPlainName(absl::string_view name) {
  return !name.empty() && name.front() != '.' && std::all_of(name.begin(), name.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
           absl::StrContains("+-._:", absl::string_view(&c, 1));
  });
}

class DatabaseWriter {
 public:
  explicit DatabaseWriter(TreeWriter writer)
      : writer_(std::move(writer)), now_(absl::ToUnixSeconds(absl::Now())) {}

  absl::Status Folder(absl::string_view path) {
    std::string made;
    for (size_t end = 0; end != std::string::npos;) {
      end = path.find('/', end + 1);
      made = std::string(path.substr(0, end));
      RW_RETURN_IF_ERROR(writer_.MakeFolder(made).status());
    }
    return absl::OkStatus();
  }

  // Below /var/lib/dpkg.
  absl::Status File(absl::string_view name, absl::string_view content, mode_t mode = 0644) {
    TarEntry entry;
    entry.path = absl::StrCat("var/lib/dpkg/", name);
    entry.mode = mode;
    entry.mtime = now_;
    RW_RETURN_IF_ERROR(writer_.RemoveFile(entry.path));
    const auto piece = [&](std::span<char> into) -> absl::StatusOr<size_t> {
      const size_t size = std::min(into.size(), content.size());
      std::memcpy(into.data(), content.data(), size);
      content.remove_prefix(size);
      return size;
    };
    return writer_.Make(entry, piece, INT64_MAX);
  }

  absl::Status Package(const UnpackedPackage& package, const std::string& name) {
    RW_RETURN_IF_ERROR(File(absl::StrCat("info/", name, ".list"), PathList(package)));
    for (const auto& [file, control] : package.control) {
      if (file == "control") continue;
      if (!IsPlainName(file))
        return absl::DataLossError(absl::StrCat(package.name, ": a control file is named ", file));
      RW_RETURN_IF_ERROR(File(absl::StrCat("info/", name, ".", file), control.content, control.mode & 0755));
    }
    if (!package.control.contains("md5sums") && !package.md5.empty()) {
      RW_RETURN_IF_ERROR(File(absl::StrCat("info/", name, ".md5sums"), Md5sums(package)));
    }
    return absl::OkStatus();
  }

 private:
  TreeWriter writer_;
  const int64_t now_;
};

// triggers/ of the database: file name → content.
std::map<std::string, std::string> TriggerFiles(const std::vector<UnpackedPackage>& packages,
                                                Architecture architecture) {
  std::map<std::string, std::string> files;
  files["Unincorp"] = "";
  files["Lock"] = "";
  for (const UnpackedPackage& package : packages) {
    const auto text = package.control.find("triggers");
    if (text == package.control.end()) continue;
    for (const TriggerInterest& interest : ParseTriggers(text->second.content)) {
      const std::string who =
          absl::StrCat(DatabaseName(package, architecture), interest.no_await ? "/noawait" : "", "\n");
      if (absl::StartsWith(interest.trigger, "/"))
        absl::StrAppend(&files["File"], interest.trigger, " ", who);
      else if (IsPlainName(interest.trigger))
        absl::StrAppend(&files[interest.trigger], who);
    }
  }
  return files;
}

}  // namespace

absl::Status WriteDpkgDatabase(const std::filesystem::path& root, Architecture architecture,
                               const std::vector<UnpackedPackage>& packages) {
  RW_ASSIGN_OR_RETURN(TreeWriter tree, TreeWriter::Create(root, TreeWriter::Links::kFollowInside));
  DatabaseWriter writer(std::move(tree));
  for (const char* folder : {"info", "updates", "triggers", "alternatives", "parts"}) {
    RW_RETURN_IF_ERROR(writer.Folder(absl::StrCat("var/lib/dpkg/", folder)));
  }
  std::map<std::string, const UnpackedPackage*> by_name;
  for (const UnpackedPackage& package : packages) by_name[package.name] = &package;
  std::string status;
  for (const auto& [name, package] : by_name) {
    absl::StrAppend(&status, Stanza(*package));
    RW_RETURN_IF_ERROR(writer.Package(*package, DatabaseName(*package, architecture)));
  }
  for (const auto& [name, content] : TriggerFiles(packages, architecture)) {
    RW_RETURN_IF_ERROR(writer.File(absl::StrCat("triggers/", name), content));
  }
  for (const char* empty : {"available", "diversions", "statoverride", "lock", "lock-frontend"}) {
    RW_RETURN_IF_ERROR(writer.File(empty, "", absl::StartsWith(empty, "lock") ? 0640 : 0644));
  }
  RW_RETURN_IF_ERROR(writer.File("info/format", "1\n"));
  RW_RETURN_IF_ERROR(writer.File("arch", absl::StrCat(NamesOf(architecture).debian, "\n")));
  return writer.File("status", status);
}

}  // namespace rootwright
