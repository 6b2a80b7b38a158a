#pragma once

#include <string>

#include "executors/environment.h"

namespace rootwright {

// Puts the whole file into `content`.
inline FileSink Into(std::string& content) {
  content.clear();
  return [&content](absl::string_view piece) {
    content.append(piece.data(), piece.size());
    return absl::OkStatus();
  };
}

}  // namespace rootwright
