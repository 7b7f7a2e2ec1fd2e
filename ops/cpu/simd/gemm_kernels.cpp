// Tile kernels of the f32 matrix product, one set per target. C stays in registers for a whole block of k; A comes from
// rows at a constant stride (one base register, displacements for the rows), B from packed panels.
// The order of additions into one element is k = 0, 1, 2, ... inside a block, whatever the tile's size, except in
// tiles too small to hide the latency of the multiply-add (see Splits). Same shape, same order.
#include "ops/cpu/simd/gemm_kernels.h"

#include <cstring>

#include "ops/cpu/simd/isa_dispatch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/simd/gemm_kernels.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "ops/cpu/simd/transpose_blocks-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gf::simd::HWY_NAMESPACE {
namespace {

// --- vectors: Highway's, or for the scalar target four floats that the compiler maps to what the baseline has ---
#if HWY_TARGET == HWY_SCALAR
constexpr int kLanes = 4;
typedef float V __attribute__((vector_size(16)));
HWY_INLINE V load(const float* p) {
  V v;
  std::memcpy(&v, p, sizeof(v));
  return v;
}
HWY_INLINE V load_aligned(const float* p) { return load(p); }
HWY_INLINE void store(V v, float* p) { std::memcpy(p, &v, sizeof(v)); }
HWY_INLINE V set(float x) { return V{x, x, x, x}; }
HWY_INLINE V fma(V a, V b, V c) { return a * b + c; }
HWY_INLINE V add(V a, V b) { return a + b; }
HWY_INLINE V mul(V a, V b) { return a * b; }
HWY_INLINE V at_least(V lo, V x) { return x < lo ? lo : x; }
HWY_INLINE V at_most(V hi, V x) { return x > hi ? hi : x; }
HWY_INLINE void transpose4x4(const float* src, int64_t ld_src, float* dst, int64_t ld_dst) {
  for (int i = 0; i < 4; ++i)
    for (int j = 0; j < 4; ++j) dst[i * ld_dst + j] = src[j * ld_src + i];
}
#else
namespace hn = hwy::HWY_NAMESPACE;
using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;
constexpr int kLanes = static_cast<int>(hn::MaxLanes(D()));
HWY_INLINE V load(const float* p) { return hn::LoadU(D(), p); }
HWY_INLINE V load_aligned(const float* p) { return hn::Load(D(), p); }
HWY_INLINE void store(V v, float* p) { hn::StoreU(v, D(), p); }
HWY_INLINE V set(float x) { return hn::Set(D(), x); }
HWY_INLINE V fma(V a, V b, V c) { return hn::MulAdd(a, b, c); }
HWY_INLINE V add(V a, V b) { return hn::Add(a, b); }
HWY_INLINE V mul(V a, V b) { return hn::Mul(a, b); }
#if HWY_ARCH_X86
// MAXPS and MINPS give their second operand when either is NaN, so NaN in x stays NaN.
HWY_INLINE V at_least(V lo, V x) { return hn::Max(lo, x); }
HWY_INLINE V at_most(V hi, V x) { return hn::Min(hi, x); }
#elif HWY_TARGET == HWY_WASM
// pmax(a, b) is a < b ? b : a, one instruction of x86; NaN in x stays.
HWY_INLINE V at_least(V lo, V x) { return V{wasm_f32x4_pmax(x.raw, lo.raw)}; }
HWY_INLINE V at_most(V hi, V x) { return V{wasm_f32x4_pmin(x.raw, hi.raw)}; }
#else
HWY_INLINE V at_least(V lo, V x) { return hn::IfThenElse(hn::Lt(x, lo), lo, x); }
HWY_INLINE V at_most(V hi, V x) { return hn::IfThenElse(hn::Gt(x, hi), hi, x); }
#endif
#endif

// --- tile shapes ---
// AVX-512: 14 x 2 accumulators + 2 of B + 1 broadcast of 32 registers: 16 loads for 28 multiply-adds.
// AVX2: 6 x 2 + 2 + 1..2 of 16. NEON: 8 x 2 + 8 vectors of A (4 k each) + 2 of 32. Baseline and wasm: 4 x 2 of 16.
// WebAssembly in V8 on x86: 5 x 2, 6 x 2 and two k a round keep sums in memory and reach half the speed of 4 x 2 and one k;
// loads that spread one element cost nothing, where a shuffle takes a slot from the arithmetic (59 GFLOP/s and 42). A call costs as
// much as 20 k, so that blocks of k are long.
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL
constexpr int kRows = 14, kBlockK = 384, kChunk = 640 * 1024 / 4;
#elif HWY_TARGET == HWY_AVX2
constexpr int kRows = 6, kBlockK = 384, kChunk = 192 * 1024 / 4;
#elif HWY_TARGET == HWY_NEON
constexpr int kRows = 8, kBlockK = 384, kChunk = 192 * 1024 / 4;
#elif HWY_TARGET == HWY_WASM
constexpr int kRows = 4, kBlockK = 576, kChunk = 192 * 1024 / 4;
#else
constexpr int kRows = 4, kBlockK = 256, kChunk = 128 * 1024 / 4;
#endif
// 16 more than the block: rows of A then start in different cache sets.
constexpr int kStrideA = kBlockK + 16;
static_assert(kRows <= kMaxTileRows && 2 * kLanes <= kMaxTileCols);

// Independent partial sums per element, so that at least 8 multiply-adds are in flight (latency 4, two per cycle) in
// tiles of two vectors. Narrow tiles use as many: they hold the last columns of a row whose others lie in wide tiles,
// and equal columns must give equal sums (a softmax behind large sums shows a difference in the last bit). So must equal
// rows: the driver gives no tile of a larger product to a kernel below kPlainRows.
template <int MR>
[[maybe_unused]] constexpr int kSplits = 2 * MR >= 8 ? 1 : 2 * MR >= 4 ? 2 : 4;
#if HWY_TARGET == HWY_NEON || HWY_TARGET == HWY_WASM
constexpr int kPlainRows = 1;  // no tile splits
#else
constexpr int kPlainRows = 4;
static_assert(kSplits<kPlainRows> == 1 && kSplits<kPlainRows - 1> > 1 && kPlainRows <= kRows);
#endif

// Rows of B (and of 64-byte lines) ahead of use. Small tiles are bound by memory, so they look further ahead.
template <int MR>
[[maybe_unused]] constexpr int kAhead = MR <= 4 ? 24 : 8;

template <int NV>
[[maybe_unused]] HWY_INLINE void prefetch_row(const float* b) {
#ifdef __GNUC__
  GF_UNROLL(4)
  for (int i = 0; i < NV * kLanes; i += 16) __builtin_prefetch(b + i, 0, 3);
#endif
}

#if HWY_TARGET == HWY_NEON
// Four k at a time: one vector load brings four values of a row of A, multiply-add by lane spreads them.
template <int KK, int MR, int NV>
HWY_INLINE void step_lane(const V (&av)[MR], const float* b, V (&acc)[MR][NV]) {
  V bv[NV];
  GF_UNROLL(4)
  for (int j = 0; j < NV; ++j) bv[j] = load_aligned(b + (KK * NV + j) * kLanes);
  GF_UNROLL(16)
  for (int i = 0; i < MR; ++i) {
    const V x = hn::Broadcast<KK>(av[i]);
    GF_UNROLL(4)
    for (int j = 0; j < NV; ++j) acc[i][j] = fma(x, bv[j], acc[i][j]);
  }
}
#endif

template <int MR, int NV>
HWY_INLINE void step(const float* a, const float* b, V (&acc)[MR][NV]) {
  V bv[NV];
  GF_UNROLL(4)
  for (int j = 0; j < NV; ++j) bv[j] = load_aligned(b + j * kLanes);
  GF_UNROLL(16)
  for (int i = 0; i < MR; ++i) {
    const V x = set(a[i * kStrideA]);
    GF_UNROLL(4)
    for (int j = 0; j < NV; ++j) acc[i][j] = fma(x, bv[j], acc[i][j]);
  }
}

template <int MR, int NV>
HWY_INLINE void multiply(const TileArgs& t, V (&acc)[MR][NV]) {
  const float *a = t.a, *b = t.b, *ahead = t.ahead;
  const int64_t kc = t.kc, ahead_step = t.ahead_step;
  int64_t k = 0;
  GF_UNROLL(16)
  for (int i = 0; i < MR; ++i)
    GF_UNROLL(4)
    for (int j = 0; j < NV; ++j) acc[i][j] = set(0.0F);
#if HWY_TARGET == HWY_NEON
  for (; k + 4 <= kc; k += 4, b += 4 * NV * kLanes) {
    V av[MR];
    GF_UNROLL(16)
    for (int i = 0; i < MR; ++i) av[i] = load(a + i * kStrideA + k);
    step_lane<0, MR, NV>(av, b, acc);
    step_lane<1, MR, NV>(av, b, acc);
    step_lane<2, MR, NV>(av, b, acc);
    step_lane<3, MR, NV>(av, b, acc);
  }
#elif HWY_TARGET != HWY_WASM
  constexpr int kParts = kSplits<MR>;
  if constexpr (kParts > 1) {
    V part[kParts][MR][NV];
    GF_UNROLL(8)
    for (int s = 0; s < kParts; ++s)
      GF_UNROLL(16)
      for (int i = 0; i < MR; ++i)
        GF_UNROLL(4)
        for (int j = 0; j < NV; ++j) part[s][i][j] = set(0.0F);
    for (; k + kParts <= kc; k += kParts) {
      GF_UNROLL(8)
      for (int s = 0; s < kParts; ++s) {
        prefetch_row<NV>(b + (kAhead<MR> + s) * NV * kLanes);
        step<MR, NV>(a + k + s, b + s * NV * kLanes, part[s]);
      }
      b += kParts * NV * kLanes;
    }
    GF_UNROLL(8)
    for (int s = 0; s < kParts; ++s)
      GF_UNROLL(16)
      for (int i = 0; i < MR; ++i)
        GF_UNROLL(4)
        for (int j = 0; j < NV; ++j) acc[i][j] = add(acc[i][j], part[s][i][j]);
  }
#endif
#if HWY_TARGET == HWY_WASM
  // one k a round and addresses that need no arithmetic; there is no prefetching
  static_cast<void>(ahead), static_cast<void>(ahead_step);
  for (const float *at = a + k, *end = a + kc; at != end; ++at, b += NV * kLanes) step<MR, NV>(at, b, acc);
#else
  for (; k < kc; ++k, b += NV * kLanes) {
    prefetch_row<NV>(b + kAhead<MR> * NV * kLanes);
    if constexpr (MR > 4) {
      __builtin_prefetch(ahead, 0, 2);
      ahead += ahead_step;
    }
    step<MR, NV>(a + k, b, acc);
  }
#endif
}

// The epilogue works on registers; each `if` is one well predicted branch per tile.
template <int MR, int NV>
HWY_INLINE void finish(const TileArgs& t, V (&acc)[MR][NV]) {
  if (t.alpha != 1.0F) {
    const V alpha = set(t.alpha);
    GF_UNROLL(16)
    for (int i = 0; i < MR; ++i)
      GF_UNROLL(4)
      for (int j = 0; j < NV; ++j) acc[i][j] = mul(acc[i][j], alpha);
  }
  if (t.bias != nullptr) {
    GF_UNROLL(4)
    for (int j = 0; j < NV; ++j) {
      const V bias = load(t.bias + j * kLanes);
      GF_UNROLL(16)
      for (int i = 0; i < MR; ++i) acc[i][j] = add(acc[i][j], bias);
    }
  }
  if (t.residual != nullptr) {
    const V scale = set(t.residual_scale);
    const float* r = t.residual;
    GF_UNROLL(16)
    for (int i = 0; i < MR; ++i, r += t.residual_stride)
      GF_UNROLL(4)
      for (int j = 0; j < NV; ++j) acc[i][j] = fma(load(r + j * kLanes), scale, acc[i][j]);
  }
  if (t.accumulate) {
    const float* c = t.c;
    GF_UNROLL(16)
    for (int i = 0; i < MR; ++i, c += t.ldc)
      GF_UNROLL(4)
      for (int j = 0; j < NV; ++j) acc[i][j] = add(acc[i][j], load(c + j * kLanes));
  }
  if (t.clamp) {
    const V lo = set(t.lo), hi = set(t.hi);
    GF_UNROLL(16)
    for (int i = 0; i < MR; ++i)
      GF_UNROLL(4)
      for (int j = 0; j < NV; ++j) acc[i][j] = at_most(hi, at_least(lo, acc[i][j]));
  }
  float* c = t.c;
  GF_UNROLL(16)
  for (int i = 0; i < MR; ++i, c += t.ldc)
    GF_UNROLL(4)
    for (int j = 0; j < NV; ++j) store(acc[i][j], c + j * kLanes);
}

// The tile of C arrives while the multiply-adds run. Products of few rows are bound by B: they leave its way free.
template <int MR, int NV>
HWY_INLINE void prefetch_c(const TileArgs& t) {
  if constexpr (MR > 4) {
    const float* c = t.c;
    GF_UNROLL(16)
    for (int i = 0; i < MR; ++i, c += t.ldc)
      for (int j = 0; j < NV * kLanes; j += 16) __builtin_prefetch(c + j, 1, 3);
  }
}

template <int MR, int NV>
void tile(const TileArgs& t) {
  V acc[MR][NV];
  prefetch_c<MR, NV>(t);
  multiply<MR, NV>(t, acc);
  finish<MR, NV>(t, acc);
}

// Vectors as wide as the target has, and an end that overlaps what is copied already: rows are read from L2 or beyond,
// and the copy is what a narrow product waits for.
void copy_rows(const float* src, int64_t ld_src, int64_t rows, int64_t cols, float* dst, int64_t ld_dst) {
  for (int64_t i = 0; i < rows; ++i, src += ld_src, dst += ld_dst) {
    int64_t j = 0;
    for (; j + 2 * kLanes <= cols; j += 2 * kLanes) {
      const V v0 = load(src + j), v1 = load(src + j + kLanes);
      store(v0, dst + j);
      store(v1, dst + j + kLanes);
    }
    for (; j + kLanes <= cols; j += kLanes) store(load(src + j), dst + j);
    if (j < cols && cols >= kLanes) {
      store(load(src + cols - kLanes), dst + cols - kLanes);
    } else {
      for (; j < cols; ++j) dst[j] = src[j];
    }
  }
}

// Blocks of kBlock x kBlock; the last one of either axis overlaps what is written already.
void transpose(const float* src, int64_t ld_src, int64_t rows, int64_t cols, float* dst, int64_t ld_dst) {
  if (rows < 4 || cols < 4) {
    for (int64_t j = 0; j < cols; ++j)
      for (int64_t i = 0; i < rows; ++i) dst[i * ld_dst + j] = src[j * ld_src + i];
    return;
  }
#if HWY_TARGET == HWY_WASM
  // Weights are packed once, in code that V8 has not optimised yet: few and simple steps, pointers of 32 bits, no shuffles (hundreds
  // of cycles for a block of 4x4 there).
  const auto from_step = static_cast<ptrdiff_t>(ld_src), to_step = static_cast<ptrdiff_t>(ld_dst);
  const auto all_rows = static_cast<ptrdiff_t>(rows), all_cols = static_cast<ptrdiff_t>(cols);
  for (ptrdiff_t jj = 0; jj < all_cols; jj += 4) {
    const ptrdiff_t j = jj + 4 <= all_cols ? jj : all_cols - 4;
    const float* from = src + j * from_step;
    float* to = dst + j;
    for (ptrdiff_t left = all_rows;;) {
      const float *a = from, *b = a + from_step, *c = b + from_step, *d = c + from_step;
      for (int i = 0; i < 4; ++i) {
        v128_t v = wasm_v128_load32_zero(a + i);
        v = wasm_v128_load32_lane(b + i, v, 1);
        v = wasm_v128_load32_lane(c + i, v, 2);
        v = wasm_v128_load32_lane(d + i, v, 3);
        wasm_v128_store(to + i * to_step, v);
      }
      left -= 4;
      if (left <= 0) break;
      const ptrdiff_t step = left < 4 ? left : 4;
      from += step;
      to += step * to_step;
    }
  }
#else
  const auto all = [&](auto block, int64_t size) HWY_ATTR {
    for (int64_t jj = 0; jj < cols; jj += size) {
      const int64_t j = jj + size <= cols ? jj : cols - size;
      for (int64_t ii = 0; ii < rows; ii += size) {
        const int64_t i = ii + size <= rows ? ii : rows - size;
        block(src + j * ld_src + i, ld_src, dst + i * ld_dst + j, ld_dst);
      }
    }
  };
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL
  if (rows >= 8 && cols >= 8)
    return all([](const float* s, int64_t ls, float* d, int64_t ld) HWY_ATTR { transpose8x8(s, ls, d, ld); }, 8);
#endif
  all([](const float* s, int64_t ls, float* d, int64_t ld) HWY_ATTR { transpose4x4(s, ls, d, ld); }, 4);
#endif
}

#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL
#define GF_TILES(NV)                                                                                          \
  {                                                                                                           \
    tile<1, NV>, tile<2, NV>, tile<3, NV>, tile<4, NV>, tile<5, NV>, tile<6, NV>, tile<7, NV>, tile<8, NV>,   \
        tile<9, NV>, tile<10, NV>, tile<11, NV>, tile<12, NV>, tile<13, NV>, tile<14, NV>                     \
  }
#elif HWY_TARGET == HWY_AVX2
#define GF_TILES(NV) \
  { tile<1, NV>, tile<2, NV>, tile<3, NV>, tile<4, NV>, tile<5, NV>, tile<6, NV> }
#elif HWY_TARGET == HWY_NEON
#define GF_TILES(NV) \
  { tile<1, NV>, tile<2, NV>, tile<3, NV>, tile<4, NV>, tile<5, NV>, tile<6, NV>, tile<7, NV>, tile<8, NV> }
#else
#define GF_TILES(NV) \
  { tile<1, NV>, tile<2, NV>, tile<3, NV>, tile<4, NV> }
#endif
constexpr TileKernel kFull[kRows] = GF_TILES(2);
constexpr TileKernel kNarrow[kRows] = GF_TILES(1);
#undef GF_TILES

}  // namespace

#if HWY_TARGET == HWY_WASM
constexpr bool kPrefetches = false;
#else
constexpr bool kPrefetches = true;
#endif
constexpr GemmKernels kGemmKernels = {.mr = kRows,
                                      .nr = 2 * kLanes,
                                      .lanes = kLanes,
                                      .kc_max = kBlockK,
                                      .plain_rows = kPlainRows,
                                      .a_stride = kStrideA,
                                      .chunk_floats = kChunk,
                                      .prefetches = kPrefetches,
                                      .full = kFull,
                                      .narrow = kNarrow,
                                      .copy_rows = copy_rows,
                                      .transpose = transpose};

}  // namespace gf::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gf::simd {

const GemmKernels& gemm_kernels(Isa isa) { return GF_SIMD_SELECT(isa, kGemmKernels); }

}  // namespace gf::simd
#endif
