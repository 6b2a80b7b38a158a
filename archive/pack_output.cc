#include "archive/pack_output.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <cerrno>
#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/status.h"

namespace rootwright {

// Turns bytes into compressed bytes.
class PackOutput::Compressor {
 public:
  virtual ~Compressor() = default;
  // Takes from `in`, puts into `out`; returns how much was put. With `last` it is called
  // until done() is true.
  virtual absl::StatusOr<size_t> Run(absl::string_view& in, std::vector<char>& out, bool last) = 0;
  bool done() const { return done_; }

 protected:
  bool done_ = false;
};

namespace {

// Jobs of this size keep memory low and the result independent of the machine: it depends
// on job size and level, not on how many threads there are.
constexpr int kZstdJob = 2 << 20;

class ZstdCompressor : public PackOutput::Compressor {
 public:
  static absl::StatusOr<std::unique_ptr<PackOutput::Compressor>> Create(int level, int threads) {
    auto made = std::make_unique<ZstdCompressor>();
    if (made->context_ == nullptr) return absl::ResourceExhaustedError("compress: zstd: out of memory");
    const std::pair<ZSTD_cParameter, int> wanted[] = {{ZSTD_c_compressionLevel, level},
                                                      {ZSTD_c_checksumFlag, 1},
                                                      {ZSTD_c_nbWorkers, threads},
                                                      {ZSTD_c_jobSize, kZstdJob}};
    for (const auto& [parameter, value] : wanted) {
      const size_t got = ZSTD_CCtx_setParameter(made->context_, parameter, value);
      if (ZSTD_isError(got)) {
        return absl::InvalidArgumentError(absl::StrCat("compress: zstd: ", ZSTD_getErrorName(got)));
      }
    }
    return made;
  }
  ~ZstdCompressor() override { ZSTD_freeCCtx(context_); }

  absl::StatusOr<size_t> Run(absl::string_view& in, std::vector<char>& out, bool last) override {
    ZSTD_inBuffer input = {in.data(), in.size(), 0};
    ZSTD_outBuffer output = {out.data(), out.size(), 0};
    const size_t left = ZSTD_compressStream2(context_, &output, &input, last ? ZSTD_e_end : ZSTD_e_continue);
    if (ZSTD_isError(left))
      return absl::InternalError(absl::StrCat("compress: zstd: ", ZSTD_getErrorName(left)));
    in.remove_prefix(input.pos);
    done_ = last && left == 0;
    return output.pos;
  }

 private:
  ZSTD_CCtx* context_ = ZSTD_createCCtx();
};

class GzipCompressor : public PackOutput::Compressor {
 public:
  static absl::StatusOr<std::unique_ptr<PackOutput::Compressor>> Create() {
    auto made = std::make_unique<GzipCompressor>();
    // 15 + 16: largest window, gzip header; which has no name and no time.
    if (deflateInit2(&made->stream_, 6, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY) != Z_OK) {
      return absl::ResourceExhaustedError("compress: gzip: out of memory");
    }
    return made;
  }
  ~GzipCompressor() override { deflateEnd(&stream_); }

  absl::StatusOr<size_t> Run(absl::string_view& in, std::vector<char>& out, bool last) override {
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(in.data()));
    stream_.avail_in = static_cast<uInt>(in.size());
    stream_.next_out = reinterpret_cast<Bytef*>(out.data());
    stream_.avail_out = static_cast<uInt>(out.size());
    const int got = deflate(&stream_, last ? Z_FINISH : Z_NO_FLUSH);
    if (got != Z_OK && got != Z_STREAM_END && got != Z_BUF_ERROR) {
      return absl::InternalError(absl::StrCat("compress: gzip: error ", got));
    }
    in.remove_prefix(in.size() - stream_.avail_in);
    done_ = got == Z_STREAM_END;
    return out.size() - stream_.avail_out;
  }

 private:
  z_stream stream_{};
};

}  // namespace

PackOutput::PackOutput(std::filesystem::path path) : path_(std::move(path)) {}

PackOutput::~PackOutput() {
  if (!temporary_.empty()) unlink(temporary_.c_str());
}

absl::StatusOr<std::unique_ptr<PackOutput>> PackOutput::Create(const std::filesystem::path& path,
                                                               const PackOptions& options) {
  std::unique_ptr<PackOutput> output(new PackOutput(path));
  if (options.format == PackFormat::kTarZst) {
    RW_ASSIGN_OR_RETURN(output->compressor_, ZstdCompressor::Create(options.zstd_level, options.threads));
  } else if (options.format == PackFormat::kTarGz) {
    RW_ASSIGN_OR_RETURN(output->compressor_, GzipCompressor::Create());
  }
  output->compressed_.resize(256 << 10);
  std::string temporary = absl::StrCat(path.string(), ".part.XXXXXX");
  output->fd_.reset(mkostemp(temporary.data(), O_CLOEXEC));
  if (!output->fd_) return ErrnoStatus(errno, "create the archive", temporary);
  output->temporary_ = temporary;
  return output;
}

absl::Status PackOutput::WriteOut(absl::string_view bytes) {
  sha256_.Update(bytes);
  size_ += static_cast<int64_t>(bytes.size());
  return WriteAll(fd_.get(), bytes, path_);
}

absl::Status PackOutput::Write(absl::string_view bytes) {
  if (!compressor_) return WriteOut(bytes);
  while (!bytes.empty()) {
    RW_ASSIGN_OR_RETURN(const size_t made, compressor_->Run(bytes, compressed_, false));
    RW_RETURN_IF_ERROR(WriteOut({compressed_.data(), made}));
  }
  return absl::OkStatus();
}

absl::Status PackOutput::Finish() {
  absl::string_view nothing;
  while (compressor_ && !compressor_->done()) {
    RW_ASSIGN_OR_RETURN(const size_t made, compressor_->Run(nothing, compressed_, true));
    RW_RETURN_IF_ERROR(WriteOut({compressed_.data(), made}));
  }
  if (fchmod(fd_.get(), 0644) != 0) return ErrnoStatus(errno, "set the mode of", path_.string());
  if (fsync(fd_.get()) != 0) return ErrnoStatus(errno, "sync the archive", path_.string());
  if (rename(temporary_.c_str(), path_.c_str()) != 0)
    return ErrnoStatus(errno, "name the archive", path_.string());
  temporary_.clear();
  const std::filesystem::path parent = path_.has_parent_path() ? path_.parent_path() : ".";
  const UniqueFd folder(open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder || fsync(folder.get()) != 0) return ErrnoStatus(errno, "sync the folder", parent.string());
  return absl::OkStatus();
}

}  // namespace rootwright
