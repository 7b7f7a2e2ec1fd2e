// needs: EMSCRIPTEN
// memcpy, memmove and memset of ops/wasm against loops over bytes: every length up to a few blocks, every overlap.
#include <gtest/gtest.h>

#include <cstring>
#include <vector>

namespace {

using Bytes = std::vector<unsigned char>;

Bytes pattern(size_t n) {
  Bytes b(n);
  for (size_t i = 0; i < n; ++i) b[i] = static_cast<unsigned char>(i * 7 + i / 256);
  return b;
}

// Called through pointers, so that the compiler puts nothing of its own in their place.
void* (*volatile g_move)(void*, const void*, size_t) = std::memmove;
void* (*volatile g_copy)(void*, const void*, size_t) = std::memcpy;
void* (*volatile g_set)(void*, int, size_t) = std::memset;

TEST(WasmMemory, MovesWhateverOverlaps) {
  for (size_t n = 0; n <= 200; ++n)
    for (size_t from : {size_t{0}, size_t{1}, size_t{70}, size_t{300}})
      for (size_t to : {size_t{0}, size_t{1}, size_t{3}, size_t{16}, size_t{64}, size_t{71}, size_t{90}, size_t{301}}) {
        const Bytes before = pattern(600);
        Bytes want = before, got = before;
        for (size_t i = 0; i < n; ++i) want[to + i] = before[from + i];
        EXPECT_EQ(g_move(got.data() + to, got.data() + from, n), got.data() + to);
        ASSERT_EQ(got, want) << n << " bytes from " << from << " to " << to;
      }
}

TEST(WasmMemory, CopiesAndSetsNoByteMore) {
  for (size_t n = 0; n <= 300; ++n)
    for (size_t at = 0; at < 5; ++at) {
      const Bytes source = pattern(400);
      Bytes copied(400, 9), set(400, 9), want_copy(400, 9), want_set(400, 9);
      for (size_t i = 0; i < n; ++i) {
        want_copy[at + i] = source[at + 2 + i];
        want_set[at + i] = 0xAB;
      }
      EXPECT_EQ(g_copy(copied.data() + at, source.data() + at + 2, n), copied.data() + at);
      EXPECT_EQ(g_set(set.data() + at, 0x1AB, n), set.data() + at);
      ASSERT_EQ(copied, want_copy) << n;
      ASSERT_EQ(set, want_set) << n;
    }
}

}  // namespace
