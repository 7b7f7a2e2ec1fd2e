#if !defined(_FILE_OFFSET_BITS)
#define _FILE_OFFSET_BITS 64  // files above 2 GB on 32-bit systems
#endif
#include "runtime/platform/mapped_file.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "runtime/core/checked.h"

namespace gf {
namespace {

// strerror_r has two signatures; overloads pick the one that this C library has.
[[maybe_unused]] const char* error_text(int status, const char* buffer) { return status == 0 ? buffer : "unknown error"; }
[[maybe_unused]] const char* error_text(const char* text, const char*) { return text; }

Error fail_errno(ErrorDetail* detail, const char* what, const char* path, int code) {
  char buffer[96] = {};
  const char* text = error_text(strerror_r(code, buffer, sizeof buffer), buffer);
  const Error error = code == ENOENT || code == ENOTDIR ? Error::NotFound
                      : code == ENOMEM                  ? Error::OutOfMemory
                                                        : Error::IoError;
  return GF_FAIL(detail, error, -1, "cannot %s '%s': %s (errno %d)", what, path, text, code);
}

class Descriptor {
 public:
  explicit Descriptor(int value) : value_(value) {}
  ~Descriptor() {
    if (value_ >= 0) close(value_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return value_; }

 private:
  int value_;
};

/// Opens nothing but regular files: a FIFO or a device would block or have no size.
Error stat_regular(const char* path, int descriptor, uint64_t& size, ErrorDetail* detail) {
  struct stat info {};
  if (fstat(descriptor, &info) != 0) return fail_errno(detail, "read the size of", path, errno);
  if (!S_ISREG(info.st_mode))
    return GF_FAIL(detail, Error::IoError, -1, "'%s' is not a regular file; give the path of a file", path);
  size = static_cast<uint64_t>(info.st_size);
  return Error::Ok;
}

int open_for_reading(const char* path) {
  int descriptor = -1;
  do {
    descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  } while (descriptor < 0 && errno == EINTR);
  return descriptor;
}

Error check_path(const char* path, ErrorDetail* detail) {
  if (path == nullptr || *path == '\0')
    return GF_FAIL(detail, Error::InvalidArgument, -1, "empty file name; give the path of a file");
  return Error::Ok;
}

}  // namespace

Result<MappedFile> MappedFile::open(const char* path, ErrorDetail* detail) {
  GF_TRY(check_path(path, detail));
  const Descriptor file(open_for_reading(path));
  if (file.get() < 0) return fail_errno(detail, "open", path, errno);
  uint64_t bytes = 0;
  GF_TRY(stat_regular(path, file.get(), bytes, detail));
  if (bytes == 0) return MappedFile();
  size_t size = 0;
  if (!narrow_checked(bytes, size) || size > SIZE_MAX / 2)
    return GF_FAIL(detail, Error::LimitExceeded, -1, "'%s' has %llu bytes, more than this machine can address", path,
                   static_cast<unsigned long long>(bytes));
  void* data = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.get(), 0);
  if (data == MAP_FAILED) return fail_errno(detail, "map", path, errno);
  return MappedFile(static_cast<const std::byte*>(data), size);
}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  if (this != &other) {
    if (size_ != 0) munmap(const_cast<std::byte*>(data_), size_);
    data_ = other.data_;
    size_ = other.size_;
    other.forget();
  }
  return *this;
}

MappedFile::~MappedFile() {
  if (size_ != 0) munmap(const_cast<std::byte*>(data_), size_);
}

void MappedFile::evict(std::span<const std::byte> part) const {
  if (part.data() < data_ || part.size() > size_ || part.data() + part.size() > data_ + size_) return;
  const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  const uintptr_t first = (reinterpret_cast<uintptr_t>(part.data()) + page - 1) / page * page;
  const uintptr_t end = (reinterpret_cast<uintptr_t>(part.data()) + part.size()) / page * page;
  // the mapping is private and read-only: there is nothing of ours in it that could be lost
  if (first < end) madvise(reinterpret_cast<void*>(first), end - first, MADV_DONTNEED);
}

Result<uint64_t> file_size_bytes(const char* path, ErrorDetail* detail) {
  GF_TRY(check_path(path, detail));
  const Descriptor file(open_for_reading(path));
  if (file.get() < 0) return fail_errno(detail, "open", path, errno);
  uint64_t bytes = 0;
  GF_TRY(stat_regular(path, file.get(), bytes, detail));
  return bytes;
}

Result<std::span<std::byte>> read_file_into(const char* path, std::span<std::byte> memory, ErrorDetail* detail) {
  GF_TRY(check_path(path, detail));
  const Descriptor file(open_for_reading(path));
  if (file.get() < 0) return fail_errno(detail, "open", path, errno);
  uint64_t bytes = 0;
  GF_TRY(stat_regular(path, file.get(), bytes, detail));
  if (bytes > memory.size())
    return GF_FAIL(detail, Error::BufferTooSmall, -1, "'%s' has %llu bytes, the buffer %zu", path,
                   static_cast<unsigned long long>(bytes), memory.size());
  const auto size = static_cast<size_t>(bytes);
  size_t done = 0;
  while (done < size) {
    const ssize_t got = read(file.get(), memory.data() + done, size - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno(detail, "read", path, errno);
    if (got == 0) return GF_FAIL(detail, Error::IoError, -1, "'%s' became shorter while it was read; try again", path);
    done += static_cast<size_t>(got);
  }
  return memory.first(size);
}

}  // namespace gf
