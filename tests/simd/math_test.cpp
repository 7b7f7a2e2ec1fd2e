// Error in ulp of every vector function on every ISA, against long double, over all binades; special values.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <limits>

#include "ops/cpu/simd/elementwise.h"
#include "tests/simd/vec_support.h"

namespace gf::simd {
namespace {

using test::available_isas;
using test::ulp_error;
using Ld = long double;

struct Case {
  const char* name;
  UnaryKind kind;
  Ld (*reference)(Ld);
  double max_ulp;
  float low = -std::numeric_limits<float>::infinity();  // values outside are not measured
};

Ld phi(Ld x) { return 0.5L * std::erfc(-x * std::sqrt(0.5L)); }
Ld sigmoid(Ld x) { return x < 0 ? std::exp(x) / (1 + std::exp(x)) : 1 / (1 + std::exp(-x)); }
Ld softplus(Ld x) { return x > 0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x)); }
Ld gelu_tanh(Ld x) {
  return x * sigmoid(2.0L * 0.797884560802865355879892119868763737L * (x + 0.044715L * x * x * x));
}

const Case kCases[] = {
    {"exp", UnaryKind::Exp, [](Ld x) { return std::exp(x); }, 2},
    {"expm1", UnaryKind::Expm1, [](Ld x) { return std::expm1(x); }, 3},
    {"log", UnaryKind::Log, [](Ld x) { return std::log(x); }, 2},
    {"log1p", UnaryKind::Log1p, [](Ld x) { return std::log1p(x); }, 2},
    {"sin", UnaryKind::Sin, [](Ld x) { return std::sin(x); }, 1},
    {"cos", UnaryKind::Cos, [](Ld x) { return std::cos(x); }, 1},
    {"tan", UnaryKind::Tan, [](Ld x) { return std::tan(x); }, 2},
    {"asin", UnaryKind::Asin, [](Ld x) { return std::asin(x); }, 2},
    {"acos", UnaryKind::Acos, [](Ld x) { return std::acos(x); }, 2},
    {"atan", UnaryKind::Atan, [](Ld x) { return std::atan(x); }, 2},
    {"sinh", UnaryKind::Sinh, [](Ld x) { return std::sinh(x); }, 3},
    {"cosh", UnaryKind::Cosh, [](Ld x) { return std::cosh(x); }, 3},
    {"asinh", UnaryKind::Asinh, [](Ld x) { return std::asinh(x); }, 3},
    {"acosh", UnaryKind::Acosh, [](Ld x) { return x < 1 ? std::numeric_limits<Ld>::quiet_NaN() : std::acosh(x); }, 3},  // musl's gives numbers below -1
    {"atanh", UnaryKind::Atanh, [](Ld x) { return std::atanh(x); }, 3},
    {"tanh", UnaryKind::Tanh, [](Ld x) { return std::tanh(x); }, 3},
    {"sigmoid", UnaryKind::Sigmoid, sigmoid, 3},
    {"softplus", UnaryKind::Softplus, softplus, 3},
    {"erf", UnaryKind::Erf, [](Ld x) { return std::erf(x); }, 2},
    {"gelu", UnaryKind::Gelu, [](Ld x) { return x * phi(x); }, 6},
    {"gelu_tanh", UnaryKind::GeluTanh, gelu_tanh, 4, -1.0f},
    {"silu", UnaryKind::Silu, [](Ld x) { return x * sigmoid(x); }, 4},
    {"mish", UnaryKind::Mish, [](Ld x) { return x * std::tanh(softplus(x)); }, 5},
    {"sqrt", UnaryKind::Sqrt, [](Ld x) { return std::sqrt(x); }, 0.5},
    {"rsqrt", UnaryKind::Rsqrt, [](Ld x) { return 1 / std::sqrt(x); }, 1.5},
    {"reciprocal", UnaryKind::Reciprocal, [](Ld x) { return 1 / x; }, 0.5},
};

TEST(SimdMath, UnaryErrorsStayWithinTheStatedUlp) {
  const std::vector<float> x = test::sweep();
  std::vector<float> y(x.size());
  for (const Case& c : kCases) {
    std::vector<Ld> want(x.size());
    for (size_t i = 0; i < x.size(); ++i) want[i] = c.reference(static_cast<Ld>(x[i]));
    for (const Isa isa : available_isas()) {
      unary_f32(isa, c.kind)(x.data(), y.data(), static_cast<int64_t>(x.size()), 0, 0);
      double worst = 0;
      float at = 0;
      for (size_t i = 0; i < x.size(); ++i) {
        if (x[i] < c.low) continue;
        const double e = ulp_error(y[i], want[i]);
        if (e > worst) {
          worst = e;
          at = x[i];
        }
      }
      std::printf("%-12s %-10s max %.3f ulp at %a\n", c.name, isa_name(isa), worst, static_cast<double>(at));
      EXPECT_LE(worst, c.max_ulp) << c.name << " on " << isa_name(isa) << " at " << at;
    }
  }
}

