// Row and column accumulation shared by reductions, softmax and normalisations. Three levels of partial sums keep the
// error near that of pairwise summation: at most 32 additions into the first, 64 into the second level per lane.
// Included once per target (toggled guard, as in Highway).
#if defined(GF_SIMD_REDUCE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef GF_SIMD_REDUCE_INL_H_
#undef GF_SIMD_REDUCE_INL_H_
#else
#define GF_SIMD_REDUCE_INL_H_
#endif

#include "ops/cpu/simd/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gf::simd::HWY_NAMESPACE {

// An accumulation: identity, what is done to an element (with a bias per row or column), how two values combine.
struct AccSum {
  static constexpr float identity() { return 0.0f; }
  template <class D, class V>
  static HWY_INLINE V map(D, V x, V) { return x; }
  template <class V>
  static HWY_INLINE V combine(V a, V b) { return hn::Add(a, b); }
  template <class D, class V>
  static HWY_INLINE float lanes(D d, V v) { return lanes_sum(d, v); }
};
struct AccSumAbs : AccSum {
  template <class D, class V>
  static HWY_INLINE V map(D, V x, V) { return hn::Abs(x); }
};
struct AccCentredSquare : AccSum {  // (x - bias)^2
  template <class D, class V>
  static HWY_INLINE V map(D, V x, V bias) {
    const V c = hn::Sub(x, bias);
    return hn::Mul(c, c);
  }
};
#if GF_SMALL_LOOPS
using AccSumSquare = AccCentredSquare;  // around 0: the same numbers
#else
struct AccSumSquare : AccSum {
  template <class D, class V>
  static HWY_INLINE V map(D, V x, V) { return hn::Mul(x, x); }
};
#endif
struct AccSumExp : AccSum {  // e^(x - bias), x <= bias
  [[maybe_unused]] static constexpr bool kLong = true;  // small code has few copies of it
  template <class D, class V>
  static HWY_INLINE V map(D d, V x, V bias) { return v_exp_negative(d, hn::Sub(x, bias)); }
};
struct AccProduct {
  static constexpr float identity() { return 1.0f; }
  template <class D, class V>
  static HWY_INLINE V map(D, V x, V) { return x; }
  template <class V>
  static HWY_INLINE V combine(V a, V b) { return hn::Mul(a, b); }
  template <class D, class V>
  static HWY_INLINE float lanes(D d, V v) { return lanes_product(d, v); }
};
struct AccMax {
  static constexpr float identity() { return -__builtin_inff(); }
  template <class D, class V>
  static HWY_INLINE V map(D, V x, V) { return x; }
  template <class V>
  static HWY_INLINE V combine(V a, V b) { return max_nan(a, b); }
  template <class D, class V>
  static HWY_INLINE float lanes(D d, V v) { return lanes_max(d, v); }
};
struct AccMin {
  static constexpr float identity() { return __builtin_inff(); }
  template <class D, class V>
  static HWY_INLINE V map(D, V x, V) { return x; }
  template <class V>
  static HWY_INLINE V combine(V a, V b) { return min_nan(a, b); }
  template <class D, class V>
  static HWY_INLINE float lanes(D d, V v) { return lanes_min(d, v); }
};

