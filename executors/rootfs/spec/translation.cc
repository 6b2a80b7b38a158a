#include "executors/rootfs/spec/translation.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace rootwright {
namespace {

using When = TranslatedFile::When;
using How = TranslatedFile::How;

constexpr char kHeader[] = "# Made by Rootwright from configuration.yml.\n";
// Sorts behind what people call their own files, so that it counts when both say something.
constexpr char kOwnName[] = "zz-rootwright";

// "a -b": what to switch on, then what to switch off. "-*" comes first: it would undo the rest.
std::string Joined(const SignedWords& words) {
  std::vector<std::string> all;
  for (const std::string& word : words.off) {
    if (word == "*") all.emplace_back("-*");
  }
  all.insert(all.end(), words.on.begin(), words.on.end());
  for (const std::string& word : words.off) {
    if (word != "*") all.push_back(absl::StrCat("-", word));
  }
  return absl::StrJoin(all, " ");
}

class Translator {
 public:
  Translator(const Specification& specification, const Platform* platform)
      : portage_(specification.portage), platform_(platform), world_(WorldList(specification)) {}

  std::vector<TranslatedFile> Run() {
    if (platform_ != nullptr) AddPlatform();
    AddGlobal();
    AddPerPackage("etc/portage/package.use", &PortageOptions::use);
    AddPerPackage("etc/portage/package.accept_keywords", &PortageOptions::keywords);
    AddRepositories();
    AddWorld();
    return std::move(files_);
  }

 private:
  // make.conf is a file as a rule, and may be a folder.
  void AddMakeConf(When when, std::string content) {
    constexpr char kMakeConf[] = "etc/portage/make.conf";
    if (when == When::kAfterOverlay && portage_.overlay.folders.count(kMakeConf) != 0) {
      files_.push_back({absl::StrCat(kMakeConf, "/", kOwnName), when, How::kReplace, std::move(content)});
    } else {
      files_.push_back({kMakeConf, when, How::kAppend, std::move(content)});
    }
  }

  // The others are folders, and may be files.
  void AddTo(const std::string& path, std::string content) {
    if (portage_.overlay.files.count(path) != 0) {
      files_.push_back({path, When::kAfterOverlay, How::kAppend, std::move(content)});
    } else {
      files_.push_back(
          {absl::StrCat(path, "/", kOwnName), When::kAfterOverlay, How::kReplace, std::move(content)});
    }
  }

  void AddPlatform() {
    AddMakeConf(When::kBeforeOverlay,
                absl::StrCat("# Platform ", platform_->name, ", put here by Rootwright.\nCHOST=\"",
                             platform_->chost, "\"\nCOMMON_FLAGS=\"", platform_->cflags,
                             "\"\nCFLAGS=\"${COMMON_FLAGS}\"\nCXXFLAGS=\"${COMMON_FLAGS}\"\n"
                             "FCFLAGS=\"${COMMON_FLAGS}\"\nFFLAGS=\"${COMMON_FLAGS}\"\n"));
  }

  void AddGlobal() {
    std::string content;
    // Both are incremental: what the profile and the overlay's make.conf say stays.
    if (!portage_.global.use.empty())
      absl::StrAppend(&content, "USE=\"${USE} ", Joined(portage_.global.use), "\"\n");
    if (!portage_.global.keywords.empty()) {
      absl::StrAppend(&content, "ACCEPT_KEYWORDS=\"${ACCEPT_KEYWORDS} ", Joined(portage_.global.keywords),
                      "\"\n");
    }
    if (!content.empty()) AddMakeConf(When::kAfterOverlay, absl::StrCat(kHeader, content));
  }

  void AddPerPackage(const std::string& path, SignedWords PortageOptions::*words) {
    std::string content;
    for (const PortagePackage& package : portage_.packages) {
      const SignedWords& given = package.options.*words;
      if (given.empty()) continue;
      absl::StrAppend(&content, package.atom.Text(), " ", Joined(given), "\n");
    }
    if (!content.empty()) AddTo(path, absl::StrCat(kHeader, content));
  }

  void AddRepositories() {
    std::string content;
    for (const OwnRepository& repository : portage_.overlay.repositories) {
      if (repository.declared) continue;
      absl::StrAppend(&content, "\n[", repository.name, "]\nlocation = ", repository.location, "\n");
    }
    if (!content.empty()) AddTo("etc/portage/repos.conf", absl::StrCat(kHeader, content));
  }

  void AddWorld() {
    std::string packages;
    std::string sets;
    for (const std::string& entry : world_) absl::StrAppend(entry[0] == '@' ? &sets : &packages, entry, "\n");
    files_.push_back({"var/lib/portage/world", When::kAfterOverlay, How::kReplace, std::move(packages)});
    if (!sets.empty()) {
      files_.push_back({"var/lib/portage/world_sets", When::kAfterOverlay, How::kReplace, std::move(sets)});
    }
  }

  const PortageSettings& portage_;
  const Platform* const platform_;
  const std::vector<std::string> world_;
  std::vector<TranslatedFile> files_;
};

}  // namespace

std::vector<TranslatedFile> TranslateSpecification(const Specification& specification,
                                                   const Platform* platform) {
  if (specification.package_manager != PackageManager::kPortage) return {};
  return Translator(specification, platform).Run();
}

std::vector<std::string> WorldList(const Specification& specification) {
  std::vector<std::string> world;
  for (const PortagePackage& package : specification.portage.packages) {
    if (package.atom.kind != PortageAtom::Kind::kWildcard) world.push_back(package.atom.Text());
  }
  return world;
}

}  // namespace rootwright
