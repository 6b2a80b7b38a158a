#include "base/fault.h"

#include <gtest/gtest.h>

#include "base/status.h"

namespace rootwright {
namespace {

TEST(Fault, TravelsWithTheStatusThroughAnnotate) {
  const absl::Status status = Annotate(WithFault(absl::UnavailableError("gone"), Fault::kHypervisor), "run");
  EXPECT_EQ(FaultOf(status, Fault::kHost), Fault::kHypervisor);
  EXPECT_EQ(status.message(), "run: gone");
}

TEST(Fault, TheFirstOneStays) {
  const absl::Status status =
      WithFault(WithFault(absl::UnavailableError("x"), Fault::kRemote), Fault::kGuest);
  EXPECT_EQ(FaultOf(status, Fault::kHost), Fault::kRemote);
}

TEST(Fault, IsTheCallersGuessWhereNobodyKnew) {
  EXPECT_EQ(FaultOf(absl::InternalError("x"), Fault::kGuest), Fault::kGuest);
  EXPECT_TRUE(WithFault(absl::OkStatus(), Fault::kGuest).ok());
}

}  // namespace
}  // namespace rootwright
