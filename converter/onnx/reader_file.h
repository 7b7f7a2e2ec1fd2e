// Bytes of an open file, shared by the model reader and the external data reader. POSIX only; internal.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "converter/onnx/reader.h"

namespace gf::onnx {

/// All bytes of the regular file behind `fd` (which stays open and is the caller's to close). `shown` is its name for
/// messages. Errors: IoError (not a regular file, reading failed), LimitExceeded.
Bytes bytes_of_fd(int fd, uint64_t max_bytes, FileMode mode, const std::string& shown);

/// Closes a file descriptor at the end of its scope.
class FdCloser {
 public:
  explicit FdCloser(int fd) : fd_(fd) {}
  FdCloser(FdCloser&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  FdCloser& operator=(FdCloser&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  FdCloser(const FdCloser&) = delete;
  FdCloser& operator=(const FdCloser&) = delete;
  ~FdCloser();
  int get() const { return fd_; }

 private:
  int fd_;
};

}  // namespace gf::onnx
