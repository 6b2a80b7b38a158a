#include "executors/rootfs/spec/portage_keyword.h"

#include <algorithm>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/strip.h"
#include "executors/rootfs/spec/problem.h"

namespace rootwright {
namespace {

// https://gitweb.gentoo.org/repo/gentoo.git/tree/profiles/arch.list, prefix ones left out.
const std::vector<std::string>& Architectures() {
  static const std::vector<std::string>& names =
      *new std::vector<std::string>{"alpha", "amd64", "arm",   "arm64", "hppa", "ia64",  "loong", "m68k",
                                    "mips",  "ppc",   "ppc64", "riscv", "s390", "sparc", "x86"};
  return names;
}

}  // namespace

std::string KeywordOf(Architecture architecture) {
  switch (architecture) {
    case Architecture::kAmd64:
      return "amd64";
    case Architecture::kArm64:
      return "arm64";
    case Architecture::kArmhf:
    case Architecture::kArmel:
      return "arm";
    case Architecture::kRiscv64:
      return "riscv";
  }
  return "";
}

bool ParseKeyword(absl::string_view text, PortageKeyword& keyword) {
  keyword.architecture.clear();
  if (text == "**" || text == "*" || text == "~*") return true;
  absl::ConsumePrefix(&text, "~");
  const auto good = [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '-';
  };
  if (text.empty() || text.front() == '-' || !std::all_of(text.begin(), text.end(), good)) return false;
  // "amd64-linux": a prefix installation on another system; its architecture comes first.
  keyword.architecture = std::string(text.substr(0, text.find('-')));
  return true;
}

bool IsGentooArchitecture(absl::string_view name) {
  return std::find(Architectures().begin(), Architectures().end(), name) != Architectures().end();
}

std::string NearestArchitecture(absl::string_view name) { return NearestWord(name, Architectures()); }

}  // namespace rootwright
