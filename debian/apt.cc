#include "debian/apt.h"

#include <algorithm>
#include <map>
#include <span>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/sha256.h"
#include "base/status.h"
#include "debian/apt_plan.h"
#include "debian/apt_state.h"

namespace rootwright {
namespace {

constexpr absl::Duration kFresh = absl::Hours(1);
// So many packages are fetched by one apt-helper: a command line has a limit.
constexpr size_t kFetchedAtOnce = 200;
constexpr char kAptHelper[] = "/usr/lib/apt/apt-helper";

// The lines of apt that say what went wrong, without its prefixes.
std::string ErrorsOf(absl::string_view errors) {
  std::vector<std::string> lines;
  for (absl::string_view line : absl::StrSplit(errors, '\n')) {
    if (!absl::ConsumePrefix(&line, "E: ") && !absl::ConsumePrefix(&line, "W: ")) continue;
    if (absl::StartsWith(line, "Some index files failed") || line == "Download Failed") continue;
    lines.emplace_back(line);
  }
  return lines.empty() ? "apt gave no reason" : absl::StrJoin(lines, "; ");
}

// apt leaves a component out that the suite does not have, and calls that a success.
constexpr char kNoComponent[] = "doesn't have the component";

absl::Status UpdateFailed(const SubprocessResult& result) {
  const std::string why = ErrorsOf(result.error_output);
  for (const char* sign : {"NO_PUBKEY", "is not signed", "signatures", "BADSIG", "EXPKEYSIG", "GPG error",
                           "is expired", "not valid yet", "keyring"}) {
    if (absl::StrContains(why, sign)) {
      return WithFault(
          absl::FailedPreconditionError(absl::StrCat("check the signature of the package index: ", why)),
          Fault::kRemote);
    }
  }
  if (absl::StrContains(why, "404") || absl::StrContains(why, "does not have a Release file") ||
      absl::StrContains(why, kNoComponent)) {
    return WithFault(absl::NotFoundError(absl::StrCat("fetch the package index: ", why)), Fault::kRemote);
  }
  return WithFault(absl::UnavailableError(absl::StrCat("fetch the package index: ", why)), Fault::kRemote);
}

std::string SearchedIn(Architecture architecture, const std::vector<AptSource>& sources) {
  std::vector<std::string> parts;
  for (const AptSource& source : sources) {
    parts.push_back(absl::StrCat(source.suite, " ", absl::StrJoin(source.components, " ")));
  }
  return absl::StrCat(absl::StrJoin(parts, ", "), " (", NamesOf(architecture).debian, ")");
}

// "name=version" of "name_1%3a2.0_arm64.deb".
std::string KeyOfFile(absl::string_view file) {
  const std::vector<absl::string_view> parts = absl::StrSplit(file, '_');
  if (parts.size() != 3) return "";
  return absl::StrCat(parts[0], "=", absl::StrReplaceAll(parts[1], {{"%3a", ":"}, {"%3A", ":"}}));
}

absl::StatusOr<AptPlan> MakePlan(const AptState& state, const std::vector<PackageUri>& uris,
                                 Deadline deadline, std::stop_token stop) {
  AptPlan plan;
  if (uris.empty()) return plan;
  std::vector<std::string> argv = {"apt-cache", "show"};
  for (const PackageUri& uri : uris) argv.push_back(KeyOfFile(uri.file));
  RW_ASSIGN_OR_RETURN(const SubprocessResult result, state.Run(argv, deadline, stop));
  if (!result.ok()) {
    return absl::InternalError(absl::StrCat("read the package index: ", ErrorsOf(result.error_output)));
  }
  RW_ASSIGN_OR_RETURN(auto packages, ParseShow(result.output));
  for (const PackageUri& uri : uris) {
    const auto package = packages.find(KeyOfFile(uri.file));
    if (package == packages.end()) {
      return absl::InternalError(absl::StrCat("read the package index: ", uri.file, ": not in it"));
    }
    package->second.uri = uri.uri;
    plan.packages.push_back(package->second);
  }
  return plan;
}

// The file's name in the cache: two archives may have different files of one name.
std::string CacheName(const DebianPackage& package) {
  return absl::StrCat(package.sha256.substr(0, 12), "-",
                      std::filesystem::path(package.filename).filename().string());
}

bool IsThere(const std::filesystem::path& path, const DebianPackage& package) {
  std::error_code error;
  if (static_cast<int64_t>(std::filesystem::file_size(path, error)) != package.size_bytes || error)
    return false;
  const absl::StatusOr<std::string> digest = Sha256::OfFile(path);
  return digest.ok() && *digest == package.sha256;
}

struct Fetch {
  const DebianPackage* package;
  std::filesystem::path cached;
};

// Counts packages as apt-helper begins with them: one line "Get:12 URI …" each.
class FetchProgress {
 public:
  FetchProgress(const Apt::Progress& progress, int done, int total)
      : progress_(progress), done_(done), total_(total) {}

