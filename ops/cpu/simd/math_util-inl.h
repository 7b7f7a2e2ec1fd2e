// Small helpers on Highway vectors that every vector source here shares: partial loads and stores that touch no byte
// outside the array, NaN-propagating min/max, lane reductions. Included once per target (toggled guard, as in Highway).
#if defined(GF_SIMD_MATH_UTIL_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef GF_SIMD_MATH_UTIL_INL_H_
#undef GF_SIMD_MATH_UTIL_INL_H_
#else
#define GF_SIMD_MATH_UTIL_INL_H_
#endif

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "hwy/highway.h"
#include "ops/cpu/simd/small_loops.h"

HWY_BEFORE_NAMESPACE();
namespace gf::simd::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using F32Tag = hn::ScalableTag<float>;
using F32Vec = hn::Vec<F32Tag>;

#undef GF_SIMD_MASKED_MEMORY
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL
#define GF_SIMD_MASKED_MEMORY 1
#else
#define GF_SIMD_MASKED_MEMORY 0
#endif
#undef GF_SIMD_F64_VECTORS
#if HWY_TARGET != HWY_SCALAR && HWY_HAVE_FLOAT64
#define GF_SIMD_F64_VECTORS 1
#else
#define GF_SIMD_F64_VECTORS 0
#endif

// Whether code is to be small before it is fast in what nets spend little time in: a WebAssembly module is downloaded. There a formula
// has one loop with steps known when it runs, and the rest of a row goes through a buffer and the same loop.
#undef GF_SMALL_LOOPS
#define GF_SMALL_LOOPS (HWY_TARGET == HWY_WASM)
// A function in line, but where code is to be small called.
#undef GF_SELDOM
#if GF_SMALL_LOOPS
#define GF_SELDOM [[maybe_unused]] HWY_NOINLINE
#else
#define GF_SELDOM HWY_INLINE
#endif

/// The first `n` (< lanes) floats at `p`; the other lanes are 0. Reads nothing beyond p[n-1].
template <class D>
HWY_INLINE hn::Vec<D> load_n([[maybe_unused]] D d, const float* p, size_t n) {
#if GF_SIMD_MASKED_MEMORY
  return hn::MaskedLoad(hn::FirstN(d, n), d, p);
#elif HWY_TARGET == HWY_WASM
  return hn::Vec<D>{load_rest(p, n)};
#else
  HWY_ALIGN float buffer[hn::MaxLanes(d)] = {};
  for (size_t i = 0; i < n; ++i) buffer[i] = p[i];
  return hn::Load(d, buffer);
#endif
}

/// The first `n` floats at `p`; the other lanes are `fill`.
template <class D>
HWY_INLINE hn::Vec<D> load_n_or(D d, const float* p, size_t n, hn::Vec<D> fill) {
#if HWY_TARGET == HWY_SCALAR
  return n == 0 ? fill : hn::LoadU(d, p);
#else
  return hn::IfThenElse(hn::FirstN(d, n), load_n(d, p, n), fill);
#endif
}

/// Writes the first `n` (< lanes) lanes to `p` and touches nothing beyond.
template <class D>
HWY_INLINE void store_n([[maybe_unused]] D d, hn::Vec<D> v, float* p, size_t n) {
#if GF_SIMD_MASKED_MEMORY
  hn::BlendedStore(v, hn::FirstN(d, n), d, p);
#elif HWY_TARGET == HWY_WASM
  store_rest(v.raw, p, n);
#else
  HWY_ALIGN float buffer[hn::MaxLanes(d)];
  hn::Store(v, d, buffer);
  for (size_t i = 0; i < n; ++i) p[i] = buffer[i];
#endif
}

/// load_n and store_n where `n` may be all lanes.
template <class D>
HWY_INLINE hn::Vec<D> load_up_to(D d, const float* p, size_t n) {
  return !GF_SIMD_MASKED_MEMORY && n == hn::Lanes(d) ? hn::LoadU(d, p) : load_n(d, p, n);
}
template <class D>
HWY_INLINE void store_up_to(D d, hn::Vec<D> v, float* p, size_t n) {
  if (!GF_SIMD_MASKED_MEMORY && n == hn::Lanes(d)) hn::StoreU(v, d, p);
  else store_n(d, v, p, n);
}

