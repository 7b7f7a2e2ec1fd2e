// Products of bfloat16 on AVX-512: VDPBF16PS multiplies pairs of neighbours along k and adds both products to a float. Intrinsics,
// since Highway has neither the target nor the instruction in the version that Debian ships; every function carries its own target, so
// that the file needs no flags. Order of additions: k = 0, 1, 2, ... in pairs, except in tiles of few rows (as in gemm_kernels.cpp).
// The instruction takes denormals for zero and gives zero for results below the normal range.
#if defined(__x86_64__)
#include <immintrin.h>

#include <cstring>

#include "ops/cpu/simd/isa_dispatch.h"
#include "ops/cpu/simd/rounded.h"

#define GF_BF16 __attribute__((target("avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx512bf16")))
#define GF_BF16_INLINE GF_BF16 __attribute__((always_inline)) inline

namespace gf::simd {
namespace {

constexpr int kLanes = 16, kRows = 14, kBlockK = 384, kStrideA = kBlockK + 16, kChunk = 640 * 1024 / 4, kPlainRows = 4;
constexpr int kValues = 2;

using V = __m512;
using Pairs = __m512bh;
typedef int Ints __attribute__((vector_size(64)));
typedef long long Longs __attribute__((vector_size(64)));
typedef short Shorts __attribute__((vector_size(64)));

constexpr int64_t pairs_of(int64_t k) { return (k + kValues - 1) / kValues; }

GF_BF16_INLINE __mmask16 mask_of(int64_t lanes) { return static_cast<__mmask16>(lanes >= kLanes ? 0xFFFFU : lanes <= 0 ? 0U : (1U << lanes) - 1U); }
GF_BF16_INLINE Ints pairs_at(const float* p) { return (Ints)_mm512_loadu_si512(p); }

// --- tiles of the matrix product

// Registers: 14 x 2 sums, 2 of B, 1 broadcast of A.
template <int MR, int NV>
GF_BF16_INLINE void step(const float* a, const float* b, V (&acc)[MR][NV]) {
  Pairs bv[NV];
  GF_UNROLL(2)
  for (int j = 0; j < NV; ++j) bv[j] = (Pairs)pairs_at(b + j * kLanes);
  GF_UNROLL(16)
  for (int i = 0; i < MR; ++i) {
    const Pairs x = (Pairs)_mm512_set1_ps(a[i * kStrideA]);
    GF_UNROLL(2)
    for (int j = 0; j < NV; ++j) acc[i][j] = _mm512_dpbf16_ps(acc[i][j], x, bv[j]);
  }
}

/// What comes after the sums, on a tile in memory of `columns` columns.
GF_BF16 __attribute__((noinline)) void finish(const TileArgs& t, const float* sums, int rows, int columns) {
  const V alpha = _mm512_set1_ps(t.alpha), scale = _mm512_set1_ps(t.residual_scale), lo = _mm512_set1_ps(t.lo), hi = _mm512_set1_ps(t.hi);
  for (int i = 0; i < rows; ++i) {
    float* c = t.c + i * t.ldc;
    for (int j = 0; j < columns; j += kLanes) {
      V v = _mm512_mul_ps(_mm512_loadu_ps(sums + i * columns + j), alpha);
      if (t.bias != nullptr) v = _mm512_add_ps(v, _mm512_loadu_ps(t.bias + j));
      if (t.residual != nullptr) v = _mm512_fmadd_ps(_mm512_loadu_ps(t.residual + i * t.residual_stride + j), scale, v);
      if (t.accumulate) v = _mm512_add_ps(v, _mm512_loadu_ps(c + j));
      // masked forms, for g++ 12 warns of the plain ones; MAXPS and MINPS give their second operand when either is NaN, so NaN stays NaN
      if (t.clamp) v = _mm512_maskz_min_ps(0xFFFF, hi, _mm512_maskz_max_ps(0xFFFF, lo, v));
      _mm512_storeu_ps(c + j, v);
    }
  }
}

template <int MR>
constexpr int kSplits = 2 * MR >= 8 ? 1 : 2 * MR >= 4 ? 2 : 4;

template <int MR, int NV>
GF_BF16 void tile(const TileArgs& t) {
  constexpr int kParts = kSplits<MR>;
  const float *a = t.a, *b = t.b, *ahead = t.ahead;
  const int64_t kc = t.kc, ahead_step = t.ahead_step;
  V acc[MR][NV];
  GF_UNROLL(16)
  for (int i = 0; i < MR; ++i)
    GF_UNROLL(2)
    for (int j = 0; j < NV; ++j) acc[i][j] = _mm512_setzero_ps();
  int64_t k = 0;
  if constexpr (kParts > 1) {
    V part[kParts][MR][NV];
    GF_UNROLL(4)
    for (int s = 0; s < kParts; ++s)
      GF_UNROLL(4)
      for (int i = 0; i < MR; ++i)
        GF_UNROLL(2)
        for (int j = 0; j < NV; ++j) part[s][i][j] = _mm512_setzero_ps();
    for (; k + kParts <= kc; k += kParts, b += kParts * NV * kLanes)
      GF_UNROLL(4)
      for (int s = 0; s < kParts; ++s) step<MR, NV>(a + k + s, b + s * NV * kLanes, part[s]);
    GF_UNROLL(4)
    for (int s = 0; s < kParts; ++s)
      GF_UNROLL(4)
      for (int i = 0; i < MR; ++i)
        GF_UNROLL(2)
        for (int j = 0; j < NV; ++j) acc[i][j] = _mm512_add_ps(acc[i][j], part[s][i][j]);
  }
  for (; k < kc; ++k, b += NV * kLanes) {
    if constexpr (MR > 4) {
      __builtin_prefetch(ahead, 0, 2);
      ahead += ahead_step;
    }
    step<MR, NV>(a + k, b, acc);
  }
  if (t.alpha != 1.0F || t.bias != nullptr || t.residual != nullptr || t.accumulate || t.clamp) {
    alignas(64) float sums[MR * NV * kLanes];
    GF_UNROLL(16)
    for (int i = 0; i < MR; ++i)
      GF_UNROLL(2)
      for (int j = 0; j < NV; ++j) _mm512_storeu_ps(sums + (i * NV + j) * kLanes, acc[i][j]);
    return finish(t, sums, MR, NV * kLanes);
  }
  float* c = t.c;
  GF_UNROLL(16)
  for (int i = 0; i < MR; ++i, c += t.ldc)
    GF_UNROLL(2)
    for (int j = 0; j < NV; ++j) _mm512_storeu_ps(c + j * kLanes, acc[i][j]);
}

// --- rounding copies

/// Pairs (lo, hi) of neighbours along k; of two lines: one value of each.
GF_BF16_INLINE Ints pairs_of_line(V first, V second) { return (Ints)_mm512_cvtne2ps_pbh(second, first); }
GF_BF16_INLINE Ints pairs_of_two(V lo, V hi) {
  const Shorts v = (Shorts)_mm512_cvtne2ps_pbh(hi, lo);
  return (Ints)__builtin_shufflevector(v, v, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29,
                                       14, 30, 15, 31);
}
/// 32 values of a line from `first` of `k` on, zeros behind the end.
GF_BF16_INLINE Ints load_line(const float* src, int64_t first, int64_t k) {
  if (first + 32 <= k) return pairs_of_line(_mm512_loadu_ps(src + first), _mm512_loadu_ps(src + first + 16));
  return pairs_of_line(_mm512_maskz_loadu_ps(mask_of(k - first), src + first), _mm512_maskz_loadu_ps(mask_of(k - first - 16), src + first + 16));
}
GF_BF16_INLINE void store_lanes(float* to, Ints v, __mmask16 mask) { _mm512_mask_storeu_ps(to, mask, (V)v); }

/// 16 x 16: lane j of v[i] and lane i of v[j] change places.
GF_BF16_INLINE void transpose16(Ints (&v)[16]) {
  Longs t[16];
  GF_UNROLL(8)
  for (int i = 0; i < 16; i += 2) {
    t[i] = (Longs)__builtin_shufflevector(v[i], v[i + 1], 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29);
    t[i + 1] = (Longs)__builtin_shufflevector(v[i], v[i + 1], 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31);
  }
  Longs u[16];  // lane group L of u[4 g + c]: column 4 L + c of rows 4 g .. 4 g + 3
  GF_UNROLL(4)
  for (int g = 0; g < 16; g += 4) {
    u[g] = __builtin_shufflevector(t[g], t[g + 2], 0, 8, 2, 10, 4, 12, 6, 14);
    u[g + 1] = __builtin_shufflevector(t[g], t[g + 2], 1, 9, 3, 11, 5, 13, 7, 15);
    u[g + 2] = __builtin_shufflevector(t[g + 1], t[g + 3], 0, 8, 2, 10, 4, 12, 6, 14);
    u[g + 3] = __builtin_shufflevector(t[g + 1], t[g + 3], 1, 9, 3, 11, 5, 13, 7, 15);
  }
  GF_UNROLL(4)
  for (int c = 0; c < 4; ++c) {
    const Longs m0 = __builtin_shufflevector(u[c], u[4 + c], 0, 1, 4, 5, 8, 9, 12, 13), m1 = __builtin_shufflevector(u[8 + c], u[12 + c], 0, 1, 4, 5, 8, 9, 12, 13);
    const Longs m2 = __builtin_shufflevector(u[c], u[4 + c], 2, 3, 6, 7, 10, 11, 14, 15), m3 = __builtin_shufflevector(u[8 + c], u[12 + c], 2, 3, 6, 7, 10, 11, 14, 15);
    v[c] = (Ints)__builtin_shufflevector(m0, m1, 0, 1, 4, 5, 8, 9, 12, 13);
    v[8 + c] = (Ints)__builtin_shufflevector(m0, m1, 2, 3, 6, 7, 10, 11, 14, 15);
    v[4 + c] = (Ints)__builtin_shufflevector(m2, m3, 0, 1, 4, 5, 8, 9, 12, 13);
    v[12 + c] = (Ints)__builtin_shufflevector(m2, m3, 2, 3, 6, 7, 10, 11, 14, 15);
  }
}

GF_BF16 void rows(const float* src, int64_t ld_src, int64_t lines, int64_t k, float* dst, int64_t ld_dst) {
  for (int64_t i = 0; i < lines; ++i, src += ld_src, dst += ld_dst)
    for (int64_t first = 0; first < k; first += 32) store_lanes(dst + first / 2, load_line(src, first, k), mask_of(pairs_of(k - first)));
}

/// Value k of all lines at src + k * ld_src; nothing behind the end.
struct Strided {
  const float* src;
  int64_t ld_src;
  const float* operator[](int64_t k) const { return src + k * ld_src; }
};
/// Pairs p of 16 lines from `line` on.
template <class Source>
GF_BF16_INLINE Ints load_pair(const Source& src, int64_t line, __mmask16 mask, int64_t p, int64_t k) {
  const float *lo = src[2 * p], *hi = 2 * p + 1 < k ? src[2 * p + 1] : nullptr;
  return pairs_of_two(lo == nullptr ? _mm512_setzero_ps() : _mm512_maskz_loadu_ps(mask, lo + line), hi == nullptr ? _mm512_setzero_ps() : _mm512_maskz_loadu_ps(mask, hi + line));
}

GF_BF16 void columns(const float* src, int64_t ld_src, int64_t lines, int64_t k, float* dst, int64_t ld_dst) {
  const Strided all{src, ld_src};
  const int64_t pairs = pairs_of(k);
  Ints v[16];
  for (int64_t line = 0; line < lines; line += kLanes) {
    const __mmask16 mask = mask_of(lines - line);
    const int64_t count = lines - line < kLanes ? lines - line : kLanes;
    for (int64_t first = 0; first < pairs; first += 16) {
      const int64_t rest = pairs - first < 16 ? pairs - first : 16;
      if (2 * (first + 16) <= k) {
        GF_UNROLL(16)
        for (int p = 0; p < 16; ++p)
          v[p] = pairs_of_two(_mm512_maskz_loadu_ps(mask, all[2 * (first + p)] + line), _mm512_maskz_loadu_ps(mask, all[2 * (first + p) + 1] + line));
      } else {
        for (int p = 0; p < 16; ++p) v[p] = p < rest ? load_pair(all, line, mask, first + p, k) : Ints{};
      }
      transpose16(v);
      for (int64_t i = 0; i < count; ++i) store_lanes(dst + (line + i) * ld_dst + first, v[i], mask_of(rest));
    }
  }
}

GF_BF16 void interleave_rows(const float* src, int64_t ld_src, int64_t lines, int64_t k, float* dst, int64_t ld_dst) {
  const int64_t pairs = pairs_of(k);
  Ints v[16];
  for (int64_t line = 0; line < lines; line += kLanes) {
    const int64_t count = lines - line < kLanes ? lines - line : kLanes;
    const __mmask16 mask = mask_of(count);
    for (int64_t first = 0; first < pairs; first += 16) {
      if (count == kLanes && 2 * (first + 16) <= k) {
        GF_UNROLL(16)
        for (int i = 0; i < 16; ++i) v[i] = pairs_of_line(_mm512_loadu_ps(src + (line + i) * ld_src + 2 * first), _mm512_loadu_ps(src + (line + i) * ld_src + 2 * first + 16));
      } else {
        for (int i = 0; i < 16; ++i) v[i] = i < count ? load_line(src + (line + i) * ld_src, 2 * first, k) : Ints{};
      }
      transpose16(v);
      const int64_t rest = pairs - first < 16 ? pairs - first : 16;
      for (int64_t p = 0; p < rest; ++p) store_lanes(dst + (first + p) * ld_dst + line, v[p], mask);
    }
  }
}

template <class Source>
GF_BF16_INLINE void interleave(const Source& src, int64_t lines, int64_t k, float* dst, int64_t ld_dst) {
  const int64_t pairs = pairs_of(k);
  for (int64_t p = 0; p < pairs; ++p, dst += ld_dst) {
    int64_t line = 0;
    const float *lo = src[2 * p], *hi = 2 * p + 1 < k ? src[2 * p + 1] : nullptr;
    if (lo != nullptr && hi != nullptr)
      for (; line + kLanes <= lines; line += kLanes) _mm512_storeu_ps(dst + line, (V)pairs_of_two(_mm512_loadu_ps(lo + line), _mm512_loadu_ps(hi + line)));
    for (; line < lines; line += kLanes) store_lanes(dst + line, load_pair(src, line, mask_of(lines - line), p, k), mask_of(lines - line));
  }
}
GF_BF16 void interleave_columns(const float* src, int64_t ld_src, int64_t lines, int64_t k, float* dst, int64_t ld_dst) {
  interleave(Strided{src, ld_src}, lines, k, dst, ld_dst);
}
GF_BF16 void interleave_runs(const float* const* src, int64_t lines, int64_t k, float* dst, int64_t ld_dst) { interleave(src, lines, k, dst, ld_dst); }

// --- tiles of the gradient of a convolution's weights: as conv_grad.cpp has them, over pairs of pixels

template <int ROWS, int NV>
GF_BF16 void grad_tile(const GradTile& t) {
  const int64_t x_step = t.x_step, g_step = t.g_step;
  V acc[ROWS][NV];
  GF_UNROLL(12)
  for (int i = 0; i < ROWS; ++i)
    GF_UNROLL(2)
    for (int j = 0; j < NV; ++j) acc[i][j] = _mm512_setzero_ps();
  for (int64_t r = 0; r < t.rows; ++r) {
    const float *x = t.x[r] + t.x_offset, *g = t.g[r] + t.g_offset;
    for (int64_t p = 0; p < t.pixels; ++p, x += x_step, g += g_step) {
      Pairs gradient[NV];
      GF_UNROLL(2)
      for (int j = 0; j < NV; ++j) gradient[j] = (Pairs)pairs_at(g + j * kLanes);
      GF_UNROLL(12)
      for (int i = 0; i < ROWS; ++i) {
        const Pairs factor = (Pairs)_mm512_set1_ps(x[i]);
        GF_UNROLL(2)
        for (int j = 0; j < NV; ++j) acc[i][j] = _mm512_dpbf16_ps(acc[i][j], factor, gradient[j]);
      }
    }
  }
  GF_UNROLL(12)
  for (int i = 0; i < ROWS; ++i)
    GF_UNROLL(2)
    for (int j = 0; j < NV; ++j) {
      float* out = t.out + i * t.out_stride + j * kLanes;
      _mm512_storeu_ps(out, _mm512_add_ps(_mm512_loadu_ps(out), acc[i][j]));
    }
}

#define GF_TILES(NV)                                                                                        \
  {                                                                                                         \
    tile<1, NV>, tile<2, NV>, tile<3, NV>, tile<4, NV>, tile<5, NV>, tile<6, NV>, tile<7, NV>, tile<8, NV>, \
        tile<9, NV>, tile<10, NV>, tile<11, NV>, tile<12, NV>, tile<13, NV>, tile<14, NV>                   \
  }
constexpr TileKernel kFull[kRows] = GF_TILES(2);
constexpr TileKernel kNarrow[kRows] = GF_TILES(1);
#undef GF_TILES

void copy_rows(const float* src, int64_t ld_src, int64_t count, int64_t cols, float* dst, int64_t ld_dst) {
  for (int64_t i = 0; i < count; ++i) std::memcpy(dst + i * ld_dst, src + i * ld_src, static_cast<size_t>(cols) * sizeof(float));
}

constexpr GemmKernels kKernels = {.mr = kRows,
                                  .nr = 2 * kLanes,
                                  .lanes = kLanes,
                                  .kc_max = kBlockK,
                                  .plain_rows = kPlainRows,
                                  .a_stride = kStrideA,
                                  .chunk_floats = kChunk,
                                  .prefetches = true,
                                  .full = kFull,
                                  .narrow = kNarrow,
                                  .copy_rows = copy_rows,
                                  .transpose = nullptr};
constexpr ConvGradTable kGradients = {kLanes,
                                      12,
                                      2,
                                      {{nullptr, nullptr},
                                       {grad_tile<1, 1>, grad_tile<1, 2>},
                                       {grad_tile<2, 1>, grad_tile<2, 2>},
                                       {nullptr, nullptr},
                                       {nullptr, nullptr},
                                       {grad_tile<5, 1>, grad_tile<5, 2>},
                                       {nullptr, nullptr},
                                       {nullptr, nullptr},
                                       {grad_tile<8, 1>, grad_tile<8, 2>},
                                       {nullptr, nullptr},
                                       {nullptr, nullptr},
                                       {nullptr, nullptr},
                                       {grad_tile<12, 1>, grad_tile<12, 2>}},
                                      nullptr};

}  // namespace

const RoundedOps kRoundedAvx512Bf16 = {kValues, &kKernels, &kGradients, rows, columns, interleave_rows, interleave_columns, interleave_runs};

}  // namespace gf::simd
#endif
