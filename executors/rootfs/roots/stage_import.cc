#include "executors/rootfs/roots/stage_import.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "archive/jailed_changes.h"
#include "base/size_text.h"
#include "base/status.h"
#include "executors/rootfs/roots/elf_architecture.h"
#include "executors/rootfs/roots/file_digests.h"
#include "executors/rootfs/roots/openpgp.h"

namespace rootwright {
namespace {

namespace fs = std::filesystem;

constexpr size_t kLongestFileName = 255;
constexpr absl::Duration kUnpackLimit = absl::Hours(1);

absl::Status Invalid(absl::string_view why) { return absl::InvalidArgumentError(why); }

// Why the archive is believed, for its recipe; an error when it is not.
absl::StatusOr<std::string> Verify(const StageImport& request, const fs::path& archive,
                                   const fs::path& folder, const DigestsOfFile& digests,
                                   const std::stop_token& stop) {
  std::vector<std::string> reasons;
  std::string keyring;
  if (!request.keyring.empty()) {
    RW_ASSIGN_OR_RETURN(keyring, BinaryKeyring(request.keyring));
  }
  const SignatureChecker checker(folder, keyring);
  if (!request.digest.empty()) {
    RW_ASSIGN_OR_RETURN(StageDigest expected, ParseDigestOption(request.digest));
    expected.file_name = request.file_name;
    RW_RETURN_IF_ERROR(CheckDigests({expected}, request.file_name, digests));
    reasons.push_back(absl::StrCat("the ", NameOf(expected.algorithm), " given"));
  }
  if (!request.digests.empty()) {
    std::string text = request.digests;
    std::string by = "the digests given";
    if (IsClearsigned(text)) {
      RW_ASSIGN_OR_RETURN(GoodSignature good, checker.CheckClearsigned(text, "the digests", stop));
      text = std::move(good.text);
      by = absl::StrCat("digests signed by key ", good.fingerprint);
    }
    RW_ASSIGN_OR_RETURN(const std::vector<StageDigest> expected, ParseStageDigests(text));
    RW_RETURN_IF_ERROR(CheckDigests(expected, request.file_name, digests));
    reasons.push_back(std::move(by));
  }
  if (!request.signature.empty()) {
    RW_ASSIGN_OR_RETURN(const GoodSignature good,
                        checker.CheckDetached(request.signature, archive, request.file_name, stop));
    reasons.push_back(absl::StrCat("signature by key ", good.fingerprint));
  }
  return reasons.empty() ? "no" : absl::StrJoin(reasons, ", ");
}

// What the archive itself is to blame for is the user's to mend, whatever kind of error it was below.
absl::Status Blame(const absl::Status& status, absl::string_view file_name) {
  if (absl::IsDataLoss(status) || absl::IsPermissionDenied(status))
    return Invalid(absl::StrCat("import ", file_name, ": ", status.message()));
  return Annotate(status, absl::StrCat("import ", file_name));
}

}  // namespace

absl::Status StageImporter::CheckRequest(StageImport& request) {
  const bool plain = std::all_of(request.file_name.begin(), request.file_name.end(), [](char c) {
    return c != '/' && !absl::ascii_iscntrl(static_cast<unsigned char>(c));
  });
  if (request.file_name.empty() || request.file_name.size() > kLongestFileName || !plain)
    return Invalid("file name: must be that of the archive, without a folder and line ends");
  if (request.name.empty()) request.name = RootNameOfArchive(request.file_name);
  RW_RETURN_IF_ERROR(CheckRootName(request.name));
  const bool has_signature = !request.signature.empty() || IsClearsigned(request.digests);
  if (request.digest.empty() && request.digests.empty() && request.signature.empty() && !request.unverified) {
    return Invalid(
        absl::StrCat("import ", request.file_name,
                     ": nothing says that it is genuine: give --signature or --digests with --key, or "
                     "--digest; or --unverified, to take it on trust"));
  }
  if (!request.digest.empty()) RW_RETURN_IF_ERROR(ParseDigestOption(request.digest).status());
  if (!request.digests.empty() && !IsClearsigned(request.digests))
    RW_RETURN_IF_ERROR(ParseStageDigests(request.digests).status());
  if (has_signature && request.keyring.empty())
    return Invalid(
        absl::StrCat("import ", request.file_name, ": to check the signature, give --key as well"));
  if (!request.keyring.empty()) {
    if (!has_signature)
      return Invalid(
          absl::StrCat("import ", request.file_name,
                       ": --key is given, but nothing that is signed: give --signature or --digests"));
    RW_RETURN_IF_ERROR(BinaryKeyring(request.keyring).status());
  }
  return absl::OkStatus();
}

absl::StatusOr<ImageDescription> StageImporter::Unpack(const StageImport& request, const fs::path& archive,
                                                       const fs::path& tree, const ProgressSink& progress,
                                                       const std::stop_token& stop, RootRecipe& recipe,
                                                       std::vector<std::string>& notes) {
  std::error_code error;
  const auto size = static_cast<int64_t>(fs::file_size(archive, error));
  const auto at = [&](int64_t bytes) {
    if (progress) progress({bytes, size, "unpack", request.file_name, ProgressUpdate::Unit::kBytes});
  };
  at(0);
  RW_ASSIGN_OR_RETURN(const UnpackedTree unpacked,
                      UnpackTreeInJail(programs_ / "rootwright-apply", archive, tree, {}, at,
                                       Deadline::In(kUnpackLimit), stop));
  RW_ASSIGN_OR_RETURN(recipe.architecture, ArchitectureOfTree(tree));
  if (request.architecture && *request.architecture != recipe.architecture) {
    return Invalid(absl::StrCat("its programs are for ", NamesOf(recipe.architecture).debian, ", not for ",
                                NamesOf(*request.architecture).debian));
  }
  if (unpacked.devices_left_out > 0) {
    notes.push_back(absl::StrCat(unpacked.devices_left_out,
                                 " device nodes left out: an environment has a /dev of its own"));
  }
  if (!fs::exists(fs::symlink_status(tree / "usr/bin/emerge", error)))
    notes.push_back("there is no /usr/bin/emerge in it: Portage packages cannot be built with it");
  if (progress) progress({size, size, "keep", request.file_name, ProgressUpdate::Unit::kBytes});
  return ImageDescription{};
}

absl::StatusOr<ImportedStage> StageImporter::Import(const StageImport& request, const fs::path& archive,
                                                    const fs::path& folder, const ProgressSink& progress,
                                                    std::stop_token stop) {
  std::error_code error;
  const auto size = static_cast<int64_t>(fs::file_size(archive, error));
  const auto verifying = [&](int64_t bytes) {
    if (progress) progress({bytes, size, "verify", request.file_name, ProgressUpdate::Unit::kBytes});
  };
  RW_ASSIGN_OR_RETURN(const DigestsOfFile digests, DigestFile(archive, verifying, stop));
  RW_ASSIGN_OR_RETURN(const std::string verified, Verify(request, archive, folder, digests, stop));
  const std::string source = absl::StrCat("sha256:", digests.at(StageDigest::Algorithm::kSha256));
  ImportedStage imported;
  // Its architecture is known when it is unpacked, which the store waits for.
  RootRecipe recipe{.origin = RootRecipe::Origin::kImported,
                    .name = request.name,
                    .facts = {{"archive", source}, {"file", request.file_name}, {"verified", verified}}};
  const auto unpack = [&](const fs::path& tree) {
    return Unpack(request, archive, tree, progress, stop, recipe, imported.notes);
  };
  const auto note = [&](absl::string_view line) { imported.notes.emplace_back(line); };
  const absl::StatusOr<BuildRoot> root = store_.FindOrMake(recipe, unpack, note, stop);
  if (!root.ok()) return Blame(root.status(), request.file_name);
  RW_ASSIGN_OR_RETURN(const std::vector<RootSummary> all, store_.List());
  for (const RootSummary& summary : all)
    if (summary.digest == root->digest) imported.root = summary;
  // Ours alone, so far: the hold of this function is no use.
  imported.root.in_use = false;
  if (imported.root.recipe.Get("archive") == source) return imported;
  return absl::AlreadyExistsError(absl::StrCat("import ", request.file_name,
                                               ": there is another build root '", request.name,
                                               "'; remove that, or give --name"));
}

}  // namespace rootwright
