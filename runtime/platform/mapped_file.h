// Files as bytes: mapped read-only (weights are used in place, pages come as they are touched), or read into caller memory.
// Ownership: a MappedFile owns its mapping; spans of it die with it. Thread rule: const use from any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "runtime/core/error.h"
#include "runtime/core/result.h"

namespace gf {

/// A read-only mapping of a whole file. Move-only. The file must not shrink while it is mapped (the system raises SIGBUS
/// on access); replace models by renaming a new file over the old one.
class MappedFile {
 public:
  /// Errors: NotFound, IoError (not a regular file, no permission, mapping refused), LimitExceeded (larger than the
  /// address space). An empty file maps to an empty span.
  static Result<MappedFile> open(const char* path, ErrorDetail* detail = nullptr);

  MappedFile() = default;
  MappedFile(MappedFile&& other) noexcept : data_(other.data_), size_(other.size_) { other.forget(); }
  MappedFile& operator=(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  /// Aligned to a page at least.
  std::span<const std::byte> bytes() const { return {data_, size_}; }
  size_t size() const { return size_; }

  /// Gives the memory of the pages that lie wholly inside `part` (of bytes()) back to the system. Contents stay: a later read
  /// takes them from the file again. Anything outside the mapping is left alone. Where the system has no such call, nothing.
  void evict(std::span<const std::byte> part) const;

 private:
  MappedFile(const std::byte* data, size_t size) : data_(data), size_(size) {}
  void forget() {
    data_ = nullptr;
    size_ = 0;
  }
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

/// Size of a regular file. Errors: NotFound, IoError.
Result<uint64_t> file_size_bytes(const char* path, ErrorDetail* detail = nullptr);

/// For systems or files that cannot be mapped: reads the whole file into `memory`; the span of what was read.
/// Errors: NotFound, IoError (also: the file changed while being read), BufferTooSmall (detail says the size needed).
Result<std::span<std::byte>> read_file_into(const char* path, std::span<std::byte> memory, ErrorDetail* detail = nullptr);

}  // namespace gf