TEST(SimdMath, GeluTanhTailGrowsOnlyWithItsArgument) {
  const std::vector<float> x = test::random_floats(200000, 3, -10.0f, -1.0f);
  std::vector<float> y(x.size());
  for (const Isa isa : available_isas()) {
    unary_f32(isa, UnaryKind::GeluTanh)(x.data(), y.data(), static_cast<int64_t>(x.size()), 0, 0);
    double worst = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      const double z = 1.5957691216 * std::fabs(x[i] + 0.044715 * x[i] * x[i] * x[i]);
      if (z > 103) continue;  // the result is 0 or the least denormal
      worst = std::max(worst, ulp_error(y[i], gelu_tanh(static_cast<Ld>(x[i]))) / (4 + 2.5 * z));
    }
    EXPECT_LE(worst, 1.0) << isa_name(isa);
  }
}

TEST(SimdMath, PowIsWithinOneUlpAndHasTheSpecialCasesOfC) {
  std::vector<float> a, b;
  std::mt19937 engine(5);
  std::uniform_int_distribution<uint32_t> bits;
  for (int i = 0; i < 300000; ++i) {
    const uint32_t word = bits(engine) & 0x7fffffffU;
    float f;
    std::memcpy(&f, &word, 4);
    // exponents that keep the result in range half of the time
    std::uniform_real_distribution<float> spread(-2.0f, 2.0f);
    const float scale = std::isfinite(f) && f > 0 ? 88.0f / std::max(1e-3f, std::fabs(std::log(f))) : 3.0f;
    a.push_back(f);
    b.push_back(spread(engine) * scale);
  }
  for (const float f : test::random_floats(100000, 9, -3.0f, 3.0f)) {
    a.push_back(f);
    b.push_back(std::round(f * 7.0f));
  }
  const float special[] = {0.0f, -0.0f, 1.0f, -1.0f, 2.0f, -2.0f, 3.0f, -3.0f, 0.5f, -0.5f, INFINITY, -INFINITY, NAN,
                           1e-42f, -1e-42f, 1e30f, -1e30f, 0.99999994f, 1.0000001f, 16777217.0f};
  for (const float p : special) {
    for (const float q : special) {
      a.push_back(p);
      b.push_back(q);
    }
  }
  std::vector<float> y(a.size());
  for (const Isa isa : available_isas()) {
    binary_f32(isa, BinaryKind::Pow, Operands::VectorVector)(a.data(), b.data(), y.data(),
                                                             static_cast<int64_t>(a.size()));
    double worst = 0;
    for (size_t i = 0; i < a.size(); ++i) {
      const Ld want = std::pow(static_cast<Ld>(a[i]), static_cast<Ld>(b[i]));
      const double e = ulp_error(y[i], want);
      ASSERT_LE(e, 1.0) << isa_name(isa) << " pow(" << a[i] << ", " << b[i] << ") = " << y[i];
      if (static_cast<float>(want) == 0) { ASSERT_EQ(std::signbit(y[i]), std::signbit(want)) << a[i] << " " << b[i]; }
      worst = std::max(worst, e);
    }
    std::printf("%-12s %-10s max %.3f ulp\n", "pow", isa_name(isa), worst);
  }
}

TEST(SimdMath, SpecialValues) {
  for (const Isa isa : available_isas()) {
    const auto at = [isa](UnaryKind kind, float x, float p0 = 0, float p1 = 0) {
      float y = 42;
      unary_f32(isa, kind)(&x, &y, 1, p0, p1);
      return y;
    };
    const float inf = INFINITY;
    for (int k = 0; k < kUnaryKinds; ++k) {
      const auto kind = static_cast<UnaryKind>(k);
      const float y = at(kind, NAN, 0.5f, 1.0f);
      if (kind == UnaryKind::ThresholdedRelu || kind == UnaryKind::Shrink) EXPECT_EQ(y, 0.0f) << k;  // NaN > a is false
      else EXPECT_TRUE(std::isnan(y)) << "kind " << k << " on " << isa_name(isa);
    }
    EXPECT_EQ(at(UnaryKind::Exp, inf), inf);
    EXPECT_EQ(at(UnaryKind::Exp, -inf), 0.0f);
    EXPECT_EQ(at(UnaryKind::Expm1, -inf), -1.0f);
    EXPECT_EQ(at(UnaryKind::Log, 0.0f), -inf);
    EXPECT_TRUE(std::isnan(at(UnaryKind::Log, -1.0f)));
    EXPECT_EQ(at(UnaryKind::Log, inf), inf);
    EXPECT_EQ(at(UnaryKind::Log1p, -1.0f), -inf);
    EXPECT_EQ(at(UnaryKind::Tanh, inf), 1.0f);
    EXPECT_EQ(at(UnaryKind::Tanh, -inf), -1.0f);
    EXPECT_EQ(at(UnaryKind::Sigmoid, -inf), 0.0f);
    EXPECT_EQ(at(UnaryKind::Sigmoid, inf), 1.0f);
    EXPECT_EQ(at(UnaryKind::Erf, inf), 1.0f);
    EXPECT_EQ(at(UnaryKind::Erf, -inf), -1.0f);
    EXPECT_EQ(at(UnaryKind::Softplus, inf), inf);
    EXPECT_EQ(at(UnaryKind::Gelu, inf), inf);
    EXPECT_TRUE(std::isnan(at(UnaryKind::Sin, inf)));
    EXPECT_TRUE(std::signbit(at(UnaryKind::Sin, -0.0f)));
    EXPECT_TRUE(std::signbit(at(UnaryKind::Tanh, -0.0f)));
  }
}

}  // namespace
}  // namespace gf::simd
