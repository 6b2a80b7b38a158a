#pragma once

#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

namespace rootwright::cli {

// Compares with tests/ci/cli/golden/NAME; ROOTWRIGHT_UPDATE_GOLDEN=1 writes it instead.
inline void ExpectGolden(const std::string& name, const std::string& text) {
  const char* source = std::getenv("ROOTWRIGHT_SOURCE");
  ASSERT_NE(source, nullptr) << "run by ctest";
  const std::string path = std::string(source) + "/tests/ci/cli/golden/" + name;
  if (std::getenv("ROOTWRIGHT_UPDATE_GOLDEN") != nullptr) std::ofstream(path) << text;
  std::ifstream file(path);
  std::ostringstream golden;
  golden << file.rdbuf();
  EXPECT_EQ(golden.str(), text) << "differs from " << path;
}

template <typename Message>
Message Parse(const std::string& text) {
  Message message;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &message)) << text;
  return message;
}

}  // namespace rootwright::cli
