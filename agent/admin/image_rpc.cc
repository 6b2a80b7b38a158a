#include "agent/admin/image_rpc.h"

#include <fcntl.h>

#include <cerrno>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/size_text.h"
#include "base/status.h"
#include "base/unique_fd.h"
#include "proto/proto_architecture.h"
#include "proto/proto_time.h"

namespace rootwright {
namespace {

constexpr size_t kLargestPiece = 1 << 20;
// More would be noise.
constexpr absl::Duration kProgressEvery = absl::Milliseconds(200);

grpc::Status ToGrpc(const absl::Status& status) {
  return {static_cast<grpc::StatusCode>(status.code()), std::string(status.message())};
}

v1::Image ImageOf(const RootSummary& root) {
  v1::Image image;
  image.set_name(root.recipe.name);
  image.set_architecture(ToProto(root.recipe.architecture));
  image.set_digest(root.digest);
  image.set_origin(root.recipe.origin == RootRecipe::Origin::kMade ? v1::IMAGE_ORIGIN_MADE
                                                                   : v1::IMAGE_ORIGIN_IMPORTED);
  image.set_size_bytes(root.size_bytes);
  *image.mutable_made_at() = ToProto(root.made_at);
  image.set_in_use(root.in_use);
  for (const RootRecipe::Fact& fact : root.recipe.facts) (*image.mutable_facts())[fact.key] = fact.value;
  return image;
}

absl::StatusOr<StageImport> ReadHeader(const v1::ImportHeader& header) {
  StageImport request;
  request.file_name = header.file_name();
  request.name = header.name();
  if (header.architecture() != v1::ARCHITECTURE_UNSPECIFIED) {
    request.architecture = FromProto(header.architecture());
    if (!request.architecture) return absl::InvalidArgumentError("architecture: not known to this agent");
  }
  request.digest = header.digest();
  request.digests = header.digests();
  request.signature = header.signature();
  request.keyring = header.keyring();
  request.unverified = header.unverified();
  if (header.size_bytes() <= 0) return absl::InvalidArgumentError("size_bytes: the archive is empty");
  RW_RETURN_IF_ERROR(StageImporter::CheckRequest(request));
  return request;
}

absl::Status CheckRoom(const std::filesystem::path& folder, int64_t size) {
  RW_ASSIGN_OR_RETURN(const int64_t free, FreeBytes(folder));
  if (free > size) return absl::OkStatus();
  return absl::ResourceExhaustedError(absl::StrCat("import: ", folder.string(), ": ", SizeText(free),
                                                   " free, and the archive alone has ", SizeText(size)));
}

// All of the archive, into a new file.
absl::Status Receive(ImageRpc::ImportStream& stream, int64_t size, const std::filesystem::path& path) {
  const UniqueFd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!fd) return ErrnoStatus(errno, "create", path.string());
  v1::ImportImageRequest piece;
  int64_t received = 0;
  while (stream.Read(&piece)) {
    if (!piece.has_data() || piece.data().size() > kLargestPiece)
      return absl::InvalidArgumentError("import: after the header come pieces of at most 1 MiB");
    received += static_cast<int64_t>(piece.data().size());
    if (received > size) return absl::InvalidArgumentError("import: more bytes came than the header says");
    RW_RETURN_IF_ERROR(WriteAll(fd.get(), piece.data(), path));
  }
  if (received == size) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("import: the upload ended after ", received, " of ", size, " bytes"));
}

}  // namespace

absl::StatusOr<ImportedStage> ImageRpc::Import(grpc::ServerContext* context, ImportStream* stream) {
  v1::ImportImageRequest first;
  if (!stream->Read(&first) || !first.has_header())
    return absl::InvalidArgumentError("import: the first message must be a header");
  const int64_t size = first.header().size_bytes();
  RW_ASSIGN_OR_RETURN(const StageImport request, ReadHeader(first.header()));
  RW_RETURN_IF_ERROR(MakeFolders(admin_.work_folder));
  RW_RETURN_IF_ERROR(CheckRoom(admin_.work_folder, size));
  RW_ASSIGN_OR_RETURN(const ScopedFolder folder, ScopedFolder::Create(admin_.work_folder, "import-"));
  const std::filesystem::path archive = folder.path() / "archive";
  RW_RETURN_IF_ERROR(Receive(*stream, size, archive));

  std::stop_source stop;
  std::string phase;
  Instant told;
  const auto progress = [&](const ProgressUpdate& update) {
    // Asked here, as nothing else in the call runs while it works.
    if (context->IsCancelled()) stop.request_stop();
    const Instant now = Clock::Real().Now();
    if (update.phase == phase && Since(told, now) < kProgressEvery) return;
    phase = update.phase;
    told = now;
    v1::ImportImageResponse response;
    response.mutable_progress()->set_phase(update.phase);
    response.mutable_progress()->set_done(update.done);
    response.mutable_progress()->set_total(update.total);
    stream->Write(response);
  };
  return importer_.Import(request, archive, folder.path(), progress, stop.get_token());
}

grpc::Status ImageRpc::ImportImage(grpc::ServerContext* context, ImportStream* stream) {
  const absl::StatusOr<ImportedStage> imported = Import(context, stream);
  if (!imported.ok()) {
    spdlog::info("image import: {}", std::string(imported.status().message()));
    return ToGrpc(imported.status());
  }
  spdlog::info("image import: {} sha256:{}, verified: {}", imported->root.recipe.name, imported->root.digest,
               imported->root.recipe.Get("verified"));
  if (admin_.changed) admin_.changed();
  v1::ImportImageResponse last;
  *last.mutable_image() = ImageOf(imported->root);
  for (const std::string& note : imported->notes) last.mutable_image()->add_notes(note);
  stream->Write(last);
  return grpc::Status::OK;
}

grpc::Status ImageRpc::ListImages(grpc::ServerContext*, const v1::ListImagesRequest*,
                                  v1::ListImagesResponse* response) {
  const auto roots = admin_.store.List();
  if (!roots.ok()) return ToGrpc(roots.status());
  for (const RootSummary& root : *roots) *response->add_images() = ImageOf(root);
  return grpc::Status::OK;
}

grpc::Status ImageRpc::RemoveImage(grpc::ServerContext*, const v1::RemoveImageRequest* request,
                                   v1::RemoveImageResponse*) {
  const absl::Status removed = admin_.store.Remove(request->name(), {});
  if (removed.ok() && admin_.changed) admin_.changed();
  return ToGrpc(removed);
}

}  // namespace rootwright
