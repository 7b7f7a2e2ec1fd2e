// f32 transcendental functions on Highway vectors, our own: range reduction + minimax polynomials fitted in 40 digits.
// NaN gives NaN, infinities and denormals as in C's <cmath>. Errors (ulp, against long double, every ISA, see
// tests/simd/math_test.cpp) stand at each function; gelu_tanh's is larger where the formula itself is ill-conditioned.
// Included once per target (toggled guard, as in Highway).
#if defined(GF_SIMD_MATH_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef GF_SIMD_MATH_INL_H_
#undef GF_SIMD_MATH_INL_H_
#else
#define GF_SIMD_MATH_INL_H_
#endif

#include <cmath>

#include "ops/cpu/simd/math_util-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gf::simd::HWY_NAMESPACE {

// ln 2 as a part of 9 bits (times |n| <= 2^15 exact in f32 without FMA) and the rest.
inline constexpr float kLn2High = 0.693359375f;
inline constexpr float kLn2Low = -2.12194440e-4f;
inline constexpr float kLog2E = 1.44269504089f;
// x + kRoundMagic has ulp 1: the sum rounds x to an integer (half to even), whose bits are the low bits of the sum.
inline constexpr float kRoundMagic = 12582912.0f;  // 1.5 * 2^23

/// c0 + c1 x + ... in Horner form.
template <class D, class V>
HWY_INLINE V v_poly(D d, V, float c0) {
  return hn::Set(d, c0);
}
template <class D, class V, class... C>
HWY_INLINE V v_poly(D d, V x, float c0, C... rest) {
  return hn::MulAdd(v_poly(d, x, rest...), x, hn::Set(d, c0));
}

template <class V>
HWY_INLINE V nan_of(V x, V y) {  // y, but NaN where x is NaN
  return hn::IfThenElse(hn::IsNaN(x), x, y);
}

/// y * 2^n for integral n in [-300, 300], rounded once (denormal results, overflow to infinity).
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL
HWY_INLINE F32Vec scale_by_pow2(F32Tag, F32Vec y, F32Vec n) { return F32Vec{_mm512_scalef_ps(y.raw, n.raw)}; }
#else
template <class D, class V>
HWY_INLINE V scale_by_pow2(D d, V y, V n) {
  const hn::RebindToSigned<D> di;
  const V magic = hn::Set(d, kRoundMagic);
  const auto i = hn::Sub(hn::BitCast(di, hn::Add(n, magic)), hn::BitCast(di, magic));
  const auto half = hn::ShiftRight<1>(i);
  const auto bias = hn::Set(di, 127);
  const V s1 = hn::BitCast(d, hn::ShiftLeft<23>(hn::Add(half, bias)));
  const V s2 = hn::BitCast(d, hn::ShiftLeft<23>(hn::Add(hn::Sub(i, half), bias)));
  return hn::Mul(hn::Mul(y, s1), s2);
}
#endif

/// 2^n for integral n in [-126, 127].
template <class D, class V>
HWY_INLINE V pow2_normal(D d, V n) {
  const hn::RebindToUnsigned<D> du;
  const auto bits = hn::BitCast(du, hn::Add(n, hn::Set(d, kRoundMagic)));
  return hn::BitCast(d, hn::Add(hn::ShiftLeft<23>(bits), hn::Set(du, 0x3f800000U)));
}

/// exp(x + low) = (1 + e) * 2^n with |x - n ln2| <= ln2/2. Returns e.
template <class D, class V>
HWY_INLINE V exp_reduced(D d, V x, V low, V& n) {
  const V magic = hn::Set(d, kRoundMagic);
  n = hn::Sub(hn::MulAdd(x, hn::Set(d, kLog2E), magic), magic);
  V r = hn::NegMulAdd(n, hn::Set(d, kLn2High), x);
  r = hn::Add(hn::NegMulAdd(n, hn::Set(d, kLn2Low), r), low);
  const V p = v_poly(d, r, 0.5f, 0.16666542f, 0.04166628f, 0.0083667096f, 0.0013946667f);
  return hn::MulAdd(hn::Mul(r, r), p, r);
}

/// e^x; <= 2 ulp.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V v_exp(D d, V x) {
  V n;
  const V clamped = hn::Min(hn::Max(x, hn::Set(d, -104.0f)), hn::Set(d, 89.0f));
  const V e = exp_reduced(d, clamped, hn::Zero(d), n);
  return nan_of(x, scale_by_pow2(d, hn::Add(e, hn::Set(d, 1.0f)), n));
}

