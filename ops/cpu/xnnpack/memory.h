// XNNPACK's memory under our control: its allocator is set once for the process and serves, on each thread, the Memory
// that is open there. Operators of ours live in a session's kernel data; a dry run counts what they will ask for.
// Ownership: Memory does not own its block; Scope must close on the thread that opened it. No heap.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace gf::xnnpack {

/// What XNNPACK allocates while a Scope is open: pieces of one block, or (counting) pages that go back with the Memory.
class Memory {
 public:
  static constexpr int kMaxPieces = 8;
  static constexpr uint64_t kNoLimit = ~uint64_t{0};

  /// Carves pieces out of `block` (aligned to kAlignment).
  explicit Memory(std::span<std::byte> block) : block_(block) {}
  /// Counts. A request for aligned memory (packed weights) above `refuse_above` gets none, so that XNNPACK gives up
  /// cleanly, but is counted; tables, which XNNPACK grows, are always given.
  explicit Memory(uint64_t refuse_above) : refuse_above_(refuse_above), counting_(true) {}
  ~Memory();
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

  void* take(size_t bytes, size_t alignment);
  void* grow(void* piece, size_t bytes);

  int pieces() const { return count_; }
  uint64_t bytes(int piece) const { return pieces_[piece].bytes; }
  uint64_t asked() const { return asked_; }    ///< sum of the requests as XNNPACK made them
  uint64_t used() const { return used_; }      ///< the same, each rounded up to kAlignment: what a block must hold
  bool refused() const { return refused_; }    ///< the last piece is one that was refused

 private:
  struct Piece {
    std::byte* data = nullptr;
    uint64_t bytes = 0;
    std::span<std::byte> pages;
  };
  std::span<std::byte> block_;
  uint64_t refuse_above_ = kNoLimit;
  bool counting_ = false;
  bool refused_ = false;
  uint64_t asked_ = 0, used_ = 0;
  int count_ = 0;
  Piece pieces_[kMaxPieces];
};

/// While it lives, XNNPACK's allocations on this thread come from `memory`, and what it frees stays where it is.
class Scope {
 public:
  explicit Scope(Memory& memory);
  ~Scope();
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;

 private:
  Memory* outer_;
};

/// Initialises XNNPACK for this process with our allocator (the first call of all wins) and checks that ours is the one
/// that is called. nullptr when XNNPACK may be used, else why not: a fixed string. Any thread. cpuinfo, which
/// XNNPACK initialises then, takes a little heap memory once.
const char* unavailable();

}  // namespace gf::xnnpack
