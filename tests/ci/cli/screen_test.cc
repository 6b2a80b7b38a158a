#include "ci/cli/screen.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <string>

namespace rootwright::cli {
namespace {

// What was written to a pipe since the last look.
class Pipe {
 public:
  Pipe() { EXPECT_EQ(pipe(ends_), 0); }
  ~Pipe() {
    close(ends_[0]);
    close(ends_[1]);
  }
  int in() const { return ends_[1]; }
  std::string Read() {
    char buffer[4096];
    const ssize_t got = read(ends_[0], buffer, sizeof buffer);
    return std::string(buffer, static_cast<size_t>(got));
  }

 private:
  int ends_[2] = {-1, -1};
};

TEST(Screen, RepaintsOverWhatItPainted) {
  Pipe pipe;
  Screen screen(pipe.in(), Colour::kOff);
  screen.Repaint({Line("one"), Line("two")});
  EXPECT_EQ(pipe.Read(), "one\x1b[K\ntwo\x1b[K\n\x1b[J");
  screen.Repaint({Line("three")});
  EXPECT_EQ(pipe.Read(), "\r\x1b[2Athree\x1b[K\n\x1b[J");
}

TEST(Screen, LeavesSettledPictureAlone) {
  Pipe pipe;
  Screen screen(pipe.in(), Colour::kOff);
  screen.Repaint({Line("one")});
  screen.Settle();
  pipe.Read();
  screen.Repaint({Line("two")});
  EXPECT_EQ(pipe.Read(), "two\x1b[K\n\x1b[J");
}

TEST(Screen, DoesNotCutLinesInPipe) {
  Pipe pipe;
  Screen screen(pipe.in(), Colour::kOff);
  screen.Write({Line(std::string(200, 'x'))});
  EXPECT_EQ(pipe.Read(), std::string(200, 'x') + "\n");
}

}  // namespace
}  // namespace rootwright::cli