/// e^x for x <= 0, as softmax needs it; results below 2^-126 become 0. <= 2 ulp where the result is normal.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V v_exp_negative(D d, V x) {
  V n;
  const V floor = hn::Set(d, -87.33f);
  const V e = exp_reduced(d, hn::Max(x, floor), hn::Zero(d), n);
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL
  const V y = scale_by_pow2(d, hn::Add(e, hn::Set(d, 1.0f)), n);
#else
  const V y = hn::Mul(hn::Add(e, hn::Set(d, 1.0f)), pow2_normal(d, n));
#endif
  return nan_of(x, hn::IfThenZeroElse(hn::Lt(x, floor), y));
}

/// e^x - 1; <= 3 ulp.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V v_expm1(D d, V x) {
  V n;
  const V clamped = hn::Min(hn::Max(x, hn::Set(d, -30.0f)), hn::Set(d, 89.0f));
  const V e = exp_reduced(d, clamped, hn::Zero(d), n);
  // 2^n overflows for n = 128 although the result may not: work with half of it.
  const V s = pow2_normal(d, hn::Sub(n, hn::Set(d, 1.0f)));
  const V y = hn::MulAdd(e, s, hn::Sub(s, hn::Set(d, 0.5f)));
  const V big = hn::Add(y, y);
  return nan_of(x, hn::IfThenElse(hn::Eq(n, hn::Zero(d)), e, big));
}

/// x = m * 2^e, m in [sqrt(1/2), sqrt(2)); x positive and normal. Returns m.
template <class D, class V>
HWY_INLINE V split_exponent(D d, V x, V& e) {
  const hn::RebindToSigned<D> di;
  const auto bits = hn::BitCast(di, x);
  const auto i = hn::ShiftRight<23>(hn::Sub(bits, hn::Set(di, 0x3f3504f3)));
  e = hn::ConvertTo(d, i);
  return hn::BitCast(d, hn::Sub(bits, hn::ShiftLeft<23>(i)));
}

/// log(1 + f) + e ln2 for 1 + f in [sqrt(1/2), sqrt(2)).
template <class D, class V>
HWY_INLINE V log_reduced(D d, V f, V e) {
  const V f2 = hn::Mul(f, f);
  const V p = v_poly(d, f, 0.33333316f, -0.2500081f, 0.20002286f, -0.16624558f, 0.14181197f, -0.13128719f, 0.1288161f,
                     -0.07859658f);
  V y = hn::Mul(hn::Mul(f2, f), p);
  y = hn::MulAdd(e, hn::Set(d, kLn2Low), y);
  y = hn::NegMulAdd(f2, hn::Set(d, 0.5f), y);
  return hn::MulAdd(e, hn::Set(d, kLn2High), hn::Add(f, y));
}

/// ln x; <= 2 ulp. 0 gives -inf, negative gives NaN.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V v_log(D d, V x) {
  const V inf = hn::Inf(d);
  const auto tiny = hn::Lt(x, hn::Set(d, 0x1p-126f));
  V e;
  const V m = split_exponent(d, hn::IfThenElse(tiny, hn::Mul(x, hn::Set(d, 0x1p23f)), x), e);
  e = hn::Sub(e, hn::IfThenElseZero(tiny, hn::Set(d, 23.0f)));
  V y = log_reduced(d, hn::Sub(m, hn::Set(d, 1.0f)), e);
  y = hn::IfThenElse(hn::Eq(x, inf), inf, y);
  y = hn::IfThenElse(hn::Eq(x, hn::Zero(d)), hn::Neg(inf), y);
  return nan_of(x, hn::IfThenElse(hn::Lt(x, hn::Zero(d)), hn::NaN(d), y));
}

