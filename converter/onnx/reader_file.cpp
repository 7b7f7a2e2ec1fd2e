#include "converter/onnx/reader_file.h"

#include <cerrno>
#include <cstring>
#include <fstream>

#include "io/path.h"
#include "runtime/core/checked.h"
#include "runtime/core/exception.h"

#if defined(__unix__) || defined(__APPLE__) || defined(__EMSCRIPTEN__)
#define GF_ONNX_POSIX 1
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#endif

namespace gf::onnx {
namespace {

/// Smaller files are read: mapping costs a page fault per page and holds the file open to change.
constexpr uint64_t kMapFrom = 64 << 10;

void check_size(uint64_t size, uint64_t max_bytes, const std::string& shown) {
  if (size > max_bytes)
    throw Exception(Error::LimitExceeded,
                    shown + ": has " + std::to_string(size) + " bytes; the limit is " + std::to_string(max_bytes));
  if (size_t fits = 0; !narrow_checked(size, fits))
    throw Exception(Error::LimitExceeded, shown + ": is too large for a 32-bit process");
}

}  // namespace

#if GF_ONNX_POSIX

namespace {

std::shared_ptr<const void> map_file(int fd, size_t size) {
  void* address = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, 0);
  if (address == MAP_FAILED) return nullptr;
  return std::shared_ptr<const void>(address, [size](const void* p) { munmap(const_cast<void*>(p), size); });
}

std::vector<std::byte> read_all(int fd, size_t size, const std::string& shown) {
  std::vector<std::byte> data(size);
  size_t done = 0;
  while (done < size) {
    const ssize_t got = pread(fd, data.data() + done, size - done, static_cast<off_t>(done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw Exception(Error::IoError, shown + ": reading failed: " + std::strerror(errno));
    if (got == 0) throw Exception(Error::IoError, shown + ": became shorter while it was read");
    done += static_cast<size_t>(got);
  }
  return data;
}

}  // namespace

FdCloser::~FdCloser() {
  if (fd_ >= 0) close(fd_);
}

Bytes bytes_of_fd(int fd, uint64_t max_bytes, FileMode mode, const std::string& shown) {
  struct stat status {};
  if (fstat(fd, &status) != 0) throw Exception(Error::IoError, shown + ": " + std::strerror(errno));
  if (!S_ISREG(status.st_mode))
    throw Exception(Error::IoError, shown + ": is not a regular file (a directory, pipe or device?)");
  const auto size = static_cast<uint64_t>(status.st_size);
  check_size(size, max_bytes, shown);
  const auto length = static_cast<size_t>(size);
  if (mode == FileMode::Map && size >= kMapFrom) {
    if (std::shared_ptr<const void> owner = map_file(fd, length)) {
      const std::span<const std::byte> data(static_cast<const std::byte*>(owner.get()), length);
      return Bytes::view(data, std::move(owner));
    }
  }
  return Bytes::take(read_all(fd, length, shown));
}

Bytes read_file_bytes(const std::filesystem::path& path, uint64_t max_bytes, FileMode mode) {
  const std::string shown = printable(io::text_of(path), 400);
  // O_NONBLOCK: opening a pipe must not wait for its other end.
  const FdCloser file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.get() < 0)
    throw Exception(errno == ENOENT || errno == ENOTDIR ? Error::NotFound : Error::IoError,
                    shown + ": cannot be opened: " + std::strerror(errno));
  return bytes_of_fd(file.get(), max_bytes, mode, shown);
}

#else

FdCloser::~FdCloser() = default;

Bytes read_file_bytes(const std::filesystem::path& path, uint64_t max_bytes, FileMode /*mode*/) {
  const std::string shown = printable(io::text_of(path), 400);
  std::error_code code;
  if (!std::filesystem::exists(path, code)) throw Exception(Error::NotFound, shown + ": no such file");
  if (!std::filesystem::is_regular_file(path, code)) throw Exception(Error::IoError, shown + ": is not a regular file");
  const uint64_t size = std::filesystem::file_size(path, code);
  if (code) throw Exception(Error::IoError, shown + ": " + code.message());
  check_size(size, max_bytes, shown);
  std::vector<std::byte> data(static_cast<size_t>(size));
  std::ifstream file(path, std::ios::binary);
  file.read(reinterpret_cast<char*>(data.data()), static_cast<std::streamsize>(data.size()));
  if (!file) throw Exception(Error::IoError, shown + ": reading failed");
  return Bytes::take(std::move(data));
}

#endif

}  // namespace gf::onnx
