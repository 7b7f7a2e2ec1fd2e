// Elementwise tile functions against plain formulas: every kind, operand mode, ISA, tail length, in place, NaN; casts.
#include "ops/cpu/simd/elementwise.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "runtime/core/half.h"
#include "tests/simd/vec_support.h"

namespace gf::simd {
namespace {

using test::available_isas;
using test::random_floats;

double formula(UnaryKind kind, double x, double p0, double p1) {
  const auto clip = [](double v, double low, double high) { return std::min(std::max(v, low), high); };
  switch (kind) {
    case UnaryKind::Identity: return x;
    case UnaryKind::Abs: return std::fabs(x);
    case UnaryKind::Neg: return -x;
    case UnaryKind::Square: return x * x;
    case UnaryKind::Ceil: return std::ceil(x);
    case UnaryKind::Floor: return std::floor(x);
    case UnaryKind::Round: return std::nearbyint(x);
    case UnaryKind::Trunc: return std::trunc(x);
    case UnaryKind::Sign: return x > 0 ? 1 : x < 0 ? -1 : 0;
    case UnaryKind::Relu: return std::max(x, 0.0);
    case UnaryKind::LeakyRelu: return x < 0 ? p0 * x : x;
    case UnaryKind::Elu: return x < 0 ? p0 * std::expm1(x) : x;
    case UnaryKind::Selu: return p1 * (x <= 0 ? p0 * std::expm1(x) : x);
    case UnaryKind::Celu: return std::max(0.0, x) + std::min(0.0, p0 * std::expm1(x / p0));
    case UnaryKind::Softsign: return x / (1 + std::fabs(x));
    case UnaryKind::HardSigmoid: return clip(p0 * x + p1, 0, 1);
    case UnaryKind::HardSwish: return x * clip(x / 6 + 0.5, 0, 1);
    case UnaryKind::ThresholdedRelu: return x > p0 ? x : 0;
    case UnaryKind::Shrink: return x < -p1 ? x + p0 : x > p1 ? x - p0 : 0;
    case UnaryKind::Clip: return clip(x, p0, p1);
    case UnaryKind::Affine: return p0 * x + p1;
    case UnaryKind::Swish: return x / (1 + std::exp(-p0 * x));
    default: return NAN;  // measured in math_test.cpp
  }
}

TEST(SimdElementwise, UnaryFormulasAtEveryLengthAndInPlace) {
  const float p0 = 0.4f, p1 = 0.9f;
  for (const Isa isa : available_isas()) {
    for (int k = 0; k < kUnaryKinds; ++k) {
      const auto kind = static_cast<UnaryKind>(k);
      if (std::isnan(formula(kind, 1.0, p0, p1))) continue;
      for (int64_t n = 0; n < 70; n += n < 40 ? 1 : 13) {
        std::vector<float> x = random_floats(static_cast<size_t>(n) + 1, static_cast<uint32_t>(n), -4.0f, 4.0f);
        if (n > 3) x[3] = 2.5f;
        std::vector<float> y(x.size(), 77.0f);
        unary_f32(isa, kind)(x.data(), y.data(), n, p0, p1);
        EXPECT_EQ(y.back(), 77.0f) << "wrote past the end";
        for (size_t i = 0; i < static_cast<size_t>(n); ++i) {
          const double want = formula(kind, x[i], p0, p1);
          ASSERT_NEAR(y[i], want, 4e-7 * std::max(0.5, std::fabs(want)))
              << "kind " << k << " x " << x[i] << " on " << isa_name(isa);
        }
        y.back() = x.back();
        unary_f32(isa, kind)(x.data(), x.data(), n, p0, p1);
        EXPECT_TRUE(test::same_bits(x, y));
      }
    }
  }
}

TEST(SimdElementwise, LanesDoNotDependOnTheirPlace) {
  const std::vector<float> x = random_floats(67, 4, -20.0f, 20.0f);
  for (const Isa isa : available_isas()) {
    for (int k = 0; k < kUnaryKinds; ++k) {
      std::vector<float> all(x.size()), single(x.size());
      const UnaryF32 f = unary_f32(isa, static_cast<UnaryKind>(k));
      f(x.data(), all.data(), 67, 0.3f, 0.7f);
      for (size_t i = 0; i < x.size(); ++i) f(&x[i], &single[i], 1, 0.3f, 0.7f);
      EXPECT_TRUE(test::same_bits(all, single)) << "kind " << k << " on " << isa_name(isa);
    }
  }
}

float formula(BinaryKind kind, float a, float b) {
  switch (kind) {
    case BinaryKind::Add: return a + b;
    case BinaryKind::Sub: return a - b;
    case BinaryKind::Mul: return a * b;
    case BinaryKind::Div: return a / b;
    case BinaryKind::Min: return std::isnan(a) || std::isnan(b) ? NAN : std::min(a, b);
    case BinaryKind::Max: return std::isnan(a) || std::isnan(b) ? NAN : std::max(a, b);
    case BinaryKind::Pow: return static_cast<float>(std::pow(static_cast<double>(a), static_cast<double>(b)));
    case BinaryKind::Fmod: return std::fmod(a, b);
    case BinaryKind::Prelu: return a < 0 ? a * b : a;
    case BinaryKind::GeluGrad:
    case BinaryKind::GeluTanhGrad: {  // in float64; see SlopesOfGelu in gradient_test.cpp for the accuracy over the whole range
      const double x = static_cast<double>(a), k = std::sqrt(2 / M_PI), t = std::tanh(k * (x + 0.044715 * x * x * x));
      const double exact = 0.5 * std::erfc(-x * std::sqrt(0.5)) + x * std::exp(-x * x / 2) / std::sqrt(2 * M_PI);
      const double form = 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * k * (1 + 3 * 0.044715 * x * x);
      return b * static_cast<float>(kind == BinaryKind::GeluGrad ? exact : form);
    }
  }
  return NAN;
}

TEST(SimdElementwise, BinaryFormulasInEveryMode) {
  const float specials[] = {NAN, INFINITY, -INFINITY, 0.0f, -0.0f, 1e-41f, 2.0f, 0.5f, -1.0f};
  for (const Isa isa : available_isas()) {
    for (int k = 0; k < kBinaryKinds; ++k) {
      const auto kind = static_cast<BinaryKind>(k);
      for (size_t n = 0; n < 60; n += n < 36 ? 1 : 11) {
        std::vector<float> a = random_floats(n + 1, 1, -3.0f, 3.0f), b = random_floats(n + 1, 2, -3.0f, 3.0f);
        for (size_t i = 0; i < n; ++i) {
          if (i % 3 == 1) a[i] = specials[i % 9];
          if (i % 5 == 2) b[i] = specials[(i / 5) % 9];
        }
        for (int m = 0; m < 3; ++m) {
          for (const float scalar : {0.75f, 2.0f, 0.5f, -1.0f, 3.0f}) {
            std::vector<float> y(n + 1, 5.0f);
            const auto mode = static_cast<Operands>(m);
            const float* pa = mode == Operands::ScalarVector ? &scalar : a.data();
            const float* pb = mode == Operands::VectorScalar ? &scalar : b.data();
            binary_f32(isa, kind, mode)(pa, pb, y.data(), static_cast<int64_t>(n));
            EXPECT_EQ(y[n], 5.0f);
            for (size_t i = 0; i < n; ++i) {
              const float x0 = mode == Operands::ScalarVector ? scalar : a[i];
              const float x1 = mode == Operands::VectorScalar ? scalar : b[i];
              const float want = formula(kind, x0, x1);
              if (kind == BinaryKind::Pow) ASSERT_LE(test::ulp_error(y[i], want), 1.0) << x0 << " ^ " << x1;
              else if (std::isnan(want)) ASSERT_TRUE(std::isnan(y[i])) << k << ": " << x0 << ", " << x1;
              else if (kind >= BinaryKind::GeluGrad && std::isfinite(want)) ASSERT_NEAR(y[i], want, 0x1p-20f * std::fabs(x1)) << x0;
              else ASSERT_EQ(y[i], want) << k << ": " << x0 << ", " << x1 << " on " << isa_name(isa);
            }
          }
        }
      }
    }
  }
}

TEST(SimdElementwise, ComparisonsSelectAndIntegers) {
  for (const Isa isa : available_isas()) {
    for (size_t n = 0; n < 90; n += 7) {
      std::vector<float> a(n + 1), b(n + 1);
      std::vector<int64_t> p(n + 1), q(n + 1), r(n + 1, 9);
      std::vector<int32_t> p4(n + 1), q4(n + 1), r4(n + 1, 9);
      for (size_t i = 0; i < n; ++i) {
        a[i] = static_cast<float>(i % 4);
        b[i] = i % 7 == 3 ? NAN : static_cast<float>(i % 3);
        p[i] = static_cast<int64_t>(i * 0x9e3779b97f4a7c15ULL);
        q[i] = static_cast<int64_t>(i * 0xc2b2ae3d27d4eb4fULL + 5);
        p4[i] = static_cast<int32_t>(p[i]);
        q4[i] = static_cast<int32_t>(q[i]);
      }
      std::vector<uint8_t> y(n + 1, 7);
      const auto count = static_cast<int64_t>(n);
      for (int k = 0; k < kCompareKinds; ++k) {
        compare_f32(isa, static_cast<CompareKind>(k), Operands::VectorVector)(a.data(), b.data(), y.data(), count);
        for (size_t i = 0; i < n; ++i) {
          const bool want[] = {a[i] == b[i], a[i] != b[i], a[i] < b[i], a[i] <= b[i], a[i] > b[i], a[i] >= b[i]};
          ASSERT_EQ(y[i], want[k] ? 1 : 0);
        }
        ASSERT_EQ(y[n], 7);
      }
      const float one = 1.0f;
      compare_f32(isa, CompareKind::Greater, Operands::ScalarVector)(&one, b.data(), y.data(), count);
      for (size_t i = 0; i < n; ++i) ASSERT_EQ(y[i], 1.0f > b[i] ? 1 : 0);
      for (int k = 0; k < kIntKinds; ++k) {
        const auto kind = static_cast<IntKind>(k);
        const auto want = [kind](auto x, auto z) {
          using U = std::make_unsigned_t<decltype(x)>;
          using T = decltype(x);
          const auto ux = static_cast<U>(x), uz = static_cast<U>(z);
          return kind == IntKind::Add ? static_cast<T>(ux + uz) : kind == IntKind::Sub ? static_cast<T>(ux - uz)
               : kind == IntKind::Mul ? static_cast<T>(ux * uz) : kind == IntKind::Min ? std::min(x, z) : std::max(x, z);
        };
        binary_i64(isa, kind, Operands::VectorVector)(p.data(), q.data(), r.data(), count);
        for (size_t i = 0; i < n; ++i) ASSERT_EQ(r[i], want(p[i], q[i]));
        binary_i32(isa, kind, Operands::VectorScalar)(p4.data(), &q4[0], r4.data(), count);
        for (size_t i = 0; i < n; ++i) ASSERT_EQ(r4[i], want(p4[i], q4[0]));
        binary_i64(isa, kind, Operands::ScalarVector)(&p[0], q.data(), r.data(), count);
        for (size_t i = 0; i < n; ++i) ASSERT_EQ(r[i], want(p[0], q[i]));
      }
      where_select(isa, 8, false, true)(y.data(), p.data(), &q[0], r.data(), count);
      for (size_t i = 0; i < n; ++i) ASSERT_EQ(r[i], y[i] != 0 ? p[i] : q[0]);
      where_select(isa, 4, false, false)(y.data(), p4.data(), q4.data(), r4.data(), count);
      for (size_t i = 0; i < n; ++i) ASSERT_EQ(r4[i], y[i] != 0 ? p4[i] : q4[i]);
    }
    EXPECT_EQ(where_select(isa, 3, false, false), nullptr);
  }
}

TEST(SimdElementwise, CastsOfSixteenBitFloatsAreExactBothWays) {
  std::vector<uint16_t> half(65536);
  for (size_t i = 0; i < half.size(); ++i) half[i] = static_cast<uint16_t>(i);
  std::vector<float> wide(65536);
  std::vector<uint16_t> back(65536);
  const std::vector<float> x = test::sweep(65537);
  std::vector<uint16_t> y(x.size());
  for (const Isa isa : available_isas()) {
    cast_run(isa, DType::F16, DType::F32)(half.data(), wide.data(), 65536);
    cast_run(isa, DType::F32, DType::F16)(wide.data(), back.data(), 65536);
    for (size_t i = 0; i < half.size(); ++i) {
      const float want = to_f32(F16{half[i]});
      if (std::isnan(want)) {
        ASSERT_TRUE(std::isnan(wide[i]) && std::isnan(to_f32(F16{back[i]})));
      } else {
        ASSERT_EQ(wide[i], want);
        ASSERT_EQ(back[i], half[i]);
      }
    }
    cast_run(isa, DType::F32, DType::F16)(x.data(), y.data(), static_cast<int64_t>(x.size()));
    for (size_t i = 0; i < x.size(); ++i) {
      if (std::isnan(x[i])) ASSERT_TRUE(std::isnan(to_f32(F16{y[i]})));
      else ASSERT_EQ(y[i], to_f16(x[i]).bits) << x[i];
    }
    cast_run(isa, DType::F32, DType::BF16)(x.data(), y.data(), static_cast<int64_t>(x.size()));
    for (size_t i = 0; i < x.size(); ++i) ASSERT_EQ(y[i], to_bf16(x[i]).bits) << x[i];
    cast_run(isa, DType::BF16, DType::F32)(half.data(), wide.data(), 65536);
    for (size_t i = 0; i < half.size(); ++i) {
      const float want = to_f32(BF16{half[i]});
      ASSERT_EQ(std::memcmp(&wide[i], &want, 4), 0);
    }
  }
}

template <class T>
void check_cast(Isa isa, DType type, const std::vector<float>& x) {
  std::vector<T> y(x.size());
  cast_run(isa, DType::F32, type)(x.data(), y.data(), static_cast<int64_t>(x.size()));
  for (size_t i = 0; i < x.size(); ++i) {
    const auto low = static_cast<double>(std::numeric_limits<T>::min());
    const double high = std::ldexp(1.0, std::numeric_limits<T>::digits);
    const double v = std::trunc(static_cast<double>(x[i]));
    const T want = std::isnan(x[i]) ? T{0} : v >= high ? std::numeric_limits<T>::max()
                 : v <= low ? std::numeric_limits<T>::min() : static_cast<T>(v);
    ASSERT_EQ(y[i], want) << x[i] << " to " << dtype_name(type) << " on " << isa_name(isa);
  }
  std::vector<float> back(x.size());
  cast_run(isa, type, DType::F32)(y.data(), back.data(), static_cast<int64_t>(x.size()));
  for (size_t i = 0; i < x.size(); ++i) ASSERT_EQ(back[i], static_cast<float>(y[i]));
}

TEST(SimdElementwise, CastsToIntegersTruncateAndSaturate) {
  std::vector<float> x = test::sweep(1000003);
  for (const float f : random_floats(3000, 1, -300.0f, 300.0f)) x.push_back(f);
  for (const float f : {127.9f, 128.0f, -128.9f, -129.0f, 255.5f, 256.0f, -0.9f, 2147483520.0f, 2147483648.0f,
                        -2147483648.0f, 9.2233715e18f, 9.2233720e18f, -9.2233720e18f}) {
    x.push_back(f);
  }
  for (const Isa isa : available_isas()) {
    check_cast<int8_t>(isa, DType::I8, x);
    check_cast<uint8_t>(isa, DType::U8, x);
    check_cast<int32_t>(isa, DType::I32, x);
    check_cast<int64_t>(isa, DType::I64, x);
    std::vector<uint8_t> y(x.size());
    cast_run(isa, DType::F32, DType::Bool)(x.data(), y.data(), static_cast<int64_t>(x.size()));
    for (size_t i = 0; i < x.size(); ++i) ASSERT_EQ(y[i], x[i] != 0.0f ? 1 : 0);
    EXPECT_EQ(cast_run(isa, DType::F32, DType::String), nullptr);
    EXPECT_EQ(cast_run(isa, DType::I32, DType::I64), nullptr);
  }
}

}  // namespace
}  // namespace gf::simd
