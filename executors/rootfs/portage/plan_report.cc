#include "executors/rootfs/portage/plan_report.h"

#include <algorithm>
#include <array>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace rootwright {
namespace {

using Json = nlohmann::ordered_json;
using Kind = PlanFinding::Kind;

struct Change {
  const char* file;
  PlanChange change;
  // In the specification.
  const char* word;
};
constexpr std::array<Change, 4> kChanges = {{{"package.use", PlanChange::kUse, "use"},
                                             {"package.accept_keywords", PlanChange::kKeywords, "keywords"},
                                             {"package.license", PlanChange::kLicense, "license"},
                                             {"package.unmask", PlanChange::kMask, "mask"}}};

const Change* ChangeOf(const ProposedLine& line) {
  const auto found = std::find_if(kChanges.begin(), kChanges.end(),
                                  [&](const Change& change) { return line.file == change.file; });
  return found == kChanges.end() ? nullptr : found;
}

bool IsRemark(const PlanFinding& finding) { return finding.kind == Kind::kProvided; }

const char* NameOf(Kind kind) {
  static const auto& names = *new std::map<Kind, const char*>{{Kind::kUnknown, "unknown"},
                                                              {Kind::kInvalid, "invalid"},
                                                              {Kind::kAmbiguous, "ambiguous"},
                                                              {Kind::kMasked, "masked"},
                                                              {Kind::kUse, "use"},
                                                              {Kind::kRequiredUse, "required_use"},
                                                              {Kind::kUseChange, "use_change"},
                                                              {Kind::kKeywordChange, "keyword_change"},
                                                              {Kind::kMaskChange, "mask_change"},
                                                              {Kind::kLicenseChange, "license_change"},
                                                              {Kind::kBlocked, "blocked"},
                                                              {Kind::kCircular, "circular"},
                                                              {Kind::kSlotConflict, "slot_conflict"},
                                                              {Kind::kProvided, "provided"}};
  const auto found = names.find(kind);
  return found == names.end() ? "other" : found->second;
}

// "configuration.yml:4:3", what was asked for first.
std::vector<std::string> PlacesOf(const PlanFinding& finding, const Specification& specification) {
  // What asked for it may stand anywhere in the chain, as two packages can be in each other's way.
  std::vector<std::string> names(finding.required_by.rbegin(), finding.required_by.rend());
  names.push_back(finding.atom);
  std::vector<std::string> places;
  for (const std::string& name : names) {
    for (const PortagePackage& package : specification.portage.packages) {
      std::string place = absl::StrCat(kConfigurationFile, ":", package.line, ":", package.column);
      if (package.atom.Text() == name && std::find(places.begin(), places.end(), place) == places.end())
        places.push_back(std::move(place));
    }
  }
  if (places.empty()) places.emplace_back(kConfigurationFile);
  return places;
}

std::vector<std::string> Described(const EmergePlan& plan, const Specification& specification, bool remarks) {
  std::vector<std::string> described;
  for (const PlanFinding& finding : plan.findings) {
    if (IsRemark(finding) != remarks) continue;
    std::vector<std::string> places = PlacesOf(finding, specification);
    std::string text = absl::StrCat(places.front(), ": ", DescribeFinding(finding));
    places.erase(places.begin());
    if (IsBetweenPackages(finding) && !places.empty())
      absl::StrAppend(&text, "; see also ", absl::StrJoin(places, ", "));
    std::set<std::string> words;
    for (const ProposedLine& line : finding.proposal) words.insert(AllowWord(line));
    words.erase("");
    if (!words.empty()) {
      absl::StrAppend(&text, "; add it to the specification, or allow it by 'allow_changes: [",
                      absl::StrJoin(words, ", "), "]'");
    }
    described.push_back(std::move(text));
  }
  return described;
}

Json PackageAsJson(const PlannedPackage& package) {
  return {{"cpv", package.cpv},
          {"category", package.category},
          {"name", package.name},
          {"version", package.version},
          {"slot", package.slot},
          {"sub_slot", package.sub_slot},
          {"repository", package.repository},
          {"root", package.root},
          {"from", package.binary ? "binary" : "source"},
          {"use_on", package.use_on},
          {"use_off", package.use_off},
          {"replaces", package.replaces},
          {"download_bytes", package.download_bytes}};
}

Json FindingAsJson(const PlanFinding& finding) {
  Json masked = Json::array();
  for (const MaskedPackage& each : finding.masked) {
    masked.push_back(
        {{"cpv", each.cpv}, {"reasons", each.reasons}, {"comment", each.comment}, {"file", each.file}});
  }
  Json proposal = Json::array();
  for (const ProposedLine& line : finding.proposal)
    proposal.push_back({{"file", line.file}, {"line", line.line}});
  return {{"kind", NameOf(finding.kind)},       {"atom", finding.atom},
          {"message", finding.message},         {"asked", finding.Asked()},
          {"required_by", finding.required_by}, {"masked", std::move(masked)},
          {"proposal", std::move(proposal)}};
}

}  // namespace

