#include "ci/cli/host_report.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace rootwright::cli {
namespace {

using nlohmann::json;

// Every architecture that a farm may be asked for, to say which this host cannot build.
constexpr std::array<const char*, 5> kArchitectures = {"amd64", "arm64", "armhf", "riscv64", "armel"};

std::string TextOf(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? Printable(found->get<std::string>()) : "";
}

HostReport::Check CheckOf(const json& object) {
  using Result = HostReport::Check::Result;
  const std::string result = TextOf(object, "result");
  return {TextOf(object, "name"),
          result == "ok"         ? Result::kOk
          : result == "degraded" ? Result::kDegraded
                                 : Result::kFailed,
          TextOf(object, "finding"), TextOf(object, "remedy")};
}

absl::Status NotReadable() {
  return absl::InternalError(
      "read the host check: rootwright-agent: its answer is not the JSON that was expected; are both of one "
      "version?");
}

}  // namespace

bool HostReport::ok() const {
  return std::none_of(checks.begin(), checks.end(),
                      [](const Check& check) { return check.result == Check::Result::kFailed; });
}

absl::StatusOr<HostReport> ParseHostReport(absl::string_view text) {
  const json root = json::parse(text.begin(), text.end(), nullptr, false);
  if (!root.is_object() || !root.contains("checks") || !root["checks"].is_array()) return NotReadable();
  HostReport report;
  for (const json& check : root["checks"]) {
    if (!check.is_object()) return NotReadable();
    report.checks.push_back(CheckOf(check));
  }
  const auto targets = root.find("targets");
  if (targets == root.end()) return report;
  if (!targets->is_array()) return NotReadable();
  for (const json& target : *targets) {
    if (!target.is_object()) return NotReadable();
    const auto accelerated = target.find("accelerated");
    report.targets.push_back(
        {TextOf(target, "architecture"), TextOf(target, "isolation"),
         accelerated != target.end() && accelerated->is_boolean() && accelerated->get<bool>()});
  }
  return report;
}

std::vector<Line> HostReportLines(const HostReport& report) {
  using Result = HostReport::Check::Result;
  std::vector<Line> lines;
  for (const HostReport::Check& check : report.checks) {
    const Tone tone = check.result == Result::kOk         ? Tone::kGood
                      : check.result == Result::kDegraded ? Tone::kNote
                                                          : Tone::kBad;
    Line line("  ");
    line.Add(tone == Tone::kGood ? "✓" : tone == Tone::kNote ? "!" : "✗", tone);
    line.Add(absl::StrCat(" ", check.name, check.finding.empty() ? "" : ": ", check.finding));
    if (!check.remedy.empty()) line.To(60).Add("  ").Add(check.remedy, Tone::kStrong);
    lines.push_back(std::move(line));
  }
  std::vector<std::string> can;
  std::vector<std::string> cannot;
  for (const HostReport::Target& target : report.targets) {
    can.push_back(
        absl::StrCat(target.architecture, " (", target.isolation, target.accelerated ? ", KVM)" : ")"));
  }
  for (const char* name : kArchitectures) {
    const bool there = std::any_of(report.targets.begin(), report.targets.end(),
                                   [&](const auto& target) { return target.architecture == name; });
    if (!there) cannot.emplace_back(name);
  }
  std::string last = can.empty() ? "This host can build nothing."
                                 : absl::StrCat("This host can build: ", absl::StrJoin(can, ", "), ".");
  if (!can.empty() && !cannot.empty())
    absl::StrAppend(&last, " It cannot build: ", absl::StrJoin(cannot, ", "), ".");
  lines.emplace_back(last);
  return lines;
}

}  // namespace rootwright::cli
