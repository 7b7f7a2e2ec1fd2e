#include "runtime/core/crc32c.h"

#include <array>
#include <atomic>
#include <cstring>

namespace gf {
namespace {

// table[b]: the CRC of the four bits b. Two look-ups per byte: most machines have an instruction for this sum, and to those
// without one 64 bytes matter more than speed (about 200 MB/s).
constexpr std::array<uint32_t, 16> make_table() {
  std::array<uint32_t, 16> t{};
  for (uint32_t b = 0; b < t.size(); ++b) {
    uint32_t c = b;
    for (int k = 0; k < 4; ++k) c = (c >> 1) ^ ((c & 1U) != 0 ? 0x82F63B78U : 0U);
    t[b] = c;
  }
  return t;
}
constexpr auto kTable = make_table();

#if defined(__x86_64__) && defined(__GNUC__)
#define GF_CRC32C_HARDWARE 1
__attribute__((target("sse4.2"))) uint32_t crc32c_sse42(const unsigned char* p, size_t size, uint32_t crc) {
  uint64_t c = crc;
  for (; size >= 8; size -= 8, p += 8) {
    uint64_t word = 0;
    std::memcpy(&word, p, 8);
    c = __builtin_ia32_crc32di(c, word);
  }
  auto c32 = static_cast<uint32_t>(c);
  for (; size > 0; --size, ++p) c32 = __builtin_ia32_crc32qi(c32, *p);
  return c32;
}

// Asked by hand because __builtin_cpu_supports links 5 kB of detection; remembered because the question traps in virtual
// machines. Two threads may both ask: the answer is the same.
bool has_sse42() {
  static constinit std::atomic<int8_t> known{-1};
  int8_t answer = known.load(std::memory_order_relaxed);
  if (answer < 0) {
    uint32_t a = 1;
    uint32_t b = 0;
    uint32_t c = 0;
    uint32_t d = 0;
    asm volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    answer = static_cast<int8_t>((c >> 20) & 1U);
    known.store(answer, std::memory_order_relaxed);
  }
  return answer != 0;
}
#endif

}  // namespace

uint32_t crc32c_portable(const void* data, size_t size, uint32_t crc) {
  const auto* p = static_cast<const unsigned char*>(data);
  uint32_t c = ~crc;
  for (; size > 0; --size, ++p) {
    c ^= *p;
    c = (c >> 4) ^ kTable[c & 15U];
    c = (c >> 4) ^ kTable[c & 15U];
  }
  return ~c;
}

uint32_t crc32c(const void* data, size_t size, uint32_t crc) {
#if defined(GF_CRC32C_HARDWARE)
  if (has_sse42()) return ~crc32c_sse42(static_cast<const unsigned char*>(data), size, ~crc);
#endif
  return crc32c_portable(data, size, crc);
}

}  // namespace gf