std::string PlanAsJson(const EmergePlan& plan) {
  Json json = {{"schema_version", 1},       {"portage", plan.portage}, {"possible", plan.possible},
               {"packages", Json::array()}, {"files", Json::array()},  {"findings", Json::array()}};
  for (const PlannedPackage& package : plan.packages) json["packages"].push_back(PackageAsJson(package));
  for (const Distfile& file : plan.files) {
    json["files"].push_back({{"name", file.name},
                             {"package", file.package},
                             {"size_bytes", file.size_bytes},
                             {"digests", file.digests},
                             {"urls", file.urls}});
  }
  for (const PlanFinding& finding : plan.findings) json["findings"].push_back(FindingAsJson(finding));
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string PackageInOneLine(const PlannedPackage& package) {
  std::string flags = absl::StrJoin(package.use_on, " ");
  for (const std::string& off : package.use_off) absl::StrAppend(&flags, flags.empty() ? "-" : " -", off);
  return absl::StrCat(package.cpv, package.slot.empty() || package.slot == "0" ? "" : ":" + package.slot,
                      "::", package.repository, "  ", package.binary ? "binary" : "from source",
                      flags.empty() ? "" : "  USE: ", flags);
}

std::vector<std::string> Refusals(const EmergePlan& plan, const Specification& specification) {
  return Described(plan, specification, false);
}

std::vector<std::string> Remarks(const EmergePlan& plan, const Specification& specification) {
  return Described(plan, specification, true);
}

std::optional<std::vector<ProposedLine>> AllowedChanges(const EmergePlan& plan,
                                                        const std::set<PlanChange>& allowed) {
  std::vector<ProposedLine> lines;
  for (const PlanFinding& finding : plan.findings) {
    if (IsRemark(finding)) continue;
    if (finding.proposal.empty()) return std::nullopt;
    for (const ProposedLine& line : finding.proposal) {
      const Change* const change = ChangeOf(line);
      if (change == nullptr || allowed.count(change->change) == 0) return std::nullopt;
      lines.push_back(line);
    }
  }
  return lines;
}

std::vector<ProposedLine> ProposalsOf(const EmergePlan& plan) {
  std::vector<ProposedLine> lines;
  for (const PlanFinding& finding : plan.findings)
    lines.insert(lines.end(), finding.proposal.begin(), finding.proposal.end());
  return lines;
}

std::string ProposalsAsDiff(const std::vector<ProposedLine>& lines) {
  std::map<std::string, std::string> files;
  for (const ProposedLine& line : lines) absl::StrAppend(&files[line.file], "+", line.line, "\n");
  std::string diff;
  for (const auto& [file, added] : files) {
    absl::StrAppend(&diff, "--- etc/portage/", file, "\n+++ etc/portage/", file, "\n", added);
  }
  return diff;
}

std::string AllowWord(const ProposedLine& line) {
  const Change* const change = ChangeOf(line);
  return change == nullptr ? "" : change->word;
}

}  // namespace rootwright
