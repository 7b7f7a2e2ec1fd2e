#include "ops/cpu/xnnpack/memory.h"

#include <xnnpack.h>

#include <atomic>
#include <cmath>
#include <cstring>
#include <new>

#include "runtime/core/checked.h"
#include "runtime/kernel/kernel.h"
#include "runtime/platform/memory.h"

namespace gf::xnnpack {
namespace {

thread_local Memory* t_memory = nullptr;

// Other users of XNNPACK in this process, who came after us and got our allocator: whole pages, their size in front.
void* take_pages(size_t bytes, size_t alignment) {
  const size_t front = alignment < kAlignment ? kAlignment : alignment;
  uint64_t total = 0;
  if (front > page_size() || !add_checked<uint64_t>(bytes, front, total)) return nullptr;
  auto pages = allocate_pages(total);
  if (!pages.ok()) return nullptr;
  std::byte* data = pages->data() + front;
  new (data - sizeof(std::span<std::byte>)) std::span<std::byte>(*pages);
  return data;
}

std::span<std::byte> pages_of(void* data) {
  std::span<std::byte> pages;
  std::memcpy(static_cast<void*>(&pages), static_cast<std::byte*>(data) - sizeof pages, sizeof pages);
  return pages;
}

void* aligned_allocate(void*, size_t alignment, size_t bytes) {
  return t_memory != nullptr ? t_memory->take(bytes, alignment) : take_pages(bytes, alignment);
}
void* allocate(void* context, size_t bytes) { return aligned_allocate(context, alignof(std::max_align_t), bytes); }
void deallocate(void*, void* data) {
  if (data != nullptr && t_memory == nullptr) release_pages(pages_of(data));
}
void* reallocate(void* context, void* data, size_t bytes) {
  if (t_memory != nullptr) return t_memory->grow(data, bytes);
  void* larger = allocate(context, bytes);
  if (larger == nullptr || data == nullptr) return larger;
  const std::span<std::byte> old = pages_of(data);
  const auto kept = static_cast<size_t>(old.data() + old.size() - static_cast<std::byte*>(data));
  std::memcpy(larger, data, kept < bytes ? kept : bytes);
  deallocate(context, data);
  return larger;
}

constexpr xnn_allocator kAllocator{nullptr, allocate, reallocate, deallocate, aligned_allocate, deallocate};

const char* initialise() {
  if (xnn_initialize(&kAllocator) != xnn_status_success) return "XNNPACK does not support this processor";
  // An operator made here must come out of the memory that is open here.
  Memory memory(Memory::kNoLimit);
  const Scope scope(memory);
  xnn_operator_t op = nullptr;
  if (xnn_create_clamp_nc_f32(1, 1, 1, 0.0F, 1.0F, 0, &op) != xnn_status_success) return "XNNPACK makes no operators";
  xnn_delete_operator(op);
  if (memory.pieces() == 0)
    return "other code in this process initialised XNNPACK first, with an allocator that is not ours";
  return nullptr;
}

}  // namespace

Memory::~Memory() {
  for (int k = 0; k < count_; ++k)
    if (!pieces_[k].pages.empty()) release_pages(pieces_[k].pages);
}

void* Memory::take(size_t bytes, size_t alignment) {
  uint64_t end = 0;
  if (count_ == kMaxPieces || alignment > kAlignment || !add_checked<uint64_t>(used_, bytes, end) ||
      !align_checked(end, kAlignment, end))
    return nullptr;
  if (!counting_ && end > block_.size()) return nullptr;
  Piece& piece = pieces_[count_++];
  piece.bytes = bytes;
  if (!counting_) {
    piece.data = block_.data() + used_;
  } else if (bytes > refuse_above_) {
    refused_ = true;
  } else if (auto pages = allocate_pages(bytes == 0 ? 1 : bytes); pages.ok()) {
    piece.pages = *pages;
    piece.data = pages->data();
  }
  asked_ += bytes;
  used_ = end;
  return piece.data;
}

void* Memory::grow(void* data, size_t bytes) {
  const uint64_t limit = refuse_above_;
  refuse_above_ = kNoLimit;
  void* larger = take(bytes, kAlignment);
  refuse_above_ = limit;
  if (larger == nullptr || data == nullptr) return larger;
  for (int k = 0; k < count_; ++k)
    if (pieces_[k].data == data) std::memcpy(larger, data, pieces_[k].bytes < bytes ? pieces_[k].bytes : bytes);
  return larger;
}

Scope::Scope(Memory& memory) : outer_(t_memory) { t_memory = &memory; }
Scope::~Scope() { t_memory = outer_; }

const char* unavailable() {
  // every thread that comes here first finds the same answer; XNNPACK's own initialisation happens once
  static std::atomic<bool> known{false};
  static std::atomic<const char*> reason{nullptr};
  if (!known.load(std::memory_order_acquire)) {
    reason.store(initialise(), std::memory_order_relaxed);
    known.store(true, std::memory_order_release);
  }
  return reason.load(std::memory_order_relaxed);
}

}  // namespace gf::xnnpack
