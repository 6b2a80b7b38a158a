#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

struct evp_md_ctx_st;

namespace rootwright {

// Several digests at once over bytes that come in pieces, by the names that Portage's files give them:
// BLAKE2B, SHA512, SHA256, SHA1, MD5. One thread.
class StreamDigests {
 public:
  explicit StreamDigests(const std::vector<std::string>& algorithms);

  void Update(absl::string_view data);
  // Lower-case hexadecimal digits by algorithm. Once.
  std::map<std::string, std::string> Finish();

 private:
  struct Free {
    void operator()(evp_md_ctx_st* made) const;
  };
  std::map<std::string, std::unique_ptr<evp_md_ctx_st, Free>> contexts_;
};

}  // namespace rootwright
