// Counts every heap call of the process, from any thread and any shared library: malloc and its family, operator new
// (which calls malloc), mmap and munmap, brk and sbrk. Linked as objects into programs that measure: the tools, and
// test executables (tests/support/heap_counter.h). Works on glibc; off under sanitizers, which have a malloc of their
// own.
#pragma once

#include <cstdint>

namespace gf::heap {

struct Counts {
  uint64_t allocations = 0;  ///< malloc, calloc, realloc, memalign, posix_memalign, aligned_alloc, valloc, pvalloc
  uint64_t frees = 0;        ///< free of anything but nullptr
  uint64_t bytes = 0;        ///< bytes asked for in `allocations`
  uint64_t maps = 0;         ///< mmap, munmap, mremap, brk, sbrk
  uint64_t calls() const { return allocations + frees + maps; }
};

/// False where counting is impossible; counts are then 0 and mean nothing.
bool counter_works();

/// Counts from here on. Scopes do not nest and there is one at a time in a process.
void start_counting();
/// Ends counting and returns what was seen. The first call of each kind can be looked at with a debugger by setting a
/// breakpoint on gf::heap::counter_hit.
Counts stop_counting();
/// Called for each counted call; does nothing.
void counter_hit();

}  // namespace gf::heap
