#include "executors/guest/program/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

namespace rootwright::guest {
namespace {

bool IsPath(std::string_view path) {
  return path.size() > 1 && path[0] == '/' && path.back() != '/' && path.find('\0') == path.npos;
}

}  // namespace

void FilePut::Drop() {
  if (fd_ < 0) return;
  close(fd_);
  fd_ = -1;
  unlink(temporary_.c_str());
}

Problem FilePut::Open(const PutFile& first) {
  Drop();
  path_ = first.path;
  if (!IsPath(path_)) return Problem::Of(EINVAL, "write a file", path_);
  request_ = first.request;
  mode_ = first.mode & 07777;
  size_ = first.size;
  written_ = 0;
  const std::string folder = path_.substr(0, path_.rfind('/'));
  if (!folder.empty()) {
    if (Problem problem = MakeFolders(folder)) return problem;
  }
  temporary_ = folder + "/.rootwright-put-" + std::to_string(first.request);
  unlink(temporary_.c_str());
  fd_ = open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd_ < 0) return Problem::Of(errno, "write a file", path_);
  return {};
}

Problem FilePut::Write(std::string_view data) {
  while (!data.empty()) {
    const ssize_t put = write(fd_, data.data(), data.size());
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return Problem::Of(put < 0 ? errno : ENOSPC, "write a file", path_);
    data.remove_prefix(static_cast<size_t>(put));
    written_ += static_cast<uint64_t>(put);
  }
  return {};
}

Problem FilePut::Finish() {
  if (fchmod(fd_, mode_) != 0 || rename(temporary_.c_str(), path_.c_str()) != 0) {
    return Problem::Of(errno, "write a file", path_);
  }
  close(fd_);
  fd_ = -1;
  return {};
}

Problem FilePut::Take(const PutFile& piece, bool& finished) {
  finished = false;
  if (piece.offset == 0) {
    if (Problem problem = Open(piece)) return problem;
  }
  if (fd_ < 0 || piece.request != request_) return {};
  Problem problem;
  if (piece.offset != written_ || piece.size != size_ || piece.data.size() > size_ - written_) {
    problem = {EINVAL, "write a file: " + path_ + ": its pieces do not fit"};
  } else {
    problem = Write(piece.data);
  }
  if (!problem && written_ == size_) {
    problem = Finish();
    finished = !problem;
  }
  if (problem) Drop();
  return problem;
}

Problem ReadPiece(const GetFile& what, std::string& into) {
  const std::string path(what.path);
  if (!IsPath(path)) return Problem::Of(EINVAL, "read a file", path);
  // Not blocking, for it may be a fifo.
  const int fd = open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  if (fd < 0) return Problem::Of(errno, "read a file", path);
  struct stat there {};
  Problem problem;
  if (fstat(fd, &there) != 0) {
    problem = Problem::Of(errno, "read a file", path);
  } else if (!S_ISREG(there.st_mode)) {
    problem = {EINVAL, "read a file: " + path + ": not a regular file"};
  }
  into.resize(problem ? 0 : std::min<size_t>(what.bytes, kMaxChunk));
  size_t size = 0;
  while (!problem && size < into.size()) {
    const ssize_t got =
        pread(fd, into.data() + size, into.size() - size, static_cast<off_t>(what.offset + size));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) problem = Problem::Of(errno, "read a file", path);
    if (got <= 0) break;
    size += static_cast<size_t>(got);
  }
  into.resize(size);
  close(fd);
  return problem;
}

}  // namespace rootwright::guest