/// load_up_to for a loop that holds sums in registers: without a call, for which they would go to the stack.
template <class D>
HWY_INLINE hn::Vec<D> load_up_to_in_loop(D d, const float* p, size_t n) {
#if HWY_TARGET == HWY_WASM
  if (n == hn::Lanes(d)) return hn::LoadU(d, p);
  v128_t v = wasm_f32x4_const_splat(0);  // as load_rest, which only ops/wasm can define
  if ((n & 2) != 0) {
    v = wasm_v128_load64_zero(p);
    if ((n & 1) != 0) v = wasm_v128_load32_lane(p + 2, v, 2);
  } else if (n != 0) {
    v = wasm_v128_load32_zero(p);
  }
  return hn::Vec<D>{v};
#else
  return load_up_to(d, p, n);
#endif
}

#if GF_SMALL_LOOPS
struct LoadUpTo {
  size_t count;
  HWY_INLINE F32Vec operator()(const float* p) const { return load_up_to_in_loop(F32Tag(), p, count); }
};
struct StoreUpTo {
  size_t count;
  HWY_INLINE void operator()(F32Vec v, float* p) const { store_up_to(F32Tag(), v, p, count); }
};
#endif

/// f(position, load, store) over a row of `cols`: whole vectors, then the rest (lanes behind the end are read as zeros).
template <class F>
HWY_INLINE void for_vectors(int64_t cols, F&& f) {
  const F32Tag d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t j = 0;
#if GF_SMALL_LOOPS
#pragma clang loop unroll_count(2)  // bodies are short: the rounds cost as much
#endif
  for (; j + lanes <= cols; j += lanes)
    f(j, [d](const float* p) HWY_ATTR { return hn::LoadU(d, p); }, [d](F32Vec v, float* p) HWY_ATTR { hn::StoreU(v, d, p); });
  if (j == cols) return;
  const auto rest = static_cast<size_t>(cols - j);
  f(j, [d, rest](const float* p) HWY_ATTR { return load_n(d, p, rest); },
    [d, rest](F32Vec v, float* p) HWY_ATTR { store_n(d, v, p, rest); });
}

/// A vector of a row: whole, or the first lanes of one.
struct Lane {
  size_t partial;  // 0: whole
  HWY_INLINE F32Vec load(const float* p) const {
    const F32Tag d;
    return partial == 0 ? hn::LoadU(d, p) : load_n(d, p, partial);
  }
  HWY_INLINE void store(F32Vec v, float* p) const {
    const F32Tag d;
    if (partial == 0) hn::StoreU(v, d, p);
    else store_n(d, v, p, partial);
  }
};

/// f(index, lane) over [0, n) by vectors: one copy of f where code is to be small.
template <class F>
HWY_INLINE void each_vector(int64_t n, const F& f) {
  const auto lanes = static_cast<int64_t>(hn::Lanes(F32Tag()));
#if GF_SMALL_LOOPS
  for (int64_t i = 0; i < n; i += lanes) f(i, Lane{static_cast<size_t>(i + lanes <= n ? 0 : n - i)});
#else
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) f(i, Lane{0});
  if (i < n) f(i, Lane{static_cast<size_t>(n - i)});
#endif
}

/// The same with one copy of f where code is to be small: for loops with much in them, or that run seldom.
template <class F>
HWY_INLINE void for_long_bodies(int64_t cols, F&& f) {
#if GF_SMALL_LOOPS
  constexpr int64_t kLanes = 4;
  for (int64_t j = 0; j < cols; j += kLanes) {
    const auto count = static_cast<size_t>(cols - j < kLanes ? cols - j : kLanes);
    f(j, LoadUpTo{count}, StoreUpTo{count});
  }
#else
  for_vectors(cols, f);
#endif
}

/// x kept within [low, high]; NaN stays NaN: both comparisons are false for it.
template <class V>
HWY_INLINE V clip(V x, V low, V high) {
#if HWY_TARGET == HWY_WASM  // pmax(a, b) is a < b ? b : a, one instruction of x86
  return V{wasm_f32x4_pmin(wasm_f32x4_pmax(x.raw, low.raw), high.raw)};
#endif
  const V y = hn::IfThenElse(hn::Lt(x, low), low, x);
  return hn::IfThenElse(hn::Gt(y, high), high, y);
}

