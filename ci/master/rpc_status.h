#pragma once

#include <grpcpp/grpcpp.h>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace rootwright::master {

// The same code and message; payloads become details in a google.rpc.Status, which is where gRPC's clients
// look for them.
grpc::Status ToGrpc(const absl::Status& status);

// The end of a unary call: the value into `response`, or the error.
template <class Response>
grpc::Status Answer(absl::StatusOr<Response> result, Response* response) {
  if (!result.ok()) return ToGrpc(result.status());
  *response = *std::move(result);
  return grpc::Status::OK;
}

}  // namespace rootwright::master
