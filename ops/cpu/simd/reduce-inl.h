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
  static constexpr float kIdentity = 0.0f;
  template <class D, class V>
  static HWY_INLINE V map(D, V x, V) { return x; }
  template <class V>
  static HWY_INLINE V combine(V a, V b) { return hn::Add(a, b); }
  template <class D, class V>
  static HWY_INLINE float lanes(D d, V v) { return lanes_sum(d, v); }
};
struct AccSumSquare : AccSum {
  template <class D, class V>
  static HWY_INLINE V map(D, V x, V) { return hn::Mul(x, x); }
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
struct AccSumExp : AccSum {  // e^(x - bias), x <= bias
  template <class D, class V>
  static HWY_INLINE V map(D d, V x, V bias) { return v_exp_negative(d, hn::Sub(x, bias)); }
};
struct AccProduct {
  static constexpr float kIdentity = 1.0f;
  template <class D, class V>
  static HWY_INLINE V map(D, V x, V) { return x; }
  template <class V>
  static HWY_INLINE V combine(V a, V b) { return hn::Mul(a, b); }
  template <class D, class V>
  static HWY_INLINE float lanes(D d, V v) { return lanes_product(d, v); }
};
struct AccMax {
  static constexpr float kIdentity = -__builtin_inff();
  template <class D, class V>
  static HWY_INLINE V map(D, V x, V) { return x; }
  template <class V>
  static HWY_INLINE V combine(V a, V b) { return max_nan(a, b); }
  template <class D, class V>
  static HWY_INLINE float lanes(D d, V v) { return lanes_max(d, v); }
};
struct AccMin {
  static constexpr float kIdentity = __builtin_inff();
  template <class D, class V>
  static HWY_INLINE V map(D, V x, V) { return x; }
  template <class V>
  static HWY_INLINE V combine(V a, V b) { return min_nan(a, b); }
  template <class D, class V>
  static HWY_INLINE float lanes(D d, V v) { return lanes_min(d, v); }
};

/// Accumulates p[0 .. n).
template <class Acc>
HWY_INLINE float reduce_row(const float* p, int64_t n, float bias_value = 0.0f) {
  const F32Tag d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const F32Vec identity = hn::Set(d, Acc::kIdentity), bias = hn::Set(d, bias_value);
  F32Vec level1 = identity, level2 = identity;
  int64_t i = 0;
  for (int block = 1; i + 4 * lanes <= n; ++block) {
    F32Vec a0 = identity, a1 = identity, a2 = identity, a3 = identity;
    for (int k = 0; k < 32 && i + 4 * lanes <= n; ++k, i += 4 * lanes) {
      a0 = Acc::combine(a0, Acc::map(d, hn::LoadU(d, p + i), bias));
      a1 = Acc::combine(a1, Acc::map(d, hn::LoadU(d, p + i + lanes), bias));
      a2 = Acc::combine(a2, Acc::map(d, hn::LoadU(d, p + i + 2 * lanes), bias));
      a3 = Acc::combine(a3, Acc::map(d, hn::LoadU(d, p + i + 3 * lanes), bias));
    }
    level1 = Acc::combine(level1, Acc::combine(Acc::combine(a0, a1), Acc::combine(a2, a3)));
    if (block % 64 == 0) {
      level2 = Acc::combine(level2, level1);
      level1 = identity;
    }
  }
  for (; i + lanes <= n; i += lanes) level1 = Acc::combine(level1, Acc::map(d, hn::LoadU(d, p + i), bias));
#if HWY_TARGET != HWY_SCALAR
  if (i < n) {
    const auto rest = static_cast<size_t>(n - i);
    const F32Vec x = Acc::map(d, load_n(d, p + i, rest), bias);
    level1 = Acc::combine(level1, hn::IfThenElse(hn::FirstN(d, rest), x, identity));
  }
#endif
  return Acc::lanes(d, Acc::combine(level2, level1));
}

/// out[c] = accumulation of p[r * stride + c] over r, for `kVectors` vectors of columns.
template <class Acc, int kVectors>
HWY_INLINE void reduce_column_tile(const float* p, int64_t rows, int64_t stride, const float* bias_values, float* out) {
  const F32Tag d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const F32Vec identity = hn::Set(d, Acc::kIdentity);
  F32Vec level0[kVectors], level1[kVectors], level2[kVectors], bias[kVectors];
  for (int v = 0; v < kVectors; ++v) {
    level1[v] = level2[v] = identity;
    bias[v] = bias_values == nullptr ? hn::Zero(d) : hn::LoadU(d, bias_values + v * lanes);
  }
  for (int64_t r = 0, block = 1; r < rows; ++block) {
    for (int v = 0; v < kVectors; ++v) level0[v] = identity;
    for (int k = 0; k < 32 && r < rows; ++k, ++r, p += stride) {
      for (int v = 0; v < kVectors; ++v) {
        level0[v] = Acc::combine(level0[v], Acc::map(d, hn::LoadU(d, p + v * lanes), bias[v]));
      }
    }
    for (int v = 0; v < kVectors; ++v) level1[v] = Acc::combine(level1[v], level0[v]);
    if (block % 64 == 0) {
      for (int v = 0; v < kVectors; ++v) {
        level2[v] = Acc::combine(level2[v], level1[v]);
        level1[v] = identity;
      }
    }
  }
  for (int v = 0; v < kVectors; ++v) hn::StoreU(Acc::combine(level2[v], level1[v]), d, out + v * lanes);
}

/// out[c] = accumulation of p[r * stride + c] over r in [0, rows), for c in [0, cols). bias: per column or null.
template <class Acc>
HWY_INLINE void reduce_columns(const float* p, int64_t rows, int64_t stride, int64_t cols, const float* bias,
                               float* out) {
  const F32Tag d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto at = [bias](int64_t c) { return bias == nullptr ? nullptr : bias + c; };
  int64_t c = 0;
  for (; c + 4 * lanes <= cols; c += 4 * lanes) reduce_column_tile<Acc, 4>(p + c, rows, stride, at(c), out + c);
  for (; c + lanes <= cols; c += lanes) reduce_column_tile<Acc, 1>(p + c, rows, stride, at(c), out + c);
#if HWY_TARGET != HWY_SCALAR
  if (c < cols) {
    const auto rest = static_cast<size_t>(cols - c);
    const F32Vec identity = hn::Set(d, Acc::kIdentity);
    const F32Vec b = bias == nullptr ? hn::Zero(d) : load_n(d, bias + c, rest);
    F32Vec level1 = identity, level2 = identity;
    for (int64_t r = 0, block = 1; r < rows; ++block) {
      F32Vec level0 = identity;
      for (int k = 0; k < 32 && r < rows; ++k, ++r) {
        level0 = Acc::combine(level0, Acc::map(d, load_n(d, p + r * stride + c, rest), b));
      }
      level1 = Acc::combine(level1, level0);
      if (block % 64 == 0) {
        level2 = Acc::combine(level2, level1);
        level1 = identity;
      }
    }
    store_n(d, Acc::combine(level2, level1), out + c, rest);
  }
#endif
}

}  // namespace gf::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // toggled guard