/// Maximum and minimum; NaN when either is NaN (IEEE 754-2019 maximum/minimum without the rule for signed zeros).
template <class V>
HWY_INLINE V max_nan(V a, V b) {
#if GF_SIMD_MASKED_MEMORY
  return hn::IfThenElse(hn::IsNaN(a), a, hn::Max(a, b));  // x86 gives b when either is NaN
#elif HWY_TARGET == HWY_WASM
  return hn::IfThenElse(hn::IsNaN(a), a, V{wasm_f32x4_pmax(b.raw, a.raw)});  // b when either is NaN
#else
  return hn::IfThenElse(hn::IsNaN(a), a, hn::IfThenElse(hn::IsNaN(b), b, hn::Max(a, b)));
#endif
}
template <class V>
HWY_INLINE V min_nan(V a, V b) {
#if GF_SIMD_MASKED_MEMORY
  return hn::IfThenElse(hn::IsNaN(a), a, hn::Min(a, b));
#elif HWY_TARGET == HWY_WASM
  return hn::IfThenElse(hn::IsNaN(a), a, V{wasm_f32x4_pmin(b.raw, a.raw)});  // b when either is NaN
#else
  return hn::IfThenElse(hn::IsNaN(a), a, hn::IfThenElse(hn::IsNaN(b), b, hn::Min(a, b)));
#endif
}

/// Lane reductions; the order is fixed for a target. Maximum and minimum are NaN when a lane is.
template <class D>
HWY_INLINE float lanes_sum(D d, hn::Vec<D> v) {
  return hn::GetLane(hn::SumOfLanes(d, v));
}
#if HWY_TARGET == HWY_EMU128
// Highway 1.0.3's emulation starts from the largest finite values, which hides infinities.
template <class D>
HWY_INLINE float lanes_max(D d, hn::Vec<D> v) {
  HWY_ALIGN float lane[hn::MaxLanes(d)];
  hn::Store(v, d, lane);
  float best = lane[0];
  for (size_t i = 1; i < hn::Lanes(d); ++i) best = (lane[i] > best || lane[i] != lane[i]) ? lane[i] : best;
  return best;
}
template <class D>
HWY_INLINE float lanes_min(D d, hn::Vec<D> v) {
  return -lanes_max(d, hn::Neg(v));
}
#else
template <class D>
HWY_INLINE float lanes_max(D d, hn::Vec<D> v) {
  if (HWY_UNLIKELY(!hn::AllFalse(d, hn::IsNaN(v)))) return hn::GetLane(hn::NaN(d));
  return hn::GetLane(hn::MaxOfLanes(d, v));
}
template <class D>
HWY_INLINE float lanes_min(D d, hn::Vec<D> v) {
  if (HWY_UNLIKELY(!hn::AllFalse(d, hn::IsNaN(v)))) return hn::GetLane(hn::NaN(d));
  return hn::GetLane(hn::MinOfLanes(d, v));
}
#endif
template <class D>
HWY_INLINE float lanes_product(D d, hn::Vec<D> v) {
  HWY_ALIGN float lane[hn::MaxLanes(d)];
  hn::Store(v, d, lane);
  float product = lane[0];
  for (size_t i = 1; i < hn::Lanes(d); ++i) product *= lane[i];
  return product;
}

/// Applies a scalar function to each lane: for functions without a vector version.
template <class D>
HWY_INLINE hn::Vec<D> map_lanes(D d, hn::Vec<D> v, float (*f)(float)) {
  HWY_ALIGN float lane[hn::MaxLanes(d)];
  hn::Store(v, d, lane);
  for (size_t i = 0; i < hn::Lanes(d); ++i) lane[i] = f(lane[i]);
  return hn::Load(d, lane);
}
template <class D>
HWY_INLINE hn::Vec<D> map_lanes(D d, hn::Vec<D> a, hn::Vec<D> b, float (*f)(float, float)) {
  HWY_ALIGN float lane_a[hn::MaxLanes(d)], lane_b[hn::MaxLanes(d)];
  hn::Store(a, d, lane_a);
  hn::Store(b, d, lane_b);
  for (size_t i = 0; i < hn::Lanes(d); ++i) lane_a[i] = f(lane_a[i], lane_b[i]);
  return hn::Load(d, lane_a);
}

}  // namespace gf::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // toggled guard
