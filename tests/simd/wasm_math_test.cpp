// The elementary functions of ops/wasm/math.h against those of the C library in long double, where that has more digits. Not in a
// WebAssembly module, which has them in the library's place: there the tests of ops meet them.
#ifndef __wasm__
#include "ops/wasm/math.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

namespace gf {
namespace {

constexpr bool kWide = std::numeric_limits<long double>::digits >= 64;
constexpr int kSamples = 200000;

struct Random {
  std::mt19937_64 bits{11};
  double between(double low, double high) { return low + (high - low) * (static_cast<double>(bits() >> 11) * 0x1p-53); }
  double any() { return bit_cast<double>(bits()); }
};

// Distance in units of the last place of the expected value; infinities and NaN must be met.
double distance(double actual, long double expected) {
  const auto e = static_cast<double>(expected);
  if (std::isnan(e) || std::isinf(e) || std::isnan(actual) || std::isinf(actual)) return (std::isnan(e) && std::isnan(actual)) || e == actual ? 0 : 1e9;
  int exponent = 0;
  std::frexp(e, &exponent);
  const long double unit = std::ldexp(1.0L, e == 0 || exponent < -1021 ? -1074 : exponent - 53);
  return static_cast<double>(std::fabs(static_cast<long double>(actual) - expected) / unit);
}

template <class F, class G, class X>
void expect_within(const char* what, double bound, F&& ours, G&& theirs, X&& sample) {
  double worst = 0, at = 0;
  for (int k = 0; k < kSamples; ++k) {
    const double x = sample(), d = distance(ours(x), theirs(static_cast<long double>(x)));
    if (d > worst) {
      worst = d;
      at = x;
    }
  }
  EXPECT_LE(worst, bound) << what << " at " << at;
}

#define GF_EXPECT_WITHIN(bound, f, sample) \
  expect_within(#f " of " #sample, bound, [](double x) { return wasm::f(x); }, [](long double x) { return std::f(x); }, [&] { return sample; })

TEST(WasmMath, Exponentials) {
  if (!kWide) GTEST_SKIP() << "long double is no wider here";
  Random r;
  GF_EXPECT_WITHIN(1, exp, r.any());
  GF_EXPECT_WITHIN(1, exp, r.between(-746, 711));
  GF_EXPECT_WITHIN(1, exp, r.between(-1, 1));
  GF_EXPECT_WITHIN(2, expm1, r.any());
  GF_EXPECT_WITHIN(2, expm1, r.between(-50, 711));
  GF_EXPECT_WITHIN(2, expm1, r.between(-1, 1));
  GF_EXPECT_WITHIN(1, expm1, r.between(-1e-3, 1e-3));
}

TEST(WasmMath, Logarithms) {
  if (!kWide) GTEST_SKIP() << "long double is no wider here";
  Random r;
  GF_EXPECT_WITHIN(1, log, r.any());
  GF_EXPECT_WITHIN(1, log, r.between(0.5, 2));
  GF_EXPECT_WITHIN(1, log, 1 + r.between(-1e-6, 1e-6));
  GF_EXPECT_WITHIN(1, log1p, r.any());
  GF_EXPECT_WITHIN(1, log1p, r.between(-1, 1));
  GF_EXPECT_WITHIN(1, log1p, r.between(-1e-9, 1e-9));
  GF_EXPECT_WITHIN(1, log1p, r.between(0, 1e4));
}

TEST(WasmMath, Power) {
  if (!kWide) GTEST_SKIP() << "long double is no wider here";
  Random r;
  double worst = 0;
  const auto meet = [&](double x, double y) { worst = std::max(worst, distance(wasm::pow(x, y), std::pow(static_cast<long double>(x), static_cast<long double>(y)))); };
  for (int k = 0; k < kSamples; ++k) {
    meet(r.any(), r.any());
    meet(r.between(0, 4), r.between(-20, 20));
    meet(r.between(-40, 40), std::floor(r.between(-9, 9)));
    const double x = r.between(0.7, 1.42);
    meet(x, r.between(-745, 709) / std::log(x));
  }
  EXPECT_LE(worst, 2);
}

TEST(WasmMath, Angles) {
  if (!kWide) GTEST_SKIP() << "long double is no wider here";
  Random r;
  for (const double most : {1e-3, 10.0, 1e6, 1e12}) {
    GF_EXPECT_WITHIN(1, sin, r.between(-most, most));
    GF_EXPECT_WITHIN(1, cos, r.between(-most, most));
    GF_EXPECT_WITHIN(2.5, tan, r.between(-most, most));
  }
  // near multiples of a quarter turn almost all digits cancel
  GF_EXPECT_WITHIN(1, sin, static_cast<double>(1.57079632679489661923L * static_cast<long double>(r.bits() % 1000000)));
  GF_EXPECT_WITHIN(1, cos, static_cast<double>(1.57079632679489661923L * static_cast<long double>(r.bits() % 1000000)));
  // of any size, by the C library's double functions, which are off by up to 1 themselves
  expect_within("sin", 2, [](double x) { return wasm::sin(x); }, [](long double x) { return std::sin(static_cast<double>(x)); }, [&] { return r.any(); });
  expect_within("cos", 2, [](double x) { return wasm::cos(x); }, [](long double x) { return std::cos(static_cast<double>(x)); }, [&] { return r.any(); });
}

// Where C's annex F says what comes out, sign of zero included.
TEST(WasmMath, SpecialValues) {
  constexpr double kInf = std::numeric_limits<double>::infinity(), kNan = std::numeric_limits<double>::quiet_NaN();
  const double values[] = {0.0, -0.0, 1, -1, 2, -2, 3, -3, 0.5, -0.5, kInf, -kInf, kNan, 1e300, -1e300, 5e-324, -5e-324, 0x1p53, -0x1p53, 0x1p52 + 1, -(0x1p52 + 1)};
  const auto same = [](double a, double b) {
    if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && std::isnan(b);
    return std::signbit(a) == std::signbit(b) && (a == b || std::fabs(a - b) <= 1e-15 * std::fabs(b));
  };
  for (const double x : values) {
    EXPECT_TRUE(same(wasm::exp(x), std::exp(x))) << "exp " << x;
    EXPECT_TRUE(same(wasm::expm1(x), std::expm1(x))) << "expm1 " << x;
    EXPECT_TRUE(same(wasm::log(x), std::log(x))) << "log " << x;
    EXPECT_TRUE(same(wasm::log1p(x), std::log1p(x))) << "log1p " << x;
    EXPECT_TRUE(same(wasm::sin(x), std::sin(x))) << "sin " << x;
    EXPECT_TRUE(same(wasm::cos(x), std::cos(x))) << "cos " << x;
    EXPECT_TRUE(same(wasm::tan(x), std::tan(x))) << "tan " << x;
    for (const double y : values) EXPECT_TRUE(same(wasm::pow(x, y), std::pow(x, y))) << "pow " << x << ", " << y << " gives " << wasm::pow(x, y);
  }
}

}  // namespace
}  // namespace gf
#endif
