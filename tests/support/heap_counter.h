// Counts every heap call of the process, from any thread and any shared library: malloc and its family, operator new
// (which calls malloc), mmap and munmap, brk and sbrk. Linked into a test executable that includes this header (see
// tests/CMakeLists.txt). Works on glibc; off under sanitizers, which have a malloc of their own.
#pragma once

#include <cstdint>

namespace gf::test {

struct HeapCounts {
  uint64_t allocations = 0;  ///< malloc, calloc, realloc, memalign, posix_memalign, aligned_alloc, valloc, pvalloc
  uint64_t frees = 0;        ///< free of anything but nullptr
  uint64_t bytes = 0;        ///< bytes asked for in `allocations`
  uint64_t maps = 0;         ///< mmap, munmap, mremap, brk, sbrk
  uint64_t calls() const { return allocations + frees + maps; }
};

/// False where counting is impossible; tests then skip with GF_SKIP_WITHOUT_HEAP_COUNTER().
bool heap_counter_works();

/// Counts from here on. Scopes do not nest and there is one at a time in a process.
void heap_counter_start();
/// Ends counting and returns what was seen. The first call of each kind can be looked at with a debugger by setting a
/// breakpoint on gf::test::heap_counter_hit.
HeapCounts heap_counter_stop();
/// Called for each counted call; does nothing.
void heap_counter_hit();

/// Counts while `f()` runs.
template <class F>
HeapCounts count_heap_calls(F&& f) {
  heap_counter_start();
  f();
  return heap_counter_stop();
}

}  // namespace gf::test

#define GF_SKIP_WITHOUT_HEAP_COUNTER() \
  if (!::gf::test::heap_counter_works()) GTEST_SKIP() << "heap calls cannot be counted in this build (sanitizer or libc)"
