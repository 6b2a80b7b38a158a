#pragma once

#include <cstdint>
#include <string>

#include "executors/guest/program/disk.h"
#include "executors/guest/protocol.h"

namespace rootwright::guest {

// A file that is being put: written under another name beside its place and renamed when it
// is whole, so that nobody sees half of it. One at a time; a new one drops the old.
class FilePut {
 public:
  ~FilePut() { Drop(); }

  // `finished`: this was the last piece. Pieces of a file that has failed are passed over.
  Problem Take(const PutFile& piece, bool& finished);
  void Drop();

 private:
  Problem Open(const PutFile& first);
  Problem Write(std::string_view data);
  Problem Finish();

  uint32_t request_ = 0;
  int fd_ = -1;
  uint32_t mode_ = 0;
  uint64_t size_ = 0;
  uint64_t written_ = 0;
  std::string path_;
  std::string temporary_;
};

// Reads one piece of a regular file into `into`; short at its end only.
Problem ReadPiece(const GetFile& what, std::string& into);

}  // namespace rootwright::guest
