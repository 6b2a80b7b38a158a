#include "ci/cli/image_client.h"

#include <fcntl.h>
#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/unique_fd.h"
#include "ci/cli/rpc_error.h"
#include "rootwright/v1/image_service.grpc.pb.h"

namespace rootwright::cli {
namespace {

constexpr std::chrono::seconds kCallLimit{30};
constexpr size_t kPiece = 256 << 10;

using ImportStream = grpc::ClientReaderWriterInterface<v1::ImportImageRequest, v1::ImportImageResponse>;

// False when the agent takes no more; its status says why.
absl::StatusOr<bool> Upload(ImportStream& stream, int fd, int64_t size, const std::filesystem::path& file,
                            const std::function<void(const v1::ImportProgress&)>& progress) {
  v1::ImportImageRequest request;
  v1::ImportProgress at;
  at.set_phase("upload");
  at.set_total(size);
  std::string buffer(kPiece, '\0');
  for (;;) {
    const ssize_t got = read(fd, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoStatus(errno, "read", file.string());
    if (got == 0) return true;
    request.set_data(buffer.data(), static_cast<size_t>(got));
    if (!stream.Write(request)) return false;
    at.set_done(at.done() + got);
    progress(at);
  }
}

}  // namespace

struct ImageClient::Stub {
  std::unique_ptr<v1::ImageService::Stub> images;
};

ImageClient::ImageClient(std::string address)
    : address_(std::move(address)),
      stub_(new Stub{
          v1::ImageService::NewStub(grpc::CreateChannel(address_, grpc::InsecureChannelCredentials()))}) {}

ImageClient::~ImageClient() = default;

absl::Status ImageClient::FromGrpc(int code, const std::string& message) const {
  const auto status = static_cast<grpc::StatusCode>(code);
  if (status == grpc::StatusCode::OK) return absl::OkStatus();
  if (status == grpc::StatusCode::UNAVAILABLE) {
    return absl::UnavailableError(
        absl::StrCat("cannot reach the agent: ", address_, ": ", ConnectCause(message),
                     ": is rootwright-agent running there? --admin names its admin port"));
  }
  if (status == grpc::StatusCode::UNIMPLEMENTED)
    return absl::UnavailableError(absl::StrCat("the agent: ", address_, ": is too old for images, or none"));
  // gRPC's codes are Abseil's, by number.
  return {static_cast<absl::StatusCode>(code), message};
}

absl::StatusOr<v1::Image> ImageClient::Import(
    v1::ImportHeader header, const std::filesystem::path& file,
    const std::function<void(const v1::ImportProgress&)>& progress) {
  const UniqueFd fd(open(file.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat info {};
  if (!fd || fstat(fd.get(), &info) != 0) return ErrnoStatus(errno, "open", file.string());
  if (!S_ISREG(info.st_mode))
    return absl::InvalidArgumentError(absl::StrCat("open: ", file.string(), ": not a plain file"));
  header.set_size_bytes(info.st_size);

  grpc::ClientContext context;
  const std::unique_ptr<ImportStream> stream = stub_->images->ImportImage(&context);
  v1::ImportImageRequest first;
  *first.mutable_header() = std::move(header);
  if (stream->Write(first)) {
    const absl::StatusOr<bool> sent = Upload(*stream, fd.get(), info.st_size, file, progress);
    if (!sent.ok()) {
      context.TryCancel();
      stream->Finish();
      return sent.status();
    }
    if (*sent) stream->WritesDone();
  }
  v1::ImportImageResponse response;
  v1::Image image;
  while (stream->Read(&response)) {
    if (response.has_progress()) progress(response.progress());
    if (response.has_image()) image = response.image();
  }
  const grpc::Status status = stream->Finish();
  RW_RETURN_IF_ERROR(FromGrpc(status.error_code(), status.error_message()));
  return image;
}

absl::StatusOr<v1::ListImagesResponse> ImageClient::List() {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kCallLimit);
  v1::ListImagesResponse response;
  const grpc::Status status = stub_->images->ListImages(&context, {}, &response);
  RW_RETURN_IF_ERROR(FromGrpc(status.error_code(), status.error_message()));
  return response;
}

absl::Status ImageClient::Remove(const std::string& name) {
  grpc::ClientContext context;
  v1::RemoveImageRequest request;
  request.set_name(name);
  v1::RemoveImageResponse response;
  // Deleting a whole root may take a while.
  const grpc::Status status = stub_->images->RemoveImage(&context, request, &response);
  return FromGrpc(status.error_code(), status.error_message());
}

}  // namespace rootwright::cli
