#pragma once

#include <utility>

#include "agent/admin/image_admin.h"
#include "executors/rootfs/roots/stage_import.h"
#include "rootwright/v1/image_service.grpc.pb.h"

namespace rootwright {

// ImageService. Its calls take as long as the disk does, so each has a thread of gRPC's own, unlike those of
// AgentAdminService, and is written straight down. A client that goes away ends its call.
class ImageRpc : public v1::ImageService::Service {
 public:
  explicit ImageRpc(ImageAdmin admin) : admin_(std::move(admin)), importer_(admin_.store, admin_.programs) {}

  using ImportStream = grpc::ServerReaderWriter<v1::ImportImageResponse, v1::ImportImageRequest>;
  grpc::Status ImportImage(grpc::ServerContext* context, ImportStream* stream) override;
  grpc::Status ListImages(grpc::ServerContext* context, const v1::ListImagesRequest* request,
                          v1::ListImagesResponse* response) override;
  grpc::Status RemoveImage(grpc::ServerContext* context, const v1::RemoveImageRequest* request,
                           v1::RemoveImageResponse* response) override;

 private:
  absl::StatusOr<ImportedStage> Import(grpc::ServerContext* context, ImportStream* stream);

  const ImageAdmin admin_;
  StageImporter importer_;
};

}  // namespace rootwright