/// ln(1 + x); <= 2 ulp. -1 gives -inf, below gives NaN.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V v_log1p(D d, V x) {
  const hn::RebindToSigned<D> di;
  const V one = hn::Set(d, 1.0f), inf = hn::Inf(d);
  const V u = hn::Add(x, one);
  V e;
  const V m = split_exponent(d, u, e);
  // What rounding 1 + x lost, brought to the scale of m.
  const auto scale_bits = hn::Sub(hn::Set(di, 0x3f800000), hn::ShiftLeft<23>(hn::ConvertTo(di, e)));
  const V lost = hn::Mul(hn::Sub(x, hn::Sub(u, one)), hn::BitCast(d, scale_bits));
  const V f = hn::Add(hn::Sub(m, one), hn::IfThenElseZero(hn::Lt(x, hn::Set(d, 0x1p30f)), lost));
  V y = log_reduced(d, f, e);
  y = hn::IfThenElse(hn::Eq(x, inf), inf, y);
  y = hn::IfThenElse(hn::Eq(u, hn::Zero(d)), hn::Neg(inf), y);
  return nan_of(x, hn::IfThenElse(hn::Lt(u, hn::Zero(d)), hn::NaN(d), y));
}

/// tanh x; <= 3 ulp.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V v_tanh(D d, V x) {
  V n;
  const V one = hn::Set(d, 1.0f);
  const V a = hn::Min(hn::Abs(x), hn::Set(d, 10.0f));
  const V e = exp_reduced(d, hn::Add(a, a), hn::Zero(d), n);
  const V s = pow2_normal(d, n);
  const V em1 = hn::MulAdd(e, s, hn::Sub(s, one));  // e^2a - 1
  return nan_of(x, hn::CopySign(hn::Div(em1, hn::Add(em1, hn::Set(d, 2.0f))), x));
}

/// e^t 2^40 for t <= 0, 0 below -110: the shift keeps it normal where e^t itself is not, so that products with it lose
/// nothing.
template <class D, class V>
HWY_INLINE V exp_negative_shifted(D d, V t) {
  V n;
  const V floor = hn::Set(d, -110.0f);
  const V e = hn::Add(exp_reduced(d, hn::Max(t, floor), hn::Zero(d), n), hn::Set(d, 1.0f));
  return hn::IfThenZeroElse(hn::Lt(t, floor), hn::Mul(e, pow2_normal(d, hn::Add(n, hn::Set(d, 40.0f)))));
}

/// 1 / (1 + e^-x); <= 3 ulp.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V v_sigmoid(D d, V x) {
  const V one = hn::Set(d, 1.0f);
  const V e = hn::Mul(exp_negative_shifted(d, hn::Neg(hn::Abs(x))), hn::Set(d, 0x1p-40f));  // e^-|x|: no overflow
  const V y = hn::Div(hn::IfThenElse(hn::Lt(x, hn::Zero(d)), e, one), hn::Add(one, e));
  return nan_of(x, y);
}

/// x * sigmoid(x); <= 4 ulp. -inf gives NaN, as the formula does.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V v_silu(D d, V x) {
  const V one = hn::Set(d, 1.0f), down = hn::Set(d, 0x1p-40f);
  const auto negative = hn::Lt(x, hn::Zero(d));
  const V shifted = exp_negative_shifted(d, hn::Neg(hn::Abs(x)));
  const V top = hn::IfThenElse(negative, hn::Mul(x, shifted), x);
  const V y = hn::Div(top, hn::MulAdd(shifted, down, one));
  return nan_of(x, hn::Mul(y, hn::IfThenElse(negative, down, one)));
}

/// ln(1 + e^x); <= 3 ulp.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V v_softplus(D d, V x) {
  V k;
  const V one = hn::Set(d, 1.0f);
  const V e = hn::Mul(exp_negative_shifted(d, hn::Neg(hn::Abs(x))), hn::Set(d, 0x1p-40f));
  // log1p on [0, 1] needs none of the special cases.
  const V u = hn::Add(e, one);
  const V m = split_exponent(d, u, k);
  const V lost = hn::Mul(hn::Sub(e, hn::Sub(u, one)), pow2_normal(d, hn::Neg(k)));
  const V y = log_reduced(d, hn::Add(hn::Sub(m, one), lost), k);
  return nan_of(x, hn::Add(hn::Max(x, hn::Zero(d)), y));
}

