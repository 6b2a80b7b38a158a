#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "executors/rootfs/portage/distfile.h"

namespace rootwright {

// A package that would be merged.
struct PlannedPackage {
  // "dev-libs/popt-1.19", and its parts.
  std::string cpv;
  std::string category;
  std::string name;
  std::string version;
  std::string slot;
  std::string sub_slot;
  std::string repository;
  // Where it goes: "/" or "/target/".
  std::string root;
  // Merged from a binary package.
  bool binary = false;
  // Those of its functions that run when it is merged: "postinst".
  std::vector<std::string> functions;
  // Of its own flags (IUSE), those that are on and those that are off, sorted.
  std::vector<std::string> use_on;
  std::vector<std::string> use_off;
  // Installed packages of its slot that go, as cpv.
  std::vector<std::string> replaces;
  // What is still to be had: source files that DISTDIR lacks, or the binary package.
  int64_t download_bytes = 0;
};

// A version that fits but may not be used.
struct MaskedPackage {
  // "app-test/masked-1::rootwright-test"
  std::string cpv;
  // "package.mask", "~amd64 keyword", "missing keyword", "GPL-3 license(s)"
  std::vector<std::string> reasons;
  // What the file that masks it says about it, and that file.
  std::string comment;
  std::string file;
};

// One line in a file below /etc/portage that would let the plan go on.
struct ProposedLine {
  // "package.use", "package.accept_keywords", "package.unmask", "package.license"
  std::string file;
  std::string line;
};

// Why there is no plan, in one clear piece. `kProvided` alone is no refusal: nothing needs to be merged.
struct PlanFinding {
  enum class Kind {
    kUnknown,      // no repository has it
    kInvalid,      // no package name at all
    kAmbiguous,    // a name without category that fits several
    kMasked,       // every version that fits is masked
    kUse,          // no version has the flags that are wanted
    kRequiredUse,  // its own rule on its flags is broken
    kUseChange,    // these four: Portage would go on with a changed setting
    kKeywordChange,
    kMaskChange,
    kLicenseChange,
    kBlocked,       // two packages that cannot be together
    kCircular,      // packages that need each other to be built
    kSlotConflict,  // two versions wanted in one slot
    kProvided,      // the build root has it (package.provided)
    kOther,         // Portage's own words are in the log
  };
  Kind kind = Kind::kOther;
  // What it is about.
  std::string atom;
  std::string message;
  // From what wanted `atom` to what the user asked for; empty when the user asked for `atom` itself. Of a
  // finding between several packages what wanted each of them, one after the other.
  std::vector<std::string> required_by;
  std::vector<MaskedPackage> masked;
  std::vector<ProposedLine> proposal;

  // What the user asked for, as it stands in the specification or a set.
  const std::string& Asked() const { return required_by.empty() ? atom : required_by.back(); }
};

// What emerge would do.
struct EmergePlan {
  // In the order in which they would be merged.
  std::vector<PlannedPackage> packages;
  // Of packages that are built from source; each file once.
  std::vector<Distfile> files;
  std::vector<PlanFinding> findings;
  // Portage can do it; false has at least one finding.
  bool possible = false;
  // Its version.
  std::string portage;
};

// The program that asks Portage, for `python3 - [emerge options] atom…` in the environment: it reads this on
// standard input and answers on descriptor 3. Needs Portage 3.0.83.
absl::string_view PlanProgram();

// Reads that answer, which is not trusted: bounded, unknown kinds of lines left out. DataLoss when it is cut
// short or is none.
absl::StatusOr<EmergePlan> ParseEmergePlan(absl::string_view answer);

// Whether it is about several packages, each of which may be asked for in a place of its own.
bool IsBetweenPackages(const PlanFinding& finding);

// "app-test/masked: every version that fits is masked: package.mask (the reason in it); wanted by
// app-test/needs-masked-1"
std::string DescribeFinding(const PlanFinding& finding);

}  // namespace rootwright