#if GF_SMALL_LOOPS
// Accumulations that nets spend little time in share loops; what tells them apart is called for each vector.
enum class RareAcc { SumAbs, SumExp, Product, Max, Min };
inline HWY_NOINLINE F32Vec rare_map(RareAcc kind, F32Vec x, F32Vec bias) {
  const F32Tag d;
  if (kind == RareAcc::SumAbs) return AccSumAbs::map(d, x, bias);
  return kind == RareAcc::SumExp ? AccSumExp::map(d, x, bias) : x;
}
inline HWY_NOINLINE F32Vec rare_combine(RareAcc kind, F32Vec a, F32Vec b) {
  if (kind == RareAcc::Product) return AccProduct::combine(a, b);
  if (kind == RareAcc::Max) return AccMax::combine(a, b);
  return kind == RareAcc::Min ? AccMin::combine(a, b) : AccSum::combine(a, b);
}
struct AccRare {
  [[maybe_unused]] static constexpr bool kLong = true;
  RareAcc kind;
  float identity() const {
    return kind == RareAcc::Product ? 1.0f : kind == RareAcc::Max ? AccMax::identity() : kind == RareAcc::Min ? AccMin::identity() : 0.0f;
  }
  F32Vec map(F32Tag, F32Vec x, F32Vec bias) const { return rare_map(kind, x, bias); }
  F32Vec combine(F32Vec a, F32Vec b) const { return rare_combine(kind, a, b); }
  float lanes(F32Tag d, F32Vec v) const {
    if (kind == RareAcc::Product) return AccProduct::lanes(d, v);
    if (kind == RareAcc::Max) return AccMax::lanes(d, v);
    return kind == RareAcc::Min ? AccMin::lanes(d, v) : AccSum::lanes(d, v);
  }
};
#undef GF_ROW_LOOP
#define GF_ROW_LOOP inline HWY_NOINLINE  // one copy for all sources
#else
#undef GF_ROW_LOOP
#define GF_ROW_LOOP HWY_INLINE
#endif

/// Accumulates p[0 .. n).
template <class Acc>
GF_ROW_LOOP float reduce_row(const float* p, int64_t n, float bias_value = 0.0f, Acc acc = {}) {
  const F32Tag d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const F32Vec identity = hn::Set(d, acc.identity()), bias = hn::Set(d, bias_value);
  F32Vec level1 = identity, level2 = identity;
  int64_t i = 0;
  for (int block = 1; i + 4 * lanes <= n; ++block) {
    F32Vec a0 = identity, a1 = identity, a2 = identity, a3 = identity;
#if GF_SMALL_LOOPS
    if constexpr (requires { Acc::kLong; }) {  // the four take turns: one copy of what is done to an element
      for (int k = 0; k < 128 && ((k & 3) != 0 || i + 4 * lanes <= n); ++k, i += lanes) {
        const F32Vec next = acc.combine(a0, acc.map(d, hn::LoadU(d, p + i), bias));
        a0 = a1;
        a1 = a2;
        a2 = a3;
        a3 = next;
      }
    }
#endif
    for (int k = 0; k < 32 && i + 4 * lanes <= n; ++k, i += 4 * lanes) {
      if constexpr (GF_SMALL_LOOPS && requires { Acc::kLong; }) break;
      a0 = acc.combine(a0, acc.map(d, hn::LoadU(d, p + i), bias));
      a1 = acc.combine(a1, acc.map(d, hn::LoadU(d, p + i + lanes), bias));
      a2 = acc.combine(a2, acc.map(d, hn::LoadU(d, p + i + 2 * lanes), bias));
      a3 = acc.combine(a3, acc.map(d, hn::LoadU(d, p + i + 3 * lanes), bias));
    }
    level1 = acc.combine(level1, acc.combine(acc.combine(a0, a1), acc.combine(a2, a3)));
    if (block % 64 == 0) {
      level2 = acc.combine(level2, level1);
      level1 = identity;
    }
  }
#if GF_SMALL_LOOPS
  for (; i + lanes <= n; i += lanes) {
    if constexpr (requires { Acc::kLong; }) break;
    level1 = acc.combine(level1, acc.map(d, hn::LoadU(d, p + i), bias));
  }
  for (; i < n; i += lanes) {
    const auto count = static_cast<size_t>(n - i < lanes ? n - i : lanes);
    const F32Vec x = acc.map(d, load_up_to(d, p + i, count), bias);
    level1 = acc.combine(level1, count == hn::Lanes(d) ? x : hn::IfThenElse(hn::FirstN(d, count), x, identity));
  }
#else
  for (; i + lanes <= n; i += lanes) level1 = acc.combine(level1, acc.map(d, hn::LoadU(d, p + i), bias));
#if HWY_TARGET != HWY_SCALAR
  if (i < n) {
    const auto rest = static_cast<size_t>(n - i);
    const F32Vec x = acc.map(d, load_n(d, p + i, rest), bias);
    level1 = acc.combine(level1, hn::IfThenElse(hn::FirstN(d, rest), x, identity));
  }
#endif
#endif
  return acc.lanes(d, acc.combine(level2, level1));
}

