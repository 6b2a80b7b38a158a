#include "base/status.h"

#include <gtest/gtest.h>

#include <cerrno>

namespace rootwright {
namespace {

TEST(ErrnoStatus, NamesWhatObjectAndCause) {
  const absl::Status status = ErrnoStatus(ENOENT, "open", "/x");
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(status.message(), "open: /x: No such file or directory");
}

TEST(ErrnoStatus, FullDiskIsResourceExhausted) {
  EXPECT_EQ(ErrnoStatus(ENOSPC, "write", "/x").code(), absl::StatusCode::kResourceExhausted);
}

TEST(Annotate, KeepsCodeAndPayload) {
  absl::Status status = absl::NotFoundError("b");
  status.SetPayload("url", absl::Cord("load"));
  const absl::Status annotated = Annotate(status, "a");
  EXPECT_EQ(annotated.message(), "a: b");
  EXPECT_EQ(annotated.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(annotated.GetPayload("url"), absl::Cord("load"));
  EXPECT_TRUE(Annotate(absl::OkStatus(), "a").ok());
}

absl::StatusOr<int> Half(int number) {
  if (number % 2 != 0) return absl::InvalidArgumentError("odd");
  return number / 2;
}

absl::StatusOr<int> Quarter(int number) {
  RW_ASSIGN_OR_RETURN(const int half, Half(number));
  return Half(half);
}

TEST(AssignOrReturn, PassesTheErrorOn) {
  EXPECT_EQ(Quarter(8).value(), 2);
  EXPECT_EQ(Quarter(7).status().message(), "odd");
}

}  // namespace
}  // namespace rootwright
