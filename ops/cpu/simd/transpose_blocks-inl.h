// Blocks of a matrix of 32-bit elements, transposed in registers. Strides count elements; source and destination do not overlap.
#if defined(GF_SIMD_TRANSPOSE_BLOCKS_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef GF_SIMD_TRANSPOSE_BLOCKS_INL
#undef GF_SIMD_TRANSPOSE_BLOCKS_INL
#else
#define GF_SIMD_TRANSPOSE_BLOCKS_INL
#endif

#include <cstdint>

#include "hwy/highway.h"

#if HWY_TARGET != HWY_SCALAR
HWY_BEFORE_NAMESPACE();
namespace gf::simd::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

/// 4 x 4 in 128-bit blocks: every target has these, and with one load and store per four elements the copy is bound by memory
/// beyond the first-level cache.
template <class T>
[[maybe_unused]] HWY_INLINE void transpose4x4(const T* src, int64_t ld_src, T* dst, int64_t ld_dst) {
  const hn::FixedTag<T, 4> d4;
  const hn::RepartitionToWide<decltype(d4)> d2;
  const auto r0 = hn::LoadU(d4, src), r1 = hn::LoadU(d4, src + ld_src);
  const auto r2 = hn::LoadU(d4, src + 2 * ld_src), r3 = hn::LoadU(d4, src + 3 * ld_src);
  const auto lo01 = hn::BitCast(d2, hn::InterleaveLower(d4, r0, r1)), hi01 = hn::BitCast(d2, hn::InterleaveUpper(d4, r0, r1));
  const auto lo23 = hn::BitCast(d2, hn::InterleaveLower(d4, r2, r3)), hi23 = hn::BitCast(d2, hn::InterleaveUpper(d4, r2, r3));
  hn::StoreU(hn::BitCast(d4, hn::InterleaveLower(d2, lo01, lo23)), d4, dst);
  hn::StoreU(hn::BitCast(d4, hn::InterleaveUpper(d2, lo01, lo23)), d4, dst + ld_dst);
  hn::StoreU(hn::BitCast(d4, hn::InterleaveLower(d2, hi01, hi23)), d4, dst + 2 * ld_dst);
  hn::StoreU(hn::BitCast(d4, hn::InterleaveUpper(d2, hi01, hi23)), d4, dst + 3 * ld_dst);
}

#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL
/// 8 x 8 in 256-bit registers.
template <class T>
[[maybe_unused]] HWY_INLINE void transpose8x8(const T* src, int64_t ld_src, T* dst, int64_t ld_dst) {
  const hn::FixedTag<T, 8> d8;
  const hn::RepartitionToWide<decltype(d8)> d4;
  using Q = hn::Vec<decltype(d4)>;
  Q quads[8];
  HWY_UNROLL(2)
  for (int h = 0; h < 2; ++h) {
    const T* p = src + h * 4 * ld_src;
    const auto r0 = hn::LoadU(d8, p), r1 = hn::LoadU(d8, p + ld_src);
    const auto r2 = hn::LoadU(d8, p + 2 * ld_src), r3 = hn::LoadU(d8, p + 3 * ld_src);
    const Q lo01 = hn::BitCast(d4, hn::InterleaveLower(d8, r0, r1)), hi01 = hn::BitCast(d4, hn::InterleaveUpper(d8, r0, r1));
    const Q lo23 = hn::BitCast(d4, hn::InterleaveLower(d8, r2, r3)), hi23 = hn::BitCast(d4, hn::InterleaveUpper(d8, r2, r3));
    quads[h * 4 + 0] = hn::InterleaveLower(d4, lo01, lo23);  // columns 0 and 4
    quads[h * 4 + 1] = hn::InterleaveUpper(d4, lo01, lo23);  // 1 and 5
    quads[h * 4 + 2] = hn::InterleaveLower(d4, hi01, hi23);
    quads[h * 4 + 3] = hn::InterleaveUpper(d4, hi01, hi23);
  }
  HWY_UNROLL(4)
  for (int k = 0; k < 4; ++k) {
    hn::StoreU(hn::BitCast(d8, hn::ConcatLowerLower(d4, quads[4 + k], quads[k])), d8, dst + k * ld_dst);
    hn::StoreU(hn::BitCast(d8, hn::ConcatUpperUpper(d4, quads[4 + k], quads[k])), d8, dst + (k + 4) * ld_dst);
  }
}
#endif

}  // namespace
}  // namespace gf::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif

#endif
