// Memory for the strict interface, as a program without wishes of its own would give it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "runtime/include/ghostflow/session.h"

/// Bytes aligned as sessions want them.
class Block {
 public:
  Block() : Block(0) {}
  explicit Block(uint64_t bytes)
      : size_(static_cast<size_t>(bytes)), memory_(std::make_unique<std::byte[]>(size_ + gf::kAlignment)) {}
  std::span<std::byte> bytes() const {
    const auto at = reinterpret_cast<uintptr_t>(memory_.get());
    return {memory_.get() + (gf::kAlignment - at % gf::kAlignment) % gf::kAlignment, size_};
  }

 private:
  size_t size_;
  std::unique_ptr<std::byte[]> memory_;
};

