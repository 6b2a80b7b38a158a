#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rootwright/v1/image_service.pb.h"

namespace grpc {
class Channel;
}

namespace rootwright::cli {

// Calls of ImageService on an agent's admin port. Each fails with the status that the agent gave, or
// Unavailable "cannot reach the agent: …". One thread.
class ImageClient {
 public:
  // "host:port".
  explicit ImageClient(std::string address);
  ~ImageClient();

  // Uploads the file behind the header, whose size_bytes it fills in. `progress` is told of the upload (phase
  // "upload") and of what the agent does then.
  absl::StatusOr<v1::Image> Import(v1::ImportHeader header, const std::filesystem::path& file,
                                   const std::function<void(const v1::ImportProgress&)>& progress);
  absl::StatusOr<v1::ListImagesResponse> List();
  absl::Status Remove(const std::string& name);

 private:
  struct Stub;
  absl::Status FromGrpc(int code, const std::string& message) const;

  const std::string address_;
  const std::unique_ptr<Stub> stub_;
};

}  // namespace rootwright::cli