/// x * tanh(softplus(x)) = x (e^2 + 2e) / (e^2 + 2e + 2), e = e^x; <= 5 ulp. -inf gives NaN.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V v_mish(D d, V x) {
  V n;
  const V floor = hn::Set(d, -110.0f), two = hn::Set(d, 2.0f), one = hn::Set(d, 1.0f), down = hn::Set(d, 0x1p-40f);
  const V clamped = hn::Min(hn::Max(x, floor), hn::Set(d, 20.0f));
  const V e1 = hn::Add(exp_reduced(d, clamped, hn::Zero(d), n), one);
  const V shifted = hn::IfThenZeroElse(hn::Lt(x, floor), hn::Mul(e1, pow2_normal(d, hn::Add(n, hn::Set(d, 40.0f)))));
  const V e = hn::Mul(shifted, down);
  const V e2 = hn::Add(e, two);
  const V ratio = hn::Div(hn::Mul(shifted, e2), hn::MulAdd(e, e2, two));  // 2^40 times the factor of x
  const auto negative = hn::Lt(x, hn::Zero(d));
  const V y = hn::Mul(x, hn::IfThenElse(negative, ratio, hn::Mul(ratio, down)));
  return nan_of(x, hn::IfThenElse(negative, hn::Mul(y, down), y));
}

/// erf(x) / x - 1 for |x| <= 1, from z = x^2.
template <class D, class V>
HWY_INLINE V erf_small(D d, V z) {
  return v_poly(d, z, 0.12837917f, -0.37612626f, 0.11283585f, -0.026853813f, 0.0051883277f, -0.00080101937f,
                7.853862e-05f);
}

/// Phi(-v) exp(v^2/2) for v >= 0.98, Phi being the normal distribution: t Q(t), t = 1/(1 + 0.3 v).
template <class D, class V>
HWY_INLINE V scaled_normal_tail(D d, V v) {
  const V one = hn::Set(d, 1.0f);
  const V t = hn::Div(one, hn::MulAdd(v, hn::Set(d, 0.3f), one));
  return hn::Mul(t, v_poly(d, t, 0.11967846f, 0.1197729f, 0.108125344f, 0.09087511f, 0.050218761f, 0.029690222f, 0.024231011f,
                           -0.06754738f, 0.024984371f));
}

/// factor Phi(-v), the lower tail of the normal distribution, for v in [0.98, 14.5]. v^2 is formed from a 12-bit head and the rest, so that its rounding (times up to 100) does not reach
/// the result; the factor comes in before the power of two, which may make denormals.
template <class D, class V>
HWY_INLINE V normal_tail(D d, V v, V factor) {
  V n;
  const hn::RebindToUnsigned<D> du;
  const V half = hn::Set(d, 0.5f);
  const V head = hn::BitCast(d, hn::And(hn::BitCast(du, v), hn::Set(du, 0xfffff000U)));
  const V square = hn::Mul(hn::Mul(head, half), head);
  const V rest = hn::Mul(hn::Mul(hn::Sub(v, head), half), hn::Add(v, head));
  const V e = exp_reduced(d, hn::Neg(square), hn::Neg(rest), n);
  const V y = hn::Mul(factor, scaled_normal_tail(d, v));
  return scale_by_pow2(d, hn::MulAdd(e, y, y), n);
}

/// The error function; <= 2 ulp.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V v_erf(D d, V x) {
  const V one = hn::Set(d, 1.0f);
  const V a = hn::Abs(x);
  const V small = hn::MulAdd(x, erf_small(d, hn::Mul(x, x)), x);
  const V v = hn::Mul(hn::Min(a, hn::Set(d, 4.0f)), hn::Set(d, 1.41421356f));
  const V large = hn::Sub(one, normal_tail(d, hn::Max(v, one), hn::Set(d, 2.0f)));
  return nan_of(x, hn::IfThenElse(hn::Lt(a, one), small, hn::CopySign(large, x)));
}

/// GELU, x Phi(x) = x/2 (1 + erf(x / sqrt 2)); <= 6 ulp over the whole range, the negative tail included. -inf: NaN.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V v_gelu(D d, V x) {
  const V one = hn::Set(d, 1.0f), half = hn::Set(d, 0.5f), end = hn::Set(d, 14.5f), zero = hn::Zero(d);
  const V a = hn::Abs(x);
  const V u = hn::Mul(x, hn::Set(d, 0.70710678f));
  const V erf_u = hn::MulAdd(u, erf_small(d, hn::Mul(u, u)), u);
  const V middle = hn::Mul(x, hn::MulAdd(erf_u, half, half));
  V tail = normal_tail(d, hn::Min(hn::Max(a, one), end), x);
  tail = hn::IfThenElse(hn::Gt(a, end), hn::Mul(hn::Min(x, zero), zero), tail);
  const V outer = hn::IfThenElse(hn::Lt(x, zero), tail, hn::Sub(x, tail));
  return nan_of(x, hn::IfThenElse(hn::Lt(a, one), middle, outer));
}