/// out[c] = accumulation of p[r * stride + c] over r, for `kVectors` vectors of columns.
template <class Acc, int kVectors>
HWY_INLINE void reduce_column_tile(const float* p, int64_t rows, int64_t stride, const float* bias_values, float* out, Acc acc) {
  const F32Tag d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const F32Vec identity = hn::Set(d, acc.identity());
  F32Vec level0[kVectors], level1[kVectors], level2[kVectors], bias[kVectors];
  for (int v = 0; v < kVectors; ++v) {
    level1[v] = level2[v] = identity;
    bias[v] = bias_values == nullptr ? hn::Zero(d) : hn::LoadU(d, bias_values + v * lanes);
  }
  for (int64_t r = 0, block = 1; r < rows; ++block) {
    for (int v = 0; v < kVectors; ++v) level0[v] = identity;
    for (int k = 0; k < 32 && r < rows; ++k, ++r, p += stride) {
      for (int v = 0; v < kVectors; ++v) {
        level0[v] = acc.combine(level0[v], acc.map(d, hn::LoadU(d, p + v * lanes), bias[v]));
      }
    }
    for (int v = 0; v < kVectors; ++v) level1[v] = acc.combine(level1[v], level0[v]);
    if (block % 64 == 0) {
      for (int v = 0; v < kVectors; ++v) {
        level2[v] = acc.combine(level2[v], level1[v]);
        level1[v] = identity;
      }
    }
  }
  for (int v = 0; v < kVectors; ++v) hn::StoreU(acc.combine(level2[v], level1[v]), d, out + v * lanes);
}

/// out[c] = accumulation of p[r * stride + c] over r in [0, rows), for c in [0, cols). bias: per column or null.
template <class Acc>
GF_ROW_LOOP void reduce_columns(const float* p, int64_t rows, int64_t stride, int64_t cols, const float* bias, float* out, Acc acc = {}) {
  const F32Tag d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto at = [bias](int64_t c) { return bias == nullptr ? nullptr : bias + c; };
  int64_t c = 0;
#if GF_SMALL_LOOPS
  if constexpr (!requires { Acc::kLong; })
#endif
  for (; c + 4 * lanes <= cols; c += 4 * lanes) reduce_column_tile<Acc, 4>(p + c, rows, stride, at(c), out + c, acc);
#if !GF_SMALL_LOOPS
  for (; c + lanes <= cols; c += lanes) reduce_column_tile<Acc, 1>(p + c, rows, stride, at(c), out + c, acc);
#endif
#if HWY_TARGET != HWY_SCALAR
  for (; c < cols; c += lanes) {
    const auto rest = static_cast<size_t>(cols - c < lanes ? cols - c : lanes);
    const F32Vec identity = hn::Set(d, acc.identity());
    const F32Vec b = bias == nullptr ? hn::Zero(d) : load_up_to(d, bias + c, rest);
    F32Vec level1 = identity, level2 = identity;
    for (int64_t r = 0, block = 1; r < rows; ++block) {
      F32Vec level0 = identity;
      for (int k = 0; k < 32 && r < rows; ++k, ++r) {
        level0 = acc.combine(level0, acc.map(d, load_up_to(d, p + r * stride + c, rest), b));
      }
      level1 = acc.combine(level1, level0);
      if (block % 64 == 0) {
        level2 = acc.combine(level2, level1);
        level1 = identity;
      }
    }
    store_up_to(d, acc.combine(level2, level1), out + c, rest);
  }
#endif
}

}  // namespace gf::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // toggled guard
