#include "ci/cli/screen.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/str_cat.h"

namespace rootwright::cli {
namespace {

winsize SizeOf(int fd) {
  winsize size = {};
  if (ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0) {
    size.ws_col = 80;
    size.ws_row = 24;
  }
  return size;
}

}  // namespace

void Screen::Write(absl::string_view text) {
  while (!text.empty()) {
    const ssize_t put = write(fd_, text.data(), text.size());
    if (put > 0) {
      text.remove_prefix(static_cast<size_t>(put));
    } else if (errno == EAGAIN) {
      pollfd ready = {fd_, POLLOUT, 0};  // someone made the terminal non-blocking
      poll(&ready, 1, -1);
    } else if (errno != EINTR) {
      return;  // there is nobody left to tell
    }
  }
}

void Screen::Write(const std::vector<Line>& lines) {
  Write(Render(lines, colour_, is_terminal() ? columns() : 0));
}

void Screen::Repaint(const std::vector<Line>& lines) {
  const int width = columns();
  // A terminal that became narrower has wrapped what was painted.
  int up = 0;
  for (const int painted : painted_) up += std::max(1, (painted + width - 1) / width);
  std::string frame = up > 0 ? absl::StrCat("\r\x1b[", up, "A") : "";
  painted_.clear();
  for (const Line& line : lines) {
    absl::StrAppend(&frame, Render(line, colour_, width), "\x1b[K\n");
    painted_.push_back(std::min(line.width(), width));
  }
  absl::StrAppend(&frame, "\x1b[J");
  Write(frame);
}

bool Screen::is_terminal() const { return isatty(fd_) == 1; }

int Screen::columns() const { return SizeOf(fd_).ws_col; }

int Screen::rows() const { return SizeOf(fd_).ws_row; }

}  // namespace rootwright::cli