/// GELU's derivative Phi(x) + x phi(x), within 2^-22. +-inf: NaN, as the formula.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V v_gelu_slope(D d, V x) {
  const V one = hn::Set(d, 1.0f), half = hn::Set(d, 0.5f);
  const V a = hn::Abs(x), e = v_exp_negative(d, hn::Mul(hn::Mul(x, x), hn::Set(d, -0.5f)));
  const V u = hn::Mul(x, hn::Set(d, 0.70710678f));
  const V middle = hn::MulAdd(hn::MulAdd(erf_small(d, hn::Mul(u, u)), u, u), half, half);
  const V tail = hn::Mul(e, scaled_normal_tail(d, hn::Max(a, one)));
  const V outer = hn::IfThenElse(hn::Lt(x, hn::Zero(d)), tail, hn::Sub(one, tail));
  const V phi = hn::IfThenElse(hn::Lt(a, one), middle, outer);
  return nan_of(x, hn::MulAdd(hn::Mul(x, e), hn::Set(d, 0.39894228f), phi));
}

/// GELU's tanh form, x/2 (1 + tanh(z)) = x sigmoid(2z), z = sqrt(2/pi) (x + 0.044715 x^3). <= 4 ulp for x >= -1; below,
/// rounding of z is multiplied by it: <= 4 + 2.5 |2z| ulp.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V v_gelu_tanh(D d, V x) {
  const V x2 = hn::Mul(x, x);
  const V inner = hn::MulAdd(hn::Mul(x2, hn::Set(d, 0.0713548162726f)), x, hn::Mul(x, hn::Set(d, 1.59576912161f)));
  return hn::Mul(x, v_sigmoid(d, inner));
}

/// Its derivative s + 2 x s (1 - s) z', s = sigmoid(2z), within 2^-22. +-inf: NaN, as the formula.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V v_gelu_tanh_slope(D d, V x) {
  const V one = hn::Set(d, 1.0f), x2 = hn::Mul(x, x), k = hn::Set(d, 1.59576912f);
  const V z = hn::Mul(x, hn::MulAdd(x2, hn::Set(d, 0.0713548163f), k));
  const V e = v_sigmoid(d, hn::Neg(hn::Abs(z)));  // the smaller of s and 1 - s, which loses nothing
  const V s = hn::IfThenElse(hn::Lt(x, hn::Zero(d)), e, hn::Sub(one, e));
  const V slope = hn::MulAdd(x2, hn::Set(d, 0.214064449f), k);
  return hn::MulAdd(hn::Mul(x, hn::Mul(e, hn::Sub(one, e))), slope, s);
}

// Sigmoid and tanh where they are few among other work: calls where code is to be small.
#if GF_SMALL_LOOPS
inline HWY_NOINLINE F32Vec sigmoid_of(F32Vec x) { return v_sigmoid(F32Tag(), x); }
inline HWY_NOINLINE F32Vec tanh_of(F32Vec x) { return v_tanh(F32Tag(), x); }
#else
HWY_INLINE F32Vec sigmoid_of(F32Vec x) { return v_sigmoid(F32Tag(), x); }
HWY_INLINE F32Vec tanh_of(F32Vec x) { return v_tanh(F32Tag(), x); }
#endif

#if GF_SIMD_F64_VECTORS
// The functions below work in f64 halves: argument reduction and pow need more than f32 gives.
template <class D, class V, class F>
HWY_INLINE V in_f64(D d, V x, F f) {
  const hn::Half<D> dh;
  const hn::Repartition<double, D> dd;
  const auto low = f(dd, hn::PromoteTo(dd, hn::LowerHalf(dh, x)));
  const auto high = f(dd, hn::PromoteTo(dd, hn::UpperHalf(dh, x)));
  return hn::Combine(d, hn::DemoteTo(dh, high), hn::DemoteTo(dh, low));
}

