// Counting heap calls in tests: the counter of the tools (tools/common/heap_counter.h) under the names that tests use.
// A test executable that includes this header is linked with the counter (see tests/CMakeLists.txt).
#pragma once

#include "tools/common/heap_counter.h"

namespace gf::test {

using HeapCounts = heap::Counts;

/// False where counting is impossible; tests then skip with GF_SKIP_WITHOUT_HEAP_COUNTER().
inline bool heap_counter_works() { return heap::counter_works(); }
inline void heap_counter_start() { heap::start_counting(); }
inline HeapCounts heap_counter_stop() { return heap::stop_counting(); }

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