  void Read(absl::string_view bytes, const std::map<std::string, std::string>& names) {
    absl::StrAppend(&pending_, bytes);
    for (size_t end = 0; (end = pending_.find('\n')) != std::string::npos; pending_.erase(0, end + 1)) {
      const std::vector<std::string> words = absl::StrSplit(pending_.substr(0, end), ' ');
      if (words.size() < 2 || !absl::StartsWith(words[0], "Get:")) continue;
      const auto name = names.find(words[1]);
      if (name != names.end()) Step(name->second);
    }
  }
  void Step(absl::string_view name) {
    if (progress_ && done_ < total_) progress_(++done_, total_, name);
  }

 private:
  const Apt::Progress& progress_;
  int done_;
  const int total_;
  std::string pending_;
};

absl::Status FetchSome(std::span<const Fetch> wanted, const std::filesystem::path& folder,
                       FetchProgress& progress, const std::map<std::string, std::string>& environment,
                       Deadline deadline, std::stop_token stop) {
  RW_ASSIGN_OR_RETURN(const ScopedFolder partial, ScopedFolder::Create(folder, "partial-"));
  SubprocessSpec spec{.argv = {kAptHelper, "download-file"}, .environment = environment};
  std::map<std::string, std::string> names;
  for (const Fetch& fetch : wanted) {
    names[fetch.package->uri] = fetch.package->name;
    const std::string target = (partial.path() / fetch.cached.filename()).string();
    spec.argv.insert(spec.argv.end(),
                     {fetch.package->uri, target, absl::StrCat("SHA256:", fetch.package->sha256)});
  }
  spec.on_stdout = [&](absl::string_view bytes) { progress.Read(bytes, names); };
  RW_ASSIGN_OR_RETURN(const SubprocessResult result, RunSubprocess(spec, deadline, stop));
  for (const Fetch& fetch : wanted) {
    std::filesystem::path got = partial.path() / fetch.cached.filename();
    std::error_code error;
    // From a file: mirror comes a link into the mirror; the cache wants the file.
    if (std::filesystem::is_symlink(got, error)) {
      const std::filesystem::path copy = got.string() + ".copy";
      std::filesystem::copy_file(got, copy, error);
      got = copy;
    }
    if (IsThere(got, *fetch.package)) {
      std::filesystem::rename(got, fetch.cached, error);
      if (error) return ErrnoStatus(error.value(), "keep the package", fetch.cached.string());
      continue;
    }
    const std::string why = ErrorsOf(result.error_output);
    if (absl::StrContains(why, "Hash Sum mismatch") || result.ok()) {
      return WithFault(absl::DataLossError(absl::StrCat("fetch the package: ", fetch.package->name,
                                                        ": wrong content: ", why)),
                       Fault::kRemote);
    }
    return WithFault(
        absl::UnavailableError(absl::StrCat("fetch the package: ", fetch.package->name, ": ", why)),
        Fault::kRemote);
  }
  return absl::OkStatus();
}

}  // namespace

Apt::Apt(std::filesystem::path folder, Architecture architecture, std::vector<AptSource> sources)
    : folder_(std::move(folder)), architecture_(architecture), sources_(std::move(sources)) {}

absl::Status Apt::Update(Deadline deadline, std::stop_token stop) {
  RW_ASSIGN_OR_RETURN(const AptState state, AptState::Open(folder_, architecture_, sources_, deadline, stop));
  const absl::Duration age = state.IndexAge();
  if (age >= absl::ZeroDuration() && age < kFresh) return absl::OkStatus();
  RW_ASSIGN_OR_RETURN(const SubprocessResult result,
                      state.Run({"apt-get", "update", "-q", "--error-on=any"}, deadline, stop));
  if (!result.ok() || absl::StrContains(result.error_output, kNoComponent)) return UpdateFailed(result);
  return state.MarkUpdated();
}

absl::StatusOr<AptPlan> Apt::Resolve(const std::vector<std::string>& seeds,
                                     const std::vector<std::string>& packages, Deadline deadline,
                                     std::stop_token stop) {
  RW_ASSIGN_OR_RETURN(const AptState state, AptState::Open(folder_, architecture_, sources_, deadline, stop));
  if (state.IndexAge() == absl::InfiniteDuration()) {
    return absl::FailedPreconditionError("resolve packages: there is no package index yet: update first");
  }
  AptPlan failed;
  std::vector<std::string> asked;
  for (const std::string& request : packages) {
    if (IsPackageRequest(request))
      asked.push_back(request);
    else
      failed.unresolved.push_back({request, "not a package name, name=version or name/suite"});
  }
  // Each round names more of what cannot be had: apt looks at dependencies only once it
  // knows all names.
  for (;;) {
    std::vector<std::string> argv = {"apt-get", "install", "-q", "-y", "--print-uris"};
    argv.insert(argv.end(), seeds.begin(), seeds.end());
    argv.insert(argv.end(), asked.begin(), asked.end());
    RW_ASSIGN_OR_RETURN(const SubprocessResult result, state.Run(argv, deadline, stop));
    if (result.ok() && failed.unresolved.empty()) {
      return MakePlan(state, ParsePrintUris(result.output), deadline, stop);
    }
    if (result.ok()) return failed;
    const std::vector<UnresolvedPackage> more =
        ParseFailure(result.output, result.error_output, SearchedIn(architecture_, sources_));
    failed.unresolved.insert(failed.unresolved.end(), more.begin(), more.end());
    const size_t before = asked.size();
    std::erase_if(asked, [&](const std::string& request) {
      return std::any_of(more.begin(), more.end(), [&](const UnresolvedPackage& package) {
        return package.name == NameOfRequest(request);
      });
    });
    if (asked.size() < before) continue;
    if (!failed.unresolved.empty()) return failed;
    return absl::InternalError(absl::StrCat("resolve packages: ", ErrorsOf(result.error_output)));
  }
}

absl::StatusOr<std::vector<std::filesystem::path>> Apt::Download(const AptPlan& plan,
                                                                 const Progress& progress, Deadline deadline,
                                                                 std::stop_token stop) {
  const std::filesystem::path folder = std::filesystem::absolute(folder_) / "packages";
  RW_RETURN_IF_ERROR(MakeFolders(folder));
  std::vector<std::filesystem::path> paths;
  std::vector<Fetch> missing;
  for (const DebianPackage& package : plan.packages) {
    paths.push_back(folder / CacheName(package));
    if (!IsThere(paths.back(), package)) missing.push_back({&package, paths.back()});
  }
  if (missing.empty()) return paths;
  std::map<std::string, std::string> environment;
  {
    RW_ASSIGN_OR_RETURN(const AptState state,
                        AptState::Open(folder_, architecture_, sources_, deadline, stop));
    environment = state.environment();
  }
  const int total = static_cast<int>(paths.size());
  FetchProgress fetched(progress, total - static_cast<int>(missing.size()), total);
  for (size_t at = 0; at < missing.size(); at += kFetchedAtOnce) {
    const std::span<const Fetch> some =
        std::span(missing).subspan(at, std::min(kFetchedAtOnce, missing.size() - at));
    const absl::Status got = FetchSome(some, folder, fetched, environment, deadline, stop);
    if (FaultOf(got, Fault::kHost) == Fault::kRemote) {
      // Superseded packages leave the mirror at once: who tries again needs the new index.
      RW_ASSIGN_OR_RETURN(const AptState state,
                          AptState::Open(folder_, architecture_, sources_, deadline, stop));
      state.MarkOutdated();
    }
    RW_RETURN_IF_ERROR(got);
  }
  return paths;
}

}  // namespace rootwright
