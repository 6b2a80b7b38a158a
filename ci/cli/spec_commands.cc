#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/file.h"
#include "base/status.h"
#include "ci/cli/session.h"
#include "ci/cli/spec_source.h"
#include "executors/rootfs/spec/example.h"
#include "executors/rootfs/spec/platforms.h"
#include "executors/rootfs/spec/specification.h"
#include "executors/rootfs/spec/translation.h"

// `spec check` and `spec init`.
namespace rootwright::cli {
namespace {

using nlohmann::ordered_json;

const char* NameOf(PackageManager manager) { return manager == PackageManager::kApt ? "apt" : "portage"; }
const char* NameOf(TranslatedFile::When when) {
  return when == TranslatedFile::When::kBeforeOverlay ? "before_overlay" : "after_overlay";
}
const char* NameOf(TranslatedFile::How how) {
  return how == TranslatedFile::How::kAppend ? "append" : "replace";
}

// A specification need not be UTF-8; JSON must.
std::string OneLine(const ordered_json& json) {
  return json.dump(-1, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

std::string ProblemJson(const SpecProblem& problem) {
  ordered_json line;
  line["severity"] = rootwright::NameOf(problem.severity);
  line["file"] = problem.file;
  line["line"] = problem.line;
  line["column"] = problem.column;
  line["message"] = problem.message;
  line["hint"] = problem.hint;
  return OneLine(line);
}

std::string FileJson(const TranslatedFile& file) {
  ordered_json line;
  line["path"] = file.path;
  line["when"] = NameOf(file.when);
  line["how"] = NameOf(file.how);
  line["content"] = file.content;
  return OneLine(line);
}

// Control characters of the specification's own lines must not reach a terminal.
std::string SafeLines(absl::string_view text) {
  std::string out;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    absl::StrAppend(&out, Printable(text.substr(0, end)), "\n");
    text = end == absl::string_view::npos ? absl::string_view() : text.substr(end + 1);
  }
  return out;
}

std::string Count(size_t count, absl::string_view noun) {
  return absl::StrCat(count, " ", noun, count == 1 ? "" : "s");
}

// For what it is checked, and why there is no platform when it has none.
struct PlatformChoice {
  std::optional<Platform> platform;
  std::string note;
  // Shown as an error of the specification once that is known to be for Portage.
  std::string refusal;
};

absl::StatusOr<PlatformChoice> ChoosePlatform(const Session& session, const OpenedSpecification& opened,
                                              const std::vector<Platform>& platforms) {
  PlatformChoice choice;
  if (session.arguments.Has("platform")) {
    RW_ASSIGN_OR_RETURN(choice.platform, FindPlatform(platforms, session.arguments.Get("platform")));
    return choice;
  }
  constexpr char kChoose[] = "--platform NAME checks it for one";
  if (opened.branch.empty()) {
    choice.note = absl::StrCat("No platform: no branch is known that could name one; ", kChoose, ".\n");
    return choice;
  }
  auto platform = PlatformOfBranch(platforms, opened.branch);
  if (platform.ok()) {
    choice.platform = *std::move(platform);
  } else if (opened.branch_was_asked) {
    choice.refusal = std::string(platform.status().message());
  } else {
    choice.note = absl::StrCat("No platform: ", Printable(platform.status().message()), "; ", kChoose, ".\n");
  }
  return choice;
}

std::string TranslationText(const std::vector<TranslatedFile>& files) {
  std::string text;
  for (const TranslatedFile& file : files) {
    absl::StrAppend(&text, "\n", file.path, " (",
                    file.how == TranslatedFile::How::kAppend ? "added to what is there" : "a file of its own",
                    ", ", file.when == TranslatedFile::When::kBeforeOverlay ? "before" : "after",
                    " the pre-install overlay)\n");
    for (absl::string_view line : absl::StrSplit(absl::StripSuffix(file.content, "\n"), '\n')) {
      if (!file.content.empty()) absl::StrAppend(&text, "    ", line, "\n");
    }
  }
  return text;
}

// apt reads no files: the list of packages is handed to it.
std::string AptText(const Specification& specification) {
  std::string text = absl::StrCat("\napt is asked, in ", specification.apt.suite, " ",
                                  absl::StrJoin(specification.apt.components, " "), ", for\n");
  for (const RequestedPackage& package : specification.packages) {
    absl::StrAppend(&text, "    ", package.name, package.version.empty() ? "" : "=", package.version, "\n");
  }
  return text;
}

void PrintProblems(Session& session, const ParsedSpecification& parsed) {
  const std::vector<SpecProblem> all = parsed.AllInOrder();
  if (session.json) {
    for (const SpecProblem& problem : all) session.out.Write(ProblemJson(problem));
  } else if (!all.empty()) {
    session.out.Write(SafeLines(FormatProblems(all)));
  }
}

void PrintEnd(Session& session, const ParsedSpecification& parsed, const PlatformChoice& choice) {
  const Specification& specification = parsed.specification;
  const std::string warnings =
      parsed.warnings.empty() ? "" : absl::StrCat(" and ", Count(parsed.warnings.size(), "warning"));
  if (!parsed.ok()) {
    if (session.json) return;
    return session.out.Write(
        absl::StrCat(Count(parsed.problems.size(), "error"), warnings, ". Nothing was built.\n"));
  }
  if (session.json) {
    ordered_json good;
    good["package_manager"] = NameOf(specification.package_manager);
    good["packages"] = specification.packages_asked();
    if (choice.platform.has_value()) good["platform"] = choice.platform->name;
    good["warnings"] = parsed.warnings.size();
    return session.out.Write(OneLine(good));
  }
  session.out.Write(absl::StrCat(
      "This specification is good: ", Count(specification.packages_asked(), "package"), " asked",
      choice.platform.has_value() ? absl::StrCat(", for the platform ", choice.platform->name) : "",
      parsed.warnings.empty() ? "" : absl::StrCat("; ", Count(parsed.warnings.size(), "warning")), ".\n"));
  if (specification.package_manager == PackageManager::kPortage) session.out.Write(choice.note);
}

void PrintTranslation(Session& session, const Specification& specification, const Platform* platform) {
  const std::vector<TranslatedFile> files = TranslateSpecification(specification, platform);
  if (session.json) {
    for (const TranslatedFile& file : files) session.out.Write(FileJson(file));
  } else if (specification.package_manager == PackageManager::kApt) {
    session.out.Write(SafeLines(AptText(specification)));
  } else {
    session.out.Write(SafeLines(TranslationText(files)));
  }
}

// The file that --platforms names, or the one that comes with the program.
absl::StatusOr<std::vector<Platform>> Platforms(Session& session) {
  if (!session.arguments.Has("platforms")) return ShippedPlatforms();
  const std::string path = session.arguments.Get("platforms");
  RW_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, 1 << 20));
  auto platforms = ParsePlatforms(text, path);
  if (platforms.ok()) return platforms;
  if (session.json) return platforms;
  // One line each; the last line tells what came of it.
  session.error.Write(SafeLines(absl::StrCat(platforms.status().message(), "\n")));
  return absl::InvalidArgumentError(
      absl::StrCat("check specification: ", path, ": is not a good platforms file"));
}

}  // namespace