/// sin(x + quarter_turns pi/2) for |x| <= kTrigLimit, two-part Cody-Waite reduction in f64.
inline constexpr float kTrigLimit = HWY_NATIVE_FMA ? 0x1p27f : 0x1p19f;  // without FMA n times 33 bits must be exact
struct SinF64 {
  double quarter_turns;
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    const hn::RebindToUnsigned<D> du;
    const V magic = hn::Set(d, 6755399441055744.0);  // 1.5 * 2^52
    const V t = hn::MulAdd(x, hn::Set(d, 0.63661977236758134), magic);
    const V n = hn::Sub(t, magic);
    V r = hn::NegMulAdd(n, hn::Set(d, 0x1.921fb54400000p+0), x);      // 33 bits of pi/2: n times it is exact
    r = hn::NegMulAdd(n, hn::Set(d, 0x1.0b4611a626331p-34), r);
    const V z = hn::Mul(r, r);
    V s = hn::Set(d, 2.7182372768056154e-06);
    s = hn::MulAdd(s, z, hn::Set(d, -0.00019839327136693765));
    s = hn::MulAdd(s, z, hn::Set(d, 0.008333329362281452));
    s = hn::MulAdd(s, z, hn::Set(d, -0.16666666641426536));
    s = hn::MulAdd(hn::Mul(s, z), r, r);
    V c = hn::Set(d, -2.717935544848152e-07);
    c = hn::MulAdd(c, z, hn::Set(d, 2.479903095136318e-05));
    c = hn::MulAdd(c, z, hn::Set(d, -0.0013888881032239702));
    c = hn::MulAdd(c, z, hn::Set(d, 0.04166666656124682));
    c = hn::MulAdd(c, z, hn::Set(d, -0.49999999999540573));
    c = hn::MulAdd(c, z, hn::Set(d, 1.0));
    // quadrant bits: 0 picks sine or cosine, 1 the sign
    const auto q = hn::BitCast(du, hn::Add(t, hn::Set(d, quarter_turns)));
    const auto odd = hn::Ne(hn::And(q, hn::Set(du, 1U)), hn::Zero(du));
    const V y = hn::IfThenElse(hn::MaskFromVec(hn::BitCast(d, hn::VecFromMask(du, odd))), c, s);
    return hn::Xor(y, hn::BitCast(d, hn::ShiftLeft<62>(hn::And(q, hn::Set(du, 2U)))));
  }
};
#endif

inline float scalar_sin(float x) { return std::sin(x); }
inline float scalar_cos(float x) { return std::cos(x); }
inline float scalar_pow(float x, float y) { return std::pow(x, y); }

/// sin x and cos x; <= 1 ulp; beyond kTrigLimit, and on targets without f64 vectors, std::sin and std::cos.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V v_sin(D d, V x) {
#if GF_SIMD_F64_VECTORS
  const auto fits = hn::Le(hn::Abs(x), hn::Set(d, kTrigLimit));
  const V y = in_f64(d, hn::IfThenElseZero(fits, x), SinF64{0.0});
  if (HWY_LIKELY(hn::AllTrue(d, fits))) return hn::IfThenElse(hn::Eq(x, hn::Zero(d)), x, y);
  return hn::IfThenElse(fits, y, map_lanes(d, x, scalar_sin));
#else
  return map_lanes(d, x, scalar_sin);
#endif
}
template <class D, class V = hn::Vec<D>>
HWY_INLINE V v_cos(D d, V x) {
#if GF_SIMD_F64_VECTORS
  const auto fits = hn::Le(hn::Abs(x), hn::Set(d, kTrigLimit));
  const V y = in_f64(d, hn::IfThenElseZero(fits, x), SinF64{1.0});
  if (HWY_LIKELY(hn::AllTrue(d, fits))) return y;
  return hn::IfThenElse(fits, y, map_lanes(d, x, scalar_cos));
#else
  return map_lanes(d, x, scalar_cos);
#endif
}

