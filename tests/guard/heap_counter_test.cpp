// The heap counter counts: from our code, the C++ library, the C library and system calls; and counts nothing else.
#include "tests/support/heap_counter.h"

#include <gtest/gtest.h>
#include <string.h>
#include <sys/mman.h>

#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

namespace gf::test {
namespace {

/// Keeps the compiler from removing an allocation whose result nobody uses.
void keep(const void* pointer) { asm volatile("" : : "r"(pointer) : "memory"); }

TEST(HeapCounter, NothingIsCountedWhereNothingIsAllocated) {
  GF_SKIP_WITHOUT_HEAP_COUNTER();
  volatile int sum = 0;
  const HeapCounts counts = count_heap_calls([&] {
    for (int i = 0; i < 1000; ++i) sum = sum + i;
  });
  EXPECT_EQ(counts.calls(), 0U);
}

TEST(HeapCounter, EachFunctionIsCounted) {
  GF_SKIP_WITHOUT_HEAP_COUNTER();
  heap_counter_start();
  void* a = std::malloc(10);
  void* b = std::calloc(3, 5);
  keep(a);
  keep(b);
  a = std::realloc(a, 100);
  void* c = std::aligned_alloc(64, 128);
  void* d = nullptr;
  const int status = posix_memalign(&d, 256, 7);
  keep(c);
  keep(d);
  std::free(a);
  std::free(b);
  std::free(c);
  std::free(d);
  std::free(nullptr);
  const HeapCounts counts = heap_counter_stop();
  EXPECT_EQ(status, 0);
  EXPECT_EQ(counts.allocations, 5U);
  EXPECT_EQ(counts.frees, 4U);
  EXPECT_EQ(counts.bytes, 10U + 15U + 100U + 128U + 7U);
  EXPECT_EQ(counts.maps, 0U);
}

TEST(HeapCounter, LibrariesAreCounted) {
  GF_SKIP_WITHOUT_HEAP_COUNTER();
  const HeapCounts from_c = count_heap_calls([] {
    char* copy = strdup("a string that the C library copies to the heap");
    keep(copy);
    std::free(copy);
  });
  EXPECT_EQ(from_c.allocations, 1U);
  const HeapCounts from_cpp = count_heap_calls([] {
    std::string text = std::to_string(123456789) + " is too long for the small buffer of a string";
    text += std::string(1000, 'x');  // grows inside libstdc++
    keep(text.data());
  });
  EXPECT_GE(from_cpp.allocations, 2U);
  EXPECT_EQ(from_cpp.allocations, from_cpp.frees);
}

TEST(HeapCounter, MappingsAreCounted) {
  GF_SKIP_WITHOUT_HEAP_COUNTER();
  const HeapCounts counts = count_heap_calls([] {
    void* pages = mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ASSERT_NE(pages, MAP_FAILED);
    static_cast<char*>(pages)[8191] = 1;
    munmap(pages, 8192);
  });
  EXPECT_EQ(counts.maps, 2U);
}

TEST(HeapCounter, OtherThreadsAreCounted) {
  GF_SKIP_WITHOUT_HEAP_COUNTER();
  const HeapCounts counts = count_heap_calls([] {
    std::thread other([] {
      for (int i = 0; i < 100; ++i) {
        std::vector<int> values(10);
        keep(values.data());
      }
    });
    other.join();
  });
  EXPECT_GE(counts.allocations, 100U);
}

}  // namespace
}  // namespace gf::test