absl::StatusOr<ExitCode> SpecCheck(Session& session) {
  RW_ASSIGN_OR_RETURN(const std::vector<Platform> platforms, Platforms(session));
  RW_ASSIGN_OR_RETURN(
      const OpenedSpecification opened,
      OpenSpecification(session, session.arguments.Operand(0), session.arguments.Get("path")));
  RW_ASSIGN_OR_RETURN(PlatformChoice choice, ChoosePlatform(session, opened, platforms));
  ParseOptions options;
  if (choice.platform.has_value()) options.keyword = choice.platform->keyword();
  ParsedSpecification parsed = LoadSpecification(opened.folder, options);
  if (parsed.specification.package_manager == PackageManager::kPortage && !choice.refusal.empty()) {
    SpecProblem refusal;
    refusal.file = absl::StrCat("#", opened.branch);
    refusal.message = choice.refusal;
    parsed.problems.push_back(std::move(refusal));
  }
  PrintProblems(session, parsed);
  PrintEnd(session, parsed, choice);
  if (!parsed.ok()) return ExitCode::kBadInput;
  if (session.arguments.Has("translate")) {
    PrintTranslation(session, parsed.specification,
                     choice.platform.has_value() ? &*choice.platform : nullptr);
  }
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> SpecInit(Session& session) {
  const std::string given = session.arguments.Operand(0);
  const std::filesystem::path folder = given.empty() ? "." : given;
  const std::filesystem::path file = folder / kConfigurationFile;
  const PackageManager manager = session.arguments.Get("package-manager", "apt") == "portage"
                                     ? PackageManager::kPortage
                                     : PackageManager::kApt;
  std::error_code error;
  if (std::filesystem::exists(std::filesystem::symlink_status(file, error))) {
    return absl::AlreadyExistsError(
        absl::StrCat("write example: ", file.string(), ": is there already, and was left as it is"));
  }
  RW_RETURN_IF_ERROR(MakeFolders(folder));
  RW_RETURN_IF_ERROR(WriteFileAtomically(file, ExampleSpecification(manager)));
  if (session.json) {
    ordered_json written;
    written["file"] = file.string();
    written["package_manager"] = NameOf(manager);
    session.out.Write(OneLine(written));
  } else {
    const std::string shown = Printable(given.empty() ? "." : given);
    session.out.Write(absl::StrCat("Wrote ", Printable(file.string()), ", for ", NameOf(manager),
                                   ". Change it, then\n  rootwright spec check ", shown, "\n"));
  }
  return ExitCode::kOk;
}

}  // namespace rootwright::cli
