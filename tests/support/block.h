// Memory that is handed to the runtime in tests: exactly as large as promised, so that a sanitizer sees the first byte past
// it, aligned as the runtime wants it, and filled with a pattern so that nothing counts on zeros.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <span>

namespace gf::test {

class Block {
 public:
  explicit Block(uint64_t bytes = 0) : bytes_(static_cast<size_t>(bytes)) {
    if (bytes == 0) return;
    void* raw = nullptr;
    if (bytes_ < bytes || posix_memalign(&raw, 64, bytes_) != 0) throw std::bad_alloc();
    raw_.reset(static_cast<std::byte*>(raw));
    std::memset(raw, 0xa5, bytes_);
  }
  static Block copy(std::span<const std::byte> bytes) {
    Block b(bytes.size());
    if (!bytes.empty()) std::memcpy(b.raw_.get(), bytes.data(), bytes.size());
    return b;
  }
  std::span<std::byte> span() const { return {raw_.get(), bytes_}; }

 private:
  struct Free {
    void operator()(std::byte* p) const { std::free(p); }
  };
  std::unique_ptr<std::byte, Free> raw_;
  size_t bytes_ = 0;
};

}  // namespace gf::test
