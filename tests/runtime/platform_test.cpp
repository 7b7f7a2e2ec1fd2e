// Clock, pages, memory in use and core counts.
// needs: GF_TEST_SYSTEM
#include <gtest/gtest.h>
#include <sched.h>

#include <cstring>
#include <thread>

#include "runtime/platform/clock.h"
#include "runtime/platform/core_count.h"
#include "runtime/platform/memory.h"

namespace gf {
namespace {

TEST(Clock, MovesForwardInNanoseconds) {
  const int64_t start = monotonic_ns();
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  const int64_t elapsed = monotonic_ns() - start;
  EXPECT_GE(elapsed, 5'000'000);
  EXPECT_LT(elapsed, 60'000'000'000);
}

TEST(Memory, PagesAreZeroedAlignedAndWritable) {
  auto pages = allocate_pages(10'000);
  ASSERT_TRUE(pages.ok());
  EXPECT_EQ(pages->size() % page_size(), 0U);
  EXPECT_GE(pages->size(), 10'000U);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(pages->data()) % page_size(), 0U);
  for (const std::byte b : *pages) ASSERT_EQ(b, std::byte{0});
  std::memset(pages->data(), 0xff, pages->size());
  release_pages(*pages);
  auto none = allocate_pages(0);
  ASSERT_TRUE(none.ok());
  EXPECT_TRUE(none->empty());
  release_pages(*none);
}

TEST(Memory, ImpossibleSizesAreTypedErrors) {
  ErrorDetail detail;
  EXPECT_EQ(allocate_pages(UINT64_MAX, &detail).error(), Error::OutOfMemory);
  EXPECT_EQ(allocate_pages(UINT64_MAX - page_size(), &detail).error(), Error::OutOfMemory);
  EXPECT_EQ(allocate_pages(uint64_t{1} << 62, &detail).error(), Error::OutOfMemory);
  EXPECT_NE(detail.text[0], '\0');
}

TEST(Memory, ResidentBytesFollowUse) {
  if (current_rss_bytes() == 0) GTEST_SKIP() << "this system does not tell the memory in use";
  constexpr uint64_t kBytes = uint64_t{64} << 20;
  const uint64_t before = current_rss_bytes();
  auto pages = allocate_pages(kBytes);
  ASSERT_TRUE(pages.ok());
  std::memset(pages->data(), 1, pages->size());
  EXPECT_GE(current_rss_bytes(), before + kBytes * 9 / 10);
  EXPECT_GE(peak_rss_bytes(), before + kBytes * 9 / 10);
  release_pages(*pages);
  EXPECT_LT(current_rss_bytes(), before + kBytes / 2);
  EXPECT_GE(peak_rss_bytes(), before + kBytes * 9 / 10);
}

TEST(CoreCount, FollowsTheAffinityMask) {
  const int physical = physical_core_count();
  const int logical = logical_core_count();
  EXPECT_GE(physical, 1);
  EXPECT_LE(physical, logical);
  cpu_set_t old;
  ASSERT_EQ(sched_getaffinity(0, sizeof old, &old), 0);
  cpu_set_t one;
  CPU_ZERO(&one);
  for (size_t cpu = 0; cpu < CPU_SETSIZE; ++cpu)
    if (CPU_ISSET(cpu, &old)) {
      CPU_SET(cpu, &one);
      break;
    }
  if (sched_setaffinity(0, sizeof one, &one) != 0) GTEST_SKIP() << "the affinity mask cannot be changed here";
  EXPECT_EQ(logical_core_count(), 1);
  EXPECT_EQ(physical_core_count(), 1);
  ASSERT_EQ(sched_setaffinity(0, sizeof old, &old), 0);
  EXPECT_EQ(physical_core_count(), physical);
}

}  // namespace
}  // namespace gf
