#include "executors/rootfs/manifest.h"

#include <sys/utsname.h>

#include <nlohmann/json.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "archive/pack.h"
#include "base/architecture.h"
#include "base/subprocess.h"
#include "base/version.h"

namespace rootwright {
namespace {

using Json = nlohmann::ordered_json;

std::string Utc(absl::Time time) { return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", time, absl::UTCTimeZone()); }

Json SourceOf(const RootfsState& state) {
  return {{"url", state.request.source.url},
          {"ref", state.request.source.ref},
          {"path", state.request.source.path},
          {"commit", state.source.commit},
          {"commit_time", Utc(state.source.commit_time)}};
}

// The first word of the first line that begins with a digit: "apt 2.6.1 (amd64)" → "2.6.1".
std::string VersionIn(absl::string_view output) {
  const absl::string_view line = output.substr(0, output.find('\n'));
  for (absl::string_view word : absl::StrSplit(line, absl::ByAnyChar(" ,()"), absl::SkipEmpty())) {
    if (absl::ascii_isdigit(static_cast<unsigned char>(word[0]))) return std::string(word);
  }
  return "";
}

}  // namespace

std::map<std::string, std::string> ToolVersions(Environment& environment, Deadline deadline,
                                                std::stop_token stop) {
  std::map<std::string, std::string> versions = environment.Tools();
  versions["rootwright"] = kVersion;
  versions.merge(ArchiveTools());
  if (utsname host{}; uname(&host) == 0) versions["linux"] = host.release;
  // mke2fs tells its version on standard error.
  for (const auto& [tool, option] :
       {std::pair{"apt-get", "--version"}, {"git", "--version"}, {"mke2fs", "-V"}}) {
    SubprocessSpec spec;
    spec.argv = {tool, option};
    const absl::StatusOr<SubprocessResult> result =
        RunSubprocess(spec, Earlier(deadline, Deadline::In(absl::Seconds(10))), stop);
    if (!result.ok() || !result->ok()) continue;
    versions[tool] = VersionIn(result->output.empty() ? result->error_output : result->output);
  }
  return versions;
}

std::string MakeManifest(const RootfsState& state, const ManifestParts& parts,
                         const std::map<std::string, std::string>& tools,
                         const std::vector<ArtifactFile>& archives) {
  Json manifest;
  manifest["schema_version"] = 1;
  manifest["build_id"] = state.request.environment.build_id;
  manifest["architecture"] = NamesOf(state.request.environment.architecture).debian;
  manifest["source"] = SourceOf(state);
  manifest["source_date"] = Utc(state.source_date());
  manifest["source_date_epoch"] = absl::ToUnixSeconds(state.source_date());
  manifest["package_manager"] = parts.package_manager;
  manifest["image"] = {{"name", state.preparation.image.name}, {"digest", state.preparation.image.digest}};
  if (const std::string& kernel = state.preparation.image.kernel_release; !kernel.empty())
    manifest["image"]["kernel_release"] = kernel;
  // What a build fetched by itself no manifest can name.
  if (state.request.environment.network == Network::kOutbound) manifest["network"] = "outbound";
  if (!parts.build_root.is_null()) manifest["build_root"] = parts.build_root;
  manifest["packages"] = parts.packages;
  manifest["shortcuts"] = Json::array();
  for (const UsedShortcut& shortcut : state.shortcuts) {
    manifest["shortcuts"].push_back({{"name", shortcut.name}, {"note", shortcut.note}});
  }
  manifest["tools"] = tools;
  manifest["steps"] = Json::array();
  for (const auto& [step, wall] : state.step_times) {
    manifest["steps"].push_back({{"name", step}, {"wall_ms", absl::ToInt64Milliseconds(wall)}});
  }
  manifest["artifacts"] = Json::array();
  for (const ArtifactFile& archive : archives) {
    manifest["artifacts"].push_back({{"name", archive.name},
                                     {"size_bytes", archive.size_bytes},
                                     {"sha256", archive.sha256},
                                     {"media_type", archive.media_type}});
  }
  // What is not UTF-8 in a value must not throw.
  return manifest.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace rootwright
