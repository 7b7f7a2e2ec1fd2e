// Bump: carves aligned pieces out of one block, or only counts them when there is no block. The one allocator of the core.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>
#include <span>

#include "runtime/core/checked.h"

namespace gf {

class Bump {
 public:
  Bump() = default;  ///< counts only
  explicit Bump(std::span<std::byte> memory) : base_(memory.data()), capacity_(memory.size()) {}

  /// `bytes` aligned to `alignment`, or nullptr when counting or when the block is used up (see ok()).
  void* take(uint64_t bytes, uint64_t alignment = 64) {
    uint64_t begin = 0, end = 0;
    if (!align_checked(used_, alignment, begin) || !add_checked(begin, bytes, end)) {
      failed_ = true;
      return nullptr;
    }
    used_ = end;
    if (base_ == nullptr) return nullptr;
    if (end > capacity_) {
      failed_ = true;
      return nullptr;
    }
    return base_ + begin;
  }
  /// `count` value-initialised T.
  template <class T>
  std::span<T> array(uint64_t count) {
    static_assert(alignof(T) <= 64);
    auto* p = static_cast<T*>(take_array(count, sizeof(T)));
    if (p == nullptr) return {};
    for (uint64_t i = 0; i < count; ++i) new (p + i) T();
    return {p, static_cast<size_t>(count)};
  }

  bool counting() const { return base_ == nullptr; }
  bool ok() const { return !failed_; }
  uint64_t used() const { return used_; }
  void reset_to(uint64_t used) { used_ = used; }

 private:
  // not in array(), which is there for every type
  void* take_array(uint64_t count, uint64_t size) {
    uint64_t bytes = 0;
    if (mul_checked<uint64_t>(count, size, bytes)) return take(bytes);
    failed_ = true;
    return nullptr;
  }

  std::byte* base_ = nullptr;
  uint64_t capacity_ = 0;
  uint64_t used_ = 0;
  bool failed_ = false;
};

}  // namespace gf
