// Masks of byte lanes are what Highway stores and loads as bits; it may touch 8 bytes for fewer, so the last ones are done alone.
#include "ops/cpu/simd/bits.h"

#include "ops/cpu/simd/isa_dispatch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/simd/bits.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#ifndef GF_SIMD_BITS_TABLE
#define GF_SIMD_BITS_TABLE
#include <cstring>

namespace gf::simd {
struct BitsTable {
  /// `bytes` whole bytes of bits.
  void (*pack)(const uint8_t* bools, int64_t bytes, uint8_t* bits);
  void (*unpack)(const uint8_t* bits, int64_t bytes, uint8_t* bools);
};
}  // namespace gf::simd
#endif

HWY_BEFORE_NAMESPACE();
namespace gf::simd::HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

void pack(const uint8_t* bools, int64_t bytes, uint8_t* bits) {
  int64_t j = 0;
#if HWY_TARGET != HWY_SCALAR
  const hn::ScalableTag<uint8_t> d;
  const auto step = static_cast<int64_t>(hn::Lanes(d) / 8);
  const auto zero = hn::Zero(d);
  // two bytes and more at once; the store may write 8, so the last ones go through a buffer
  for (; j + 8 <= bytes && j + step <= bytes; j += step) hn::StoreMaskBits(d, hn::Ne(hn::LoadU(d, bools + 8 * j), zero), bits + j);
  for (; j + step <= bytes; j += step) {
    uint8_t buffer[64] = {};
    hn::StoreMaskBits(d, hn::Ne(hn::LoadU(d, bools + 8 * j), zero), buffer);
    std::memcpy(bits + j, buffer, static_cast<size_t>(step));
  }
#endif
  for (; j < bytes; ++j) {
    unsigned byte = 0;
    for (int k = 0; k < 8; ++k) byte |= (bools[8 * j + k] != 0 ? 1U : 0U) << k;
    bits[j] = static_cast<uint8_t>(byte);
  }
}

void unpack(const uint8_t* bits, int64_t bytes, uint8_t* bools) {
  int64_t j = 0;
#if HWY_TARGET != HWY_SCALAR
  const hn::ScalableTag<uint8_t> d;
  const auto step = static_cast<int64_t>(hn::Lanes(d) / 8);
  const auto one = hn::Set(d, 1);
  for (; j + step <= bytes && j + 8 <= bytes; j += step) hn::StoreU(hn::IfThenElseZero(hn::LoadMaskBits(d, bits + j), one), d, bools + 8 * j);
#endif
  for (; j < bytes; ++j)
    for (int k = 0; k < 8; ++k) bools[8 * j + k] = (bits[j] >> k) & 1U;
}

constexpr BitsTable kBitsTable = {pack, unpack};

}  // namespace
}  // namespace gf::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gf::simd {
namespace {

constexpr int64_t kGrain = int64_t{1} << 15;  // bytes of bits: 256 kB of bools

const BitsTable& table(Isa isa) { return GF_SIMD_SELECT(isa, kBitsTable); }

}  // namespace

void pack_bits(Isa isa, const uint8_t* bools, int64_t count, uint8_t* bits, const ParallelFor& parallel) {
  const BitsTable& t = table(isa);
  const int64_t whole = count / 8;
  parallel.chunks(whole, kGrain, [&](int64_t begin, int64_t end, int) { t.pack(bools + 8 * begin, end - begin, bits + begin); });
  if (count == 8 * whole) return;
  unsigned byte = 0;
  for (int64_t k = 0; 8 * whole + k < count; ++k) byte |= (bools[8 * whole + k] != 0 ? 1U : 0U) << k;
  bits[whole] = static_cast<uint8_t>(byte);
}

void unpack_bits(Isa isa, const uint8_t* bits, int64_t count, uint8_t* bools, const ParallelFor& parallel) {
  const BitsTable& t = table(isa);
  const int64_t whole = count / 8;
  parallel.chunks(whole, kGrain, [&](int64_t begin, int64_t end, int) { t.unpack(bits + begin, end - begin, bools + 8 * begin); });
  for (int64_t k = 0; 8 * whole + k < count; ++k) bools[8 * whole + k] = (bits[whole] >> k) & 1U;
}

}  // namespace gf::simd
#endif  // HWY_ONCE
