#pragma once

#include <optional>
#include <string>
#include <vector>

#include "executors/rootfs/portage/emerge_plan.h"
#include "executors/rootfs/spec/specification.h"

namespace rootwright {

// plan.json: packages in the order in which they would be merged, source files, findings.
std::string PlanAsJson(const EmergePlan& plan);

// One package of it for people: "dev-libs/popt-1.19  from source  USE: nls -static-libs".
std::string PackageInOneLine(const PlannedPackage& package);

// What to tell of each finding that keeps the plan from being done: "configuration.yml:7:3: app-misc/foo: …".
std::vector<std::string> Refusals(const EmergePlan& plan, const Specification& specification);
// The same of findings that do not.
std::vector<std::string> Remarks(const EmergePlan& plan, const Specification& specification);

// The changes that Portage proposes, when all that stands against the plan would go with them and the
// specification allows every one; else nothing.
std::optional<std::vector<ProposedLine>> AllowedChanges(const EmergePlan& plan,
                                                        const std::set<PlanChange>& allowed);

// What is proposed, as a diff of files below etc/portage; empty when nothing is.
std::string ProposalsAsDiff(const std::vector<ProposedLine>& lines);
std::vector<ProposedLine> ProposalsOf(const EmergePlan& plan);

// What of `allow_changes` such a line would take: "keywords"; empty when there is no word for it.
std::string AllowWord(const ProposedLine& line);

}  // namespace rootwright
