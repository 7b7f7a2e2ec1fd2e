// Elementary functions of f64 without tables: the C library's come with 14 kB of them, which do not compress. Errors are below 1
// ulp (expm1, pow: 2, tan: 2.5). Logarithm and power go through double-double arithmetic (Dekker 1971), the reduction of angles through integers
// (Payne & Hanek 1983); polynomials are interpolations at Chebyshev nodes. Pure functions, any thread.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

#include "runtime/core/bit_cast.h"

namespace gf::wasm {

inline constexpr double kInfinity = std::numeric_limits<double>::infinity(), kNan = std::numeric_limits<double>::quiet_NaN();
/// ln 2 in two parts: a whole number of up to 20 bits times the first is exact.
inline constexpr double kLn2High = 0x1.62e42fef00000p-1, kLn2Low = 0x1.473de6af278edp-34;

template <int N>
double polynomial(const double (&c)[N], double x) {
  double y = c[N - 1];
  for (int k = N - 2; k >= 0; --k) y = y * x + c[k];
  return y;
}

/// A number as the sum of two.
struct Pair {
  double high, low;
};
/// The sum, exactly, where |a| >= |b| or a = 0.
inline Pair sum_of(double a, double b) {
  const double high = a + b;
  return {high, b - (high - a)};
}
/// The product, exactly, where nothing overflows.
inline Pair product_of(double a, double b) {
  constexpr double kSplit = 0x1p27 + 1;
  const double p = kSplit * a, q = kSplit * b;
  const double a1 = p - (p - a), a2 = a - a1, b1 = q - (q - b), b2 = b - b1, high = a * b;
  return {high, a2 * b2 - (((high - a1 * b1) - a2 * b1) - a1 * b2)};
}
inline Pair product_of(Pair a, Pair b) {
  Pair p = product_of(a.high, b.high);
  p.low += a.high * b.low + a.low * b.high;
  return p;
}

inline double power_of_two(int64_t k) { return bit_cast<double>(static_cast<uint64_t>(k + 1023) << 52); }

// --- exponentials ------------------------------------------------------------------------------------------------------

/// e^(high + low) = (1 + result) * 2^k.
inline double exp_minus_one(Pair x, int64_t& k) {
  static constexpr double kTerms[] = {0.5, 0.1666666666666667, 0.04166666666666667, 0.008333333333326136, 0.0013888888888883748, 0.00019841269874820627,
                                      2.4801587325547743e-05, 2.7557255400206422e-06, 2.75572736431103e-07, 2.5105217004720745e-08, 2.0914686968086876e-09};
  const double n = std::nearbyint(x.high * 0x1.71547652b82fep+0);
  k = static_cast<int64_t>(n);
  const double r = (x.high - n * kLn2High) - (n * kLn2Low - x.low);
  return r + r * r * polynomial(kTerms, r);
}
inline double exp_of(Pair x) {
  if (!(x.high < 710)) return x.high + kInfinity;  // NaN stays
  if (x.high < -746) return 0;
  int64_t k = 0;
  const double y = 1 + exp_minus_one(x, k);
  return y * power_of_two(k >> 1) * power_of_two(k - (k >> 1));  // in two steps: at the ends one has no such power
}
inline double exp(double x) { return exp_of({x, 0}); }

inline double expm1(double x) {
  if (!(x < 709)) return exp(x);
  if (x < -40) return -1;
  if (std::fabs(x) < 0x1p-54) return x;
  int64_t k = 0;
  const double y = exp_minus_one({x, 0}, k);
  return (y + (1 - power_of_two(-k))) * power_of_two(k);
}

// --- logarithms --------------------------------------------------------------------------------------------------------

/// ln((1 + f.high + f.low) * 2^k) with 1 + f between the roots of 1/2 and 2: k ln 2 + 2 artanh(f / (2 + f)), to 66 bits.
inline Pair log_of(Pair f, int64_t k) {
  static constexpr double kTerms[] = {0.4, 0.2857142857142937, 0.22222222221652765, 0.18181818336100042, 0.15384594886986175, 0.13334808799953698,
                                      0.11706126434027067, 0.11724327379875762};
  const Pair t = sum_of(2, f.high);
  Pair s{f.high / t.high, 0};
  const Pair back = product_of(s.high, t.high);
  s.low = ((f.high - back.high) - back.low + f.low - s.high * (t.low + f.low)) / t.high;
  const Pair square = product_of(s, s), cube = product_of(s, square);
  const Pair third = product_of(cube, {0x1.5555555555555p-1, 0x1.5555555555555p-55});
  const Pair first = sum_of(2 * s.high, third.high);
  const double rest = first.low + (2 * s.low + third.low + cube.high * square.high * polynomial(kTerms, square.high));
  const auto n = static_cast<double>(k);
  const Pair whole = sum_of(n * kLn2High, first.high);
  return sum_of(whole.high, whole.low + (n * kLn2Low + rest));
}
/// Of a positive number x and a far smaller one.
inline Pair log_of(double x, double low) {
  constexpr uint64_t kRootOfHalf = 0x3fe6a09e00000000;
  int64_t k = 0;
  if (x < 0x1p-1022) {  // subnormal
    x *= 0x1p54;
    k = -54;
  }
  const auto bits = bit_cast<uint64_t>(x);
  const int64_t shift = static_cast<int64_t>(bits - kRootOfHalf) >> 52;
  const auto m = bit_cast<double>(bits - (static_cast<uint64_t>(shift) << 52));
  return log_of({m - 1, low == 0 ? 0 : low * power_of_two(-shift)}, k + shift);
}
inline double log(double x) {
  if (x > 0 && x < kInfinity) return log_of(x, 0).high;
  return x == 0 ? -kInfinity : x < 0 ? kNan : x;
}
inline double log1p(double x) {
  if (!(x > -1) || x > 0x1p53) return log(1 + x);
  if (std::fabs(x) < 0x1p-54) return x;
  const double y = 1 + x;
  return log_of(y, std::fabs(x) < 1 ? x - (y - 1) : 1 - (y - x)).high;
}

inline double pow(double x, double y) {
  if (y == 0 || x == 1) return 1;
  if (x != x || y != y) return x + y;
  const double size = std::fabs(y), ax = std::fabs(x);
  const bool whole = std::trunc(y) == y, odd = whole && size < 0x1p53 && (static_cast<int64_t>(size) & 1) != 0;
  const double sign = odd && std::signbit(x) ? -1 : 1;
  if (ax == 0 || ax == kInfinity) return sign * ((ax == 0) == (y < 0) ? kInfinity : 0.0);
  if (x < 0 && !whole) return kNan;
  // beyond 2^65 every power but those of 1 is 0 or infinity
  const Pair ln = log_of(ax, 0), power = product_of({size < 0x1p65 ? y : std::copysign(0x1p65, y), 0}, ln);
  return sign * exp_of(power);
}

// --- angles ------------------------------------------------------------------------------------------------------------

/// |x| as n quarters of a turn and the rest, at most an eighth in size; n modulo 4, of a finite x.
inline Pair reduce_angle(double x, unsigned& n) {
  static constexpr uint32_t kTwoByPi[] = {  // bits after the point, behind 64 zeros
      0x00000000, 0x00000000, 0xa2f9836e, 0x4e441529, 0xfc2757d1, 0xf534ddc0, 0xdb629599, 0x3c439041, 0xfe5163ab, 0xdebbc561,
      0xb7246e3a, 0x424dd2e0, 0x06492eea, 0x09d1921c, 0xfe1deb1c, 0xb129a73e, 0xe88235f5, 0x2ebb4484, 0xe99c7026, 0xb45f7e41,
      0x3991d639, 0x835339f4, 0x9c845f8b, 0xbdf9283b, 0x1ff897ff, 0xde05980f, 0xef2f118b, 0x5a0a6d1f, 0x6d367ecf, 0x27cb09b7,
      0x4f463f66, 0x9e5fea2d, 0x7527bac7, 0xebe5f17b, 0x3d0739f7, 0x8a5292ea, 0x6bfb5fb1, 0x1f8d5d08, 0x56033046, 0xfc7b6bab};
  n = 0;
  x = std::fabs(x);
  if (x < 0.78) return {x, 0};
  // x = mantissa * 2^exponent; of 2 / pi the 192 bits from weight 2 / 2^exponent on: higher ones give multiples of 4
  const auto bits = bit_cast<uint64_t>(x);
  const uint64_t mantissa = (bits & ((uint64_t{1} << 52) - 1)) | uint64_t{1} << 52;
  const unsigned first = static_cast<unsigned>(bits >> 52) - 1075 + 62;
  uint32_t product[6] = {};  // of mantissa and those bits modulo 2^192, least first; two bits stand before the point
  for (unsigned half = 0; half < 2; ++half) {
    const uint64_t factor = half == 0 ? mantissa & 0xffffffff : mantissa >> 32;
    uint64_t carry = 0;
    for (unsigned j = half; j < 6; ++j) {
      const unsigned at = first + 32 * (5 + half - j);
      const uint64_t two = uint64_t{kTwoByPi[at / 32]} << 32 | kTwoByPi[at / 32 + 1];
      carry += factor * (two << at % 32 >> 32) + product[j];
      product[j] = static_cast<uint32_t>(carry);
      carry >>= 32;
    }
  }
  uint64_t high = uint64_t{product[5]} << 32 | product[4], low = uint64_t{product[3]} << 32 | product[2];
  n = static_cast<unsigned>(high >> 62);
  high = high << 2 | low >> 62;
  low <<= 2;
  const bool up = high >> 63 != 0;  // the rest counts from the next quarter
  if (up) {
    ++n;
    low = ~low;
    high = ~high;
  }
  int lost = 0;
  for (; high >> 63 == 0 && lost < 64; ++lost) {
    high = high << 1 | low >> 63;
    low <<= 1;
  }
  const double scale = power_of_two(-lost) * (up ? -1 : 1);
  const Pair part{static_cast<double>(high >> 11) * (scale * 0x1p-53), static_cast<double>(high << 53 | low >> 11) * (scale * 0x1p-117)};
  return product_of(part, {0x1.921fb54442d18p+0, 0x1.1a62633145c07p-54});
}
/// Sine of an angle of at most an eighth of a turn; with `quarter` that of a quarter more.
inline double sine_of(Pair y, unsigned quarters) {
  static constexpr double kSine[] = {-0.16666666666666666, 0.008333333333333331, -0.0001984126984126506, 2.7557319219335453e-06, -2.5052106231157904e-08,
                                     1.605853141458901e-10, -7.586685070091267e-13};
  static constexpr double kCosine[] = {0.041666666666666664,    -0.0013888888888887395, 2.4801587298763433e-05,
                                       -2.7557317270560326e-07, 2.0876146024689747e-09, -1.1382614868556325e-11};
  const double z = y.high * y.high, half = z / 2;
  double value = 0;
  if ((quarters & 1) == 0) {
    value = y.high + (y.high * z * polynomial(kSine, z) + y.low * (1 - half));
  } else {
    const double w = 1 - half;
    value = w + (((1 - w) - half) + (z * z * polynomial(kCosine, z) - y.high * y.low));
  }
  return (quarters & 2) == 0 ? value : -value;
}

inline double sin(double x) {
  if (!(std::fabs(x) < kInfinity)) return kNan;
  unsigned n = 0;
  const Pair y = reduce_angle(x, n);
  return std::copysign(1.0, x) * sine_of(y, n);
}
inline double cos(double x) {
  if (!(std::fabs(x) < kInfinity)) return kNan;
  unsigned n = 0;
  const Pair y = reduce_angle(x, n);
  return sine_of(y, n + 1);
}
inline double tan(double x) {
  if (!(std::fabs(x) < kInfinity)) return kNan;
  unsigned n = 0;
  const Pair y = reduce_angle(x, n);
  return std::copysign(1.0, x) * (sine_of(y, n) / sine_of(y, n + 1));
}

}  // namespace gf::wasm
