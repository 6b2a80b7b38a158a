#pragma once

#include <memory>
#include <string>

#include "absl/strings/string_view.h"

namespace rootwright {

// MD5, because dpkg's database has it; for nothing that must be safe from forgery.
class Md5 {
 public:
  Md5();
  ~Md5();
  void Update(absl::string_view data);
  // 32 lower-case hexadecimal digits; called once.
  std::string Digest();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace rootwright
