#include "debian/unpack.h"

#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/file.h"
#include "base/status.h"
#include "base/subprocess.h"
#include "debian/unpack_protocol.h"

namespace rootwright {
namespace {

absl::Status FailureOf(const SubprocessResult& result) {
  const std::string said(absl::StripAsciiWhitespace(result.error_output));
  const std::string why =
      absl::StrCat("unpack packages: ", said.empty() ? "rootwright-unpack gave no reason" : said);
  if (result.signal != 0) return absl::InternalError(absl::StrCat(why, " (signal ", result.signal, ")"));
  if (result.exit_code == kUnpackDamaged) return absl::DataLossError(why);
  if (result.exit_code == kUnpackExhausted) return absl::ResourceExhaustedError(why);
  return absl::InternalError(why);
}

}  // namespace

absl::Status UnpackPackages(const AptPlan& plan, const std::vector<std::filesystem::path>& debs,
                            const UnpackOptions& options, const Apt::Progress& progress, Deadline deadline,
                            std::stop_token stop) {
  if (debs.size() != plan.packages.size()) {
    return absl::InvalidArgumentError("unpack packages: not one file for each package of the plan");
  }
  RW_RETURN_IF_ERROR(MakeFolders(options.tree));
  SubprocessSpec spec;
  spec.argv = {options.unpack_program.string(), options.tree.string(), NamesOf(options.architecture).debian,
               absl::StrCat(options.jobs)};
  if (!options.dpkg_database) spec.argv.push_back("--no-database");
  for (const std::filesystem::path& deb : debs) {
    spec.input += deb.string();
    spec.input += '\0';
  }
  std::string pending;
  int done = 0;
  spec.on_stdout = [&](absl::string_view bytes) {
    absl::StrAppend(&pending, bytes);
    for (size_t end = 0; (end = pending.find('\n')) != std::string::npos; pending.erase(0, end + 1)) {
      absl::string_view line = absl::string_view(pending).substr(0, end);
      size_t index = 0;
      if (!absl::ConsumePrefix(&line, "done ") || !absl::SimpleAtoi(line, &index) || index >= debs.size())
        continue;
      if (progress) progress(++done, static_cast<int>(debs.size()), plan.packages[index].name);
    }
  };
  RW_ASSIGN_OR_RETURN(const SubprocessResult result, RunSubprocess(spec, deadline, std::move(stop)));
  if (!result.ok()) return FailureOf(result);
  return absl::OkStatus();
}

}  // namespace rootwright
