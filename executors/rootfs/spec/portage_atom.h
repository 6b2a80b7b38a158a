#pragma once

#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace rootwright {

// Which packages are meant, in Portage's words, taken apart. The grammar is that of Gentoo's
// Package Manager Specification (https://projects.gentoo.org/pms/8/pms.html, "Names" and
// "Package dependency specifications") with what Portage's own files take besides: sets,
// wildcards in names, `::repository`. What only ebuilds may write (blockers, USE dependencies,
// slot operators) is refused.
struct PortageAtom {
  enum class Kind {
    // "=dev-libs/jsoncpp-0.6*:0::gentoo"
    kPackage,
    // "dev-libs/*": says something about packages, asks for none.
    kWildcard,
    // "@world"
    kSet,
  };

  Kind kind = Kind::kPackage;
  // Empty, or one of "=", "~", "<", "<=", ">", ">=".
  std::string comparison;
  std::string category;
  // Of a set its name, without the "@".
  std::string package;
  // With its revision: "1.2_rc3-r1". Not empty exactly when `comparison` is not.
  std::string version;
  // "=…-0.6*": every version that begins so.
  bool version_prefix = false;
  std::string slot;
  std::string sub_slot;
  std::string repository;

  // As it is written; parsing that gives the same atom.
  std::string Text() const;
  friend bool operator==(const PortageAtom&, const PortageAtom&) = default;
};

struct ParsedAtom {
  // Absent: `message` says why, `hint` what to do about it.
  std::optional<PortageAtom> atom;
  std::string message;
  std::string hint;
  // The byte of the text that is wrong.
  size_t at = 0;
};

ParsedAtom ParsePortageAtom(absl::string_view text);

// The same specification's other names, whole.
bool IsPortageVersion(absl::string_view text);
bool IsUseFlag(absl::string_view text);
bool IsSlotName(absl::string_view text);
bool IsRepositoryName(absl::string_view text);

}  // namespace rootwright
