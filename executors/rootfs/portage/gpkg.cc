#include "executors/rootfs/portage/gpkg.h"

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/status.h"
#include "executors/rootfs/portage/stream_digests.h"
#include "executors/rootfs/spec/portage_atom.h"

namespace rootwright {
namespace {

constexpr size_t kMostMetadata = 64 << 20;
constexpr size_t kLongestField = 1 << 20;
constexpr size_t kLongestEbuild = 4 << 20;
constexpr size_t kLongestManifest = 64 << 10;
constexpr size_t kMostMembers = 4;
constexpr size_t kLongestName = 200;

// What Portage 3.0.83 keeps of a package in an index (bintree.py, bindbapi), and what identifies it besides.
const std::set<std::string>& KeptFields() {
  static const auto* const kFields = new std::set<std::string>{
      "BDEPEND",     "BUILD_ID", "BUILD_TIME",   "CATEGORY",  "CHOST",   "DEFINED_PHASES", "DEPEND",
      "DESCRIPTION", "EAPI",     "IDEPEND",      "INHERITED", "IUSE",    "KEYWORDS",       "LICENSE",
      "PDEPEND",     "PF",       "PROPERTIES",   "PROVIDES",  "RDEPEND", "REQUIRES",       "RESTRICT",
      "SLOT",        "USE",      "USER_PATCHES", "repository"};
  return *kFields;
}

absl::Status Bad(const TarReader& archive, absl::string_view what) {
  return absl::DataLossError(absl::StrCat(archive.name(), ": ", what));
}

struct Member {
  int64_t size = 0;
  std::map<std::string, std::string> digests;
  // Only of metadata.tar and the Manifest.
  std::string content;
};

// "metadata.tar" of "metadata.tar.zst"; empty for a member that does not belong there.
std::string Role(absl::string_view name) {
  if (name == "gpkg-1" || name == "Manifest") return std::string(name);
  for (const char* role : {"metadata.tar", "image.tar"}) {
    absl::string_view rest = name;
    if (!absl::ConsumePrefix(&rest, role)) continue;
    for (const char* compression : {"", ".gz", ".bz2", ".lz4", ".lz", ".lzo", ".xz", ".zst"})
      if (rest == compression) return role;
  }
  return "";
}

absl::StatusOr<std::string> ReadMost(TarReader& archive, size_t most) {
  std::string content;
  std::vector<char> buffer(64 << 10);
  for (;;) {
    RW_ASSIGN_OR_RETURN(const size_t got, archive.Read(buffer));
    if (got == 0) return content;
    content.append(buffer.data(), got);
    if (content.size() > most) return Bad(archive, absl::StrCat("more than ", most, " bytes in one member"));
  }
}

absl::StatusOr<Member> ReadMember(TarReader& archive, size_t keep_most) {
  Member member;
  // Both that Portage writes into a Manifest.
  StreamDigests digests({"BLAKE2B", "SHA512"});
  std::vector<char> buffer(256 << 10);
  for (;;) {
    RW_ASSIGN_OR_RETURN(const size_t got, archive.Read(buffer));
    if (got == 0) break;
    const absl::string_view data(buffer.data(), got);
    digests.Update(data);
    member.size += static_cast<int64_t>(got);
    if (keep_most == 0) continue;
    if (member.content.size() + got > keep_most)
      return Bad(archive, absl::StrCat("more than ", keep_most, " bytes in one member"));
    member.content.append(data.data(), data.size());
  }
  member.digests = digests.Finish();
  return member;
}

// The members by role, and by name for the Manifest.
struct Members {
  std::map<std::string, Member> by_name;
  std::map<std::string, std::string> name_of;
};

absl::StatusOr<Members> ReadMembers(TarReader& archive) {
  Members members;
  std::string folder;
  TarEntry entry;
  for (;;) {
    RW_ASSIGN_OR_RETURN(const bool more, archive.Next(entry));
    if (!more) break;
    const std::vector<std::string> parts = absl::StrSplit(entry.path, '/');
    const std::string role = parts.size() == 2 ? Role(parts[1]) : "";
    if (role.empty() || entry.kind != TarEntry::Kind::kFile || parts[0].empty() || parts[0] == "..")
      return Bad(archive, absl::StrCat("no binary package has a member '", absl::CEscape(entry.path), "'"));
    if (!members.by_name.empty() && parts[0] != folder)
      return Bad(archive, "its members are in several folders");
    folder = parts[0];
    if (!members.name_of.emplace(role, parts[1]).second)
      return Bad(archive, absl::StrCat("it has ", role, " twice"));
    const size_t keep = role == "metadata.tar" ? kMostMetadata : (role == "Manifest" ? kLongestManifest : 0);
    RW_ASSIGN_OR_RETURN(members.by_name[parts[1]], ReadMember(archive, keep));
  }
  if (members.name_of.size() != kMostMembers) {
    for (const char* role : {"gpkg-1", "metadata.tar", "image.tar", "Manifest"})
      if (members.name_of.count(role) == 0) return Bad(archive, absl::StrCat("it has no ", role));
  }
  return members;
}

absl::Status CheckManifest(const TarReader& archive, const Members& members) {
  std::set<std::string> listed;
  for (const absl::string_view line : absl::StrSplit(members.by_name.at("Manifest").content, '\n')) {
    const std::vector<std::string> words = absl::StrSplit(line, ' ', absl::SkipEmpty());
    if (words.empty()) continue;
    const auto member = words.size() < 5 ? members.by_name.end() : members.by_name.find(words[1]);
    int64_t size = -1;
    if (words[0] != "DATA" || member == members.by_name.end() || words[1] == "Manifest" ||
        !absl::SimpleAtoi(words[2], &size) || !listed.insert(words[1]).second)
      return Bad(archive, "its Manifest cannot be read");
    int checked = 0;
    for (size_t i = 3; i + 1 < words.size(); i += 2) {
      const auto digest = member->second.digests.find(words[i]);
      if (digest == member->second.digests.end()) continue;
      if (size != member->second.size || digest->second != absl::AsciiStrToLower(words[i + 1]))
        return Bad(archive, absl::StrCat(words[1], " is not what its Manifest says"));
      ++checked;
    }
    if (checked == 0) return Bad(archive, "its Manifest has no digest that is known");
  }
  if (listed.size() + 1 != members.by_name.size())
    return Bad(archive, "its Manifest does not list all members");
  return absl::OkStatus();
}

// One line; what may not be in an index is refused.
absl::StatusOr<std::string> OneLine(const TarReader& archive, absl::string_view name,
                                    absl::string_view text) {
  const std::vector<absl::string_view> words =
      absl::StrSplit(text, absl::ByAnyChar(" \t\n\r\f\v"), absl::SkipEmpty());
  std::string line = absl::StrJoin(words, " ");
  for (const char c : line)
    if (static_cast<unsigned char>(c) < ' ' || c == 0x7f)
      return Bad(archive, absl::StrCat("its ", name, " has control characters"));
  return line;
}

absl::Status ReadMetadata(TarReader& metadata, Gpkg& package) {
  TarEntry entry;
  std::map<std::string, std::string> ebuilds;
  std::set<std::string> seen;
  for (;;) {
    RW_ASSIGN_OR_RETURN(const bool more, metadata.Next(entry));
    if (!more) break;
    absl::string_view name = entry.path;
    if (entry.kind != TarEntry::Kind::kFile || !absl::ConsumePrefix(&name, "metadata/") ||
        !seen.insert(entry.path).second || seen.size() > 1000)
      return Bad(metadata, absl::StrCat("no metadata has a member '", absl::CEscape(entry.path), "'"));
    if (absl::EndsWith(name, ".ebuild")) {
      RW_ASSIGN_OR_RETURN(ebuilds[std::string(absl::StripSuffix(name, ".ebuild"))],
                          ReadMost(metadata, kLongestEbuild));
    } else if (KeptFields().count(std::string(name)) != 0) {
      RW_ASSIGN_OR_RETURN(const std::string text, ReadMost(metadata, kLongestField));
      RW_ASSIGN_OR_RETURN(package.fields[std::string(name)], OneLine(metadata, name, text));
    }
  }
  if (const auto cpv = SplitCpv(package.cpv()); !cpv.ok()) return Annotate(cpv.status(), metadata.name());
  if (package.Field("SLOT").empty()) return Bad(metadata, "it has no SLOT");
  const auto ebuild = ebuilds.find(package.Field("PF"));
  if (ebuild == ebuilds.end()) return Bad(metadata, "its ebuild is missing");
  package.ebuild = std::move(ebuild->second);
  return absl::OkStatus();
}

}  // namespace

const std::string& Gpkg::Field(const std::string& name) const {
  static const auto* const kNone = new std::string();
  const auto found = fields.find(name);
  return found == fields.end() ? *kNone : found->second;
}

std::string Gpkg::cpv() const { return absl::StrCat(Field("CATEGORY"), "/", Field("PF")); }

absl::StatusOr<Cpv> SplitCpv(absl::string_view cpv) {
  if (cpv.size() <= kLongestName) {
    const ParsedAtom parsed = ParsePortageAtom(absl::StrCat("=", cpv));
    const auto& atom = parsed.atom;
    if (atom && atom->kind == PortageAtom::Kind::kPackage && atom->comparison == "=" &&
        !atom->version_prefix && atom->slot.empty() && atom->repository.empty())
      return Cpv{atom->category, atom->package, atom->version};
  }
  return absl::DataLossError(
      absl::StrCat("'", absl::CEscape(cpv.substr(0, kLongestName)), "' is no category/name-version"));
}

absl::StatusOr<Gpkg> ReadGpkg(TarReader& archive) {
  RW_ASSIGN_OR_RETURN(const Members members, ReadMembers(archive));
  RW_RETURN_IF_ERROR(CheckManifest(archive, members));
  RW_ASSIGN_OR_RETURN(TarReader metadata,
                      TarReader::OfBytes(members.by_name.at(members.name_of.at("metadata.tar")).content,
                                         TarReader::Compression::kAny, archive.name()));
  Gpkg package;
  RW_RETURN_IF_ERROR(ReadMetadata(metadata, package));
  return package;
}

}  // namespace rootwright
