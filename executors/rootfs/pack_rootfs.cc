#include <array>
#include <map>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "archive/pack.h"
#include "base/file.h"
#include "base/sha256.h"
#include "base/size_text.h"
#include "base/status.h"
#include "executors/rootfs/manifest.h"
#include "executors/rootfs/rootfs_steps.h"

namespace rootwright {
namespace {

struct FormatNames {
  PackFormat format;
  const char* name;
  const char* media_type;
};
constexpr std::array<FormatNames, 3> kFormats = {{{PackFormat::kTarZst, "rootfs.tar.zst", "application/zstd"},
                                                  {PackFormat::kTar, "rootfs.tar", "application/x-tar"},
                                                  {PackFormat::kTarGz, "rootfs.tar.gz", "application/gzip"}}};

const FormatNames& NamesOfFormat(PackFormat format) {
  for (const FormatNames& names : kFormats) {
    if (names.format == format) return names;
  }
  return kFormats.front();
}

class PackRootfs : public Step {
 public:
  PackRootfs(RootfsState& state, DescribePackages describe) : state_(state), describe_(std::move(describe)) {}
  std::string name() const override { return "pack_rootfs"; }
  Place place() const override { return Place::kHost; }

  absl::StatusOr<StepResult> Apply(StepContext& context) override {
    RemoveArtifacts();
    RW_RETURN_IF_ERROR(MakeFolders(state_.paths.artifacts()));
    const absl::StatusOr<StepResult> result = PackAll(context);
    // Nothing that looks like a result stays of a pack that failed.
    if (!result.ok() || !result->ok()) RemoveArtifacts();
    return result;
  }

  absl::StatusOr<StepResult> Verify(StepContext&) override {
    for (const ArtifactFile& artifact : state_.artifacts) {
      std::error_code error;
      const std::uintmax_t size = std::filesystem::file_size(artifact.path, error);
      if (error || static_cast<int64_t>(size) != artifact.size_bytes) {
        return absl::DataLossError(absl::StrCat(artifact.path.string(), ": is not there whole"));
      }
    }
    return StepResult{};
  }

 private:
  void RemoveArtifacts() {
    state_.artifacts.clear();
    std::error_code ignored;
    std::filesystem::remove_all(state_.paths.artifacts(), ignored);
  }

  absl::StatusOr<StepResult> PackAll(StepContext& context) {
    const absl::StatusOr<ManifestParts> packages = describe_(state_);
    // A command of the specification may have removed it.
    if (absl::IsDataLoss(packages.status()))
      return StepResult::Failed(std::string(packages.status().message()));
    RW_RETURN_IF_ERROR(packages.status());
    for (const PackFormat format : state_.request.outputs) RW_RETURN_IF_ERROR(PackOne(format, context));
    std::string sums;
    std::vector<std::string> archives;
    for (const ArtifactFile& archive : state_.artifacts) {
      absl::StrAppend(&sums, archive.sha256, "  ", archive.name, "\n");
      archives.push_back(absl::StrCat(archive.name, " ", SizeText(archive.size_bytes)));
    }
    const std::map<std::string, std::string> tools =
        ToolVersions(*state_.preparation.environment, context.deadline, context.stop);
    const std::string manifest = MakeManifest(state_, *packages, tools, state_.artifacts);
    RW_RETURN_IF_ERROR(AddText("manifest.json", manifest, "application/json"));
    absl::StrAppend(&sums, state_.artifacts.back().sha256, "  manifest.json\n");
    for (const ArtifactFile& record : state_.records) {
      absl::StrAppend(&sums, record.sha256, "  ", record.name, "\n");
      state_.artifacts.push_back(record);
    }
    RW_RETURN_IF_ERROR(AddText("SHA256SUMS", sums, "text/plain"));
    context.reporter.Log(OutputStream::kStdout, sums);
    return StepResult::Done(absl::StrJoin(archives, ", "));
  }

  absl::Status PackOne(PackFormat format, StepContext& context) {
    const FormatNames& names = NamesOfFormat(format);
    PackOptions options;
    options.format = format;
    options.source_date = state_.source_date();
    ArtifactFile artifact;
    artifact.name = names.name;
    artifact.media_type = names.media_type;
    artifact.path = state_.paths.artifacts() / names.name;
    const PackProgress progress = [&](int64_t bytes, absl::string_view) {
      context.reporter.Progress({bytes, 0, "packing", names.name, ProgressUpdate::Unit::kBytes});
    };
    RW_ASSIGN_OR_RETURN(const PackResult packed, PackTree(state_.product, artifact.path, options, progress,
                                                          context.deadline, context.stop));
    for (const std::string& warning : packed.warnings) context.reporter.Warn(warning);
    artifact.size_bytes = packed.size_bytes;
    artifact.sha256 = packed.sha256;
    state_.artifacts.push_back(std::move(artifact));
    return absl::OkStatus();
  }

  absl::Status AddText(const std::string& name, const std::string& text, const std::string& media_type) {
    const std::filesystem::path path = state_.paths.artifacts() / name;
    RW_RETURN_IF_ERROR(WriteFileAtomically(path, text));
    state_.artifacts.push_back({name, path, static_cast<int64_t>(text.size()), Sha256::Of(text), media_type});
    return absl::OkStatus();
  }

  RootfsState& state_;
  const DescribePackages describe_;
};

}  // namespace

std::unique_ptr<Step> MakePackRootfs(RootfsState& state, DescribePackages describe) {
  return std::make_unique<PackRootfs>(state, std::move(describe));
}

}  // namespace rootwright
