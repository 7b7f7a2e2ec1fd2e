// Philox4x32-10 (Salmon et al. 2011): counter-based random bits, the same on every backend. Element block b of an op's
// output takes its 128 bits from counter (b, draw), key = seed, so any element can be drawn on its own by any thread.
#pragma once

#include <array>
#include <cstdint>

namespace gf {

using PhiloxBlock = std::array<uint32_t, 4>;

/// The 128 random bits at `counter` (low, high 64 bits) under `key`.
constexpr PhiloxBlock philox4x32(uint64_t counter_low, uint64_t counter_high, uint64_t key) {
  uint32_t c[4] = {static_cast<uint32_t>(counter_low), static_cast<uint32_t>(counter_low >> 32),
                   static_cast<uint32_t>(counter_high), static_cast<uint32_t>(counter_high >> 32)};
  uint32_t k0 = static_cast<uint32_t>(key), k1 = static_cast<uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = uint64_t{0xD2511F53} * c[0];
    const uint64_t p1 = uint64_t{0xCD9E8D57} * c[2];
    const uint32_t n0 = static_cast<uint32_t>(p1 >> 32) ^ c[1] ^ k0;
    const uint32_t n2 = static_cast<uint32_t>(p0 >> 32) ^ c[3] ^ k1;
    c[1] = static_cast<uint32_t>(p1);
    c[3] = static_cast<uint32_t>(p0);
    c[0] = n0;
    c[2] = n2;
    k0 += 0x9E3779B9U;
    k1 += 0xBB67AE85U;
  }
  return {c[0], c[1], c[2], c[3]};
}

/// Uniform in [0, 1): the upper 24 bits, exact in f32.
constexpr float uniform_f32(uint32_t bits) { return static_cast<float>(bits >> 8) * 0x1p-24f; }
/// Uniform in [0, 1): 53 bits.
constexpr double uniform_f64(uint32_t high, uint32_t low) {
  const uint64_t bits = (static_cast<uint64_t>(high) << 32 | low) >> 11;
  return static_cast<double>(bits) * 0x1p-53;
}

}  // namespace gf
