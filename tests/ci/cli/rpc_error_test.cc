#include "ci/cli/rpc_error.h"

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace rootwright::cli {
namespace {

// Field `number`, length-delimited, of at most 127 bytes.
std::string Field(int number, const std::string& value) {
  return absl::StrCat(std::string(1, static_cast<char>(number << 3 | 2)),
                      std::string(1, static_cast<char>(value.size())), value);
}

std::string Details() {
  const std::string violation = Field(1, "request.limits.vcpus") + Field(2, "9 is more than 8");
  const std::string any =
      Field(1, "type.googleapis.com/google.rpc.BadRequest") + Field(2, Field(1, violation));
  return absl::StrCat("\x08\x03", Field(2, "bad"), Field(3, any));
}

TEST(ParseViolations, ReadsBadRequest) {
  const auto violations = ParseViolations(Details());
  ASSERT_EQ(violations.size(), 1u);
  EXPECT_EQ(violations[0].field, "request.limits.vcpus");
  EXPECT_EQ(violations[0].description, "9 is more than 8");
}

TEST(ParseViolations, GivesNothingForWhatIsMalformed) {
  const std::string whole = Details();
  for (size_t length = 0; length < whole.size(); ++length) {
    EXPECT_LE(ParseViolations(absl::string_view(whole).substr(0, length)).size(), 1u);
  }
  EXPECT_TRUE(ParseViolations(std::string(64, '\xFF')).empty());
}

TEST(ErrorText, PutsEachViolationOnItsLine) {
  absl::Status status = absl::InvalidArgumentError("the request is refused");
  AttachDetails(status, Details());
  EXPECT_EQ(ErrorText(status),
            "rootwright: the request is refused\n  request.limits.vcpus: 9 is more than 8\n");
}

}  // namespace
}  // namespace rootwright::cli
