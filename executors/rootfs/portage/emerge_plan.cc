#include "executors/rootfs/portage/emerge_plan.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "executors/rootfs/portage/json_fields.h"

namespace rootwright {
namespace {

using nlohmann::json;
using Kind = PlanFinding::Kind;

constexpr size_t kLongestLine = 1 << 20;
constexpr size_t kMostEntries = 50000;
constexpr size_t kMostTexts = 4096;

Kind KindNamed(const std::string& name) {
  static const auto* const kKinds = new std::map<std::string, Kind>{{"unknown", Kind::kUnknown},
                                                                    {"invalid", Kind::kInvalid},
                                                                    {"ambiguous", Kind::kAmbiguous},
                                                                    {"masked", Kind::kMasked},
                                                                    {"use", Kind::kUse},
                                                                    {"required_use", Kind::kRequiredUse},
                                                                    {"use_change", Kind::kUseChange},
                                                                    {"keyword_change", Kind::kKeywordChange},
                                                                    {"mask_change", Kind::kMaskChange},
                                                                    {"license_change", Kind::kLicenseChange},
                                                                    {"blocked", Kind::kBlocked},
                                                                    {"circular", Kind::kCircular},
                                                                    {"slot_conflict", Kind::kSlotConflict},
                                                                    {"provided", Kind::kProvided}};
  const auto found = kKinds->find(name);
  return found == kKinds->end() ? Kind::kOther : found->second;
}

PlannedPackage PackageFrom(const json& line) {
  PlannedPackage package;
  package.cpv = TextField(line, "cpv");
  package.category = TextField(line, "category");
  package.name = TextField(line, "name");
  package.version = TextField(line, "version");
  package.slot = TextField(line, "slot");
  package.sub_slot = TextField(line, "sub_slot");
  package.repository = TextField(line, "repository");
  package.root = TextField(line, "root");
  package.binary = FlagField(line, "binary");
  package.functions = TextsField(line, "functions", kMostTexts);
  package.use_on = TextsField(line, "use_on", kMostTexts);
  package.use_off = TextsField(line, "use_off", kMostTexts);
  package.replaces = TextsField(line, "replaces", kMostTexts);
  package.download_bytes = std::max<int64_t>(0, NumberField(line, "download_bytes", 0));
  return package;
}

Distfile FileFrom(const json& line) {
  Distfile file;
  file.name = TextField(line, "name");
  file.package = TextField(line, "cpv");
  file.urls = TextsField(line, "urls", kMostTexts);
  file.size_bytes = NumberField(line, "size", -1);
  file.restricted = FlagField(line, "restricted");
  const auto digests = line.find("digests");
  if (digests == line.end() || !digests->is_object()) return file;
  for (const char* algorithm : {"BLAKE2B", "SHA512", "SHA256"}) {
    std::string digest = TextField(*digests, algorithm);
    if (!digest.empty()) file.digests.emplace(algorithm, std::move(digest));
  }
  return file;
}

PlanFinding FindingFrom(const json& line) {
  PlanFinding finding;
  finding.kind = KindNamed(TextField(line, "kind"));
  finding.atom = TextField(line, "atom");
  finding.message = TextField(line, "message");
  finding.required_by = TextsField(line, "required_by", kMostTexts);
  for (const json& masked : ObjectsField(line, "packages", kMostTexts)) {
    finding.masked.push_back({TextField(masked, "cpv"), TextsField(masked, "reasons", kMostTexts),
                              TextField(masked, "comment"), TextField(masked, "file")});
  }
  for (const json& proposed : ObjectsField(line, "proposal", kMostTexts))
    finding.proposal.push_back({TextField(proposed, "file"), TextField(proposed, "line")});
  return finding;
}

}  // namespace

absl::StatusOr<EmergePlan> ParseEmergePlan(absl::string_view answer) {
  EmergePlan plan;
  bool whole = false;
  for (const absl::string_view text : absl::StrSplit(answer, '\n')) {
    if (text.empty()) continue;
    const json line =
        text.size() > kLongestLine ? json() : json::parse(text.begin(), text.end(), nullptr, false);
    if (!line.is_object()) return absl::DataLossError("dry run: a line of its answer cannot be read");
    if (whole) return absl::DataLossError("dry run: its answer goes on after its end");
    if (plan.packages.size() + plan.files.size() + plan.findings.size() >= kMostEntries)
      return absl::DataLossError(absl::StrCat("dry run: its answer has more than ", kMostEntries, " lines"));
    const std::string type = TextField(line, "type");
    if (type == "package") plan.packages.push_back(PackageFrom(line));
    if (type == "file") plan.files.push_back(FileFrom(line));
    if (type == "finding") plan.findings.push_back(FindingFrom(line));
    if (type != "end") continue;
    whole = true;
    plan.possible = FlagField(line, "ok");
    plan.portage = TextField(line, "portage");
  }
  if (!whole) return absl::DataLossError("dry run: its answer is cut short");
  if (!plan.possible && plan.findings.empty()) {
    plan.findings.emplace_back();
    plan.findings.back().message = "Portage cannot resolve it; its own words are in the log";
  }
  return plan;
}

bool IsBetweenPackages(const PlanFinding& finding) {
  return finding.kind == Kind::kBlocked || finding.kind == Kind::kCircular ||
         finding.kind == Kind::kSlotConflict;
}

std::string DescribeFinding(const PlanFinding& finding) {
  std::string text =
      finding.atom.empty() ? finding.message : absl::StrCat(finding.atom, ": ", finding.message);
  for (const MaskedPackage& masked : finding.masked) {
    if (masked.comment.empty()) continue;
    absl::StrAppend(&text, " (", masked.comment, ")");
    break;
  }
  // Of several packages the message itself says who wants which.
  if (IsBetweenPackages(finding)) return text;
  if (!finding.required_by.empty() && finding.required_by != std::vector<std::string>{finding.atom})
    absl::StrAppend(&text, "; wanted by ", absl::StrJoin(finding.required_by, ", for "));
  return text;
}

}  // namespace rootwright