#if GF_SIMD_F64_VECTORS
/// 2^(y (e + log2 m)) in f64, m in [sqrt(1/2), sqrt(2)).
template <class D, class V>
HWY_INLINE V pow_f64(D d, V m, V e, V y) {
  const hn::RebindToUnsigned<D> du;
  const V one = hn::Set(d, 1.0);
  const V s = hn::Div(hn::Sub(m, one), hn::Add(m, one));
  const V z = hn::Mul(s, s);
  V l = hn::Set(d, 0.2829425543884179);
  l = hn::MulAdd(l, z, hn::Set(d, 0.3199028856108618));
  l = hn::MulAdd(l, z, hn::Set(d, 0.4122093168323602));
  l = hn::MulAdd(l, z, hn::Set(d, 0.5770779417709201));
  l = hn::MulAdd(l, z, hn::Set(d, 0.9617966941152201));
  l = hn::MulAdd(l, z, hn::Set(d, 2.885390081777849));
  V t = hn::Mul(y, hn::MulAdd(l, s, e));
  t = hn::Min(hn::Max(t, hn::Set(d, -200.0)), hn::Set(d, 200.0));
  const V magic = hn::Set(d, 6755399441055744.0);
  const V rounded = hn::Add(t, magic);
  const V f = hn::Sub(t, hn::Sub(rounded, magic));
  V p = hn::Set(d, 0.0001534579415261716);
  p = hn::MulAdd(p, f, hn::Set(d, 0.0013399957573814083));
  p = hn::MulAdd(p, f, hn::Set(d, 0.009618489225037608));
  p = hn::MulAdd(p, f, hn::Set(d, 0.055503287119934));
  p = hn::MulAdd(p, f, hn::Set(d, 0.2402264688625062));
  p = hn::MulAdd(p, f, hn::Set(d, 0.6931472057670546));
  p = hn::MulAdd(p, f, hn::Set(d, 1.0000000005550316));
  const auto exponent = hn::Add(hn::ShiftLeft<52>(hn::BitCast(du, rounded)), hn::BitCast(du, one));
  return hn::Mul(p, hn::BitCast(d, exponent));
}
#endif

/// x^y with C's special cases; <= 1 ulp. std::pow on targets without f64 vectors.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V v_pow(D d, V x, V y) {
#if GF_SIMD_F64_VECTORS
  const hn::Half<D> dh;
  const hn::Repartition<double, D> dd;
  const V one = hn::Set(d, 1.0f), zero = hn::Zero(d), inf = hn::Inf(d);
  const V a = hn::Abs(x);
  const auto tiny = hn::Lt(a, hn::Set(d, 0x1p-126f));
  V e;
  const V m = split_exponent(d, hn::IfThenElse(tiny, hn::Mul(a, hn::Set(d, 0x1p23f)), a), e);
  e = hn::Sub(e, hn::IfThenElseZero(tiny, hn::Set(d, 23.0f)));
  const auto low = pow_f64(dd, hn::PromoteTo(dd, hn::LowerHalf(dh, m)), hn::PromoteTo(dd, hn::LowerHalf(dh, e)),
                           hn::PromoteTo(dd, hn::LowerHalf(dh, y)));
  const auto high = pow_f64(dd, hn::PromoteTo(dd, hn::UpperHalf(dh, m)), hn::PromoteTo(dd, hn::UpperHalf(dh, e)),
                            hn::PromoteTo(dd, hn::UpperHalf(dh, y)));
  V r = hn::Combine(d, hn::DemoteTo(dh, high), hn::DemoteTo(dh, low));
  const auto growing = hn::Gt(y, zero);
  r = hn::IfThenElse(hn::Eq(a, zero), hn::IfThenElse(growing, zero, inf), r);
  r = hn::IfThenElse(hn::Eq(a, inf), hn::IfThenElse(growing, inf, zero), r);
  r = hn::IfThenElse(hn::Eq(a, one), one, r);
  // negative base: NaN unless y is an integer, sign of an odd one
  const V half = hn::Mul(y, hn::Set(d, 0.5f));
  const auto integer = hn::Or(hn::Eq(hn::Round(y), y), hn::Eq(hn::Abs(y), inf));
  const auto odd = hn::And(integer, hn::And(hn::Ne(hn::Round(half), half), hn::Lt(hn::Abs(y), inf)));
  const V sign = hn::And(x, hn::SignBit(d));
  r = hn::IfThenElse(odd, hn::Xor(r, sign), r);
  const auto undefined = hn::And(hn::And(hn::Lt(x, zero), hn::Lt(a, inf)), hn::Not(integer));
  r = hn::IfThenElse(undefined, hn::NaN(d), r);
  r = hn::IfThenElse(hn::Or(hn::IsNaN(x), hn::IsNaN(y)), hn::Add(x, y), r);
  return hn::IfThenElse(hn::Or(hn::Eq(x, one), hn::Eq(y, zero)), one, r);
#else
  return map_lanes(d, x, y, scalar_pow);
#endif
}

}  // namespace gf::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // toggled guard
