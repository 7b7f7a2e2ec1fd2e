// Tests of the packed matrix product: every ISA of this machine against f64, over random shapes and options.
#include "ops/cpu/simd/gemm.h"

#include <gtest/gtest.h>

#include <array>
#include <cstring>

#include "runtime/core/half.h"
#include "tests/simd/gemm_test_util.h"

namespace gf::simd {
namespace {

using namespace test;  // NOLINT

struct Options {
  int64_t m = 1, n = 1, k = 1;
  bool a_transposed = false, b_transposed = false, packed = true, bias = false, residual = false, in_place = false;
  DType b_type = DType::F32;
  float alpha = 1.0F, beta = 1.0F;
  ActivationSpec activation{};
  int64_t pad = 0;  ///< extra elements per row of A, B, C, residual
};

/// Data of one case, B already rounded to its type.
struct Case {
  Options o;
  int64_t lda, ldb, ldc;
  std::vector<float> a, b, c, bias, residual;
  std::vector<uint16_t> b16;

  Case(const Options& options, std::mt19937& rng) : o(options) {
    lda = (o.a_transposed ? o.m : o.k) + o.pad;
    ldb = (o.b_transposed ? o.k : o.n) + o.pad;
    ldc = o.n + o.pad;
    a = random_floats(rng, extent(o.a_transposed ? o.k : o.m, lda, o.a_transposed ? o.m : o.k));
    b = random_floats(rng, extent(o.b_transposed ? o.n : o.k, ldb, o.b_transposed ? o.k : o.n));
    c = random_floats(rng, extent(o.m, ldc, o.n));
    residual = random_floats(rng, extent(o.m, ldc, o.n));
    bias = random_floats(rng, static_cast<size_t>(o.n));
    if (o.b_type == DType::F32) return;
    for (float& x : b) {
      const uint16_t bits = o.b_type == DType::F16 ? to_f16(x).bits : to_bf16(x).bits;
      x = o.b_type == DType::F16 ? to_f32(F16{bits}) : to_f32(BF16{bits});
      b16.push_back(bits);
    }
  }
  /// Elements from the first to the last one used, so that a read beyond is a read outside the vector.
  static size_t extent(int64_t rows, int64_t ld, int64_t cols) {
    return rows == 0 || cols == 0 ? 0 : static_cast<size_t>((rows - 1) * ld + cols);
  }
  float a_at(int64_t m, int64_t k) const { return a[static_cast<size_t>(o.a_transposed ? k * lda + m : m * lda + k)]; }
  float b_at(int64_t k, int64_t n) const { return b[static_cast<size_t>(o.b_transposed ? n * ldb + k : k * ldb + n)]; }

  GemmArgs args(Isa isa, Buffer& packed) {
    GemmArgs g;
    g.m = o.m, g.n = o.n, g.k = o.k;
    g.a = a.data();
    g.a_row_stride = o.a_transposed ? 1 : lda;
    g.a_col_stride = o.a_transposed ? lda : 1;
    g.b = {o.b_type == DType::F32 ? static_cast<const void*>(b.data()) : b16.data(), o.b_type,
           o.b_transposed ? 1 : ldb, o.b_transposed ? ldb : 1};
    if (o.packed) {
      packed = Buffer(static_cast<size_t>(packed_b_bytes(isa, o.k, o.n) / 4), -77.0F);
      pack_b(isa, g.b, o.k, o.n, packed.data());
      g.packed_b = packed.data();
    }
    g.c = c.data();
    g.ldc = ldc;
    g.alpha = o.alpha;
    g.epilogue.bias = o.bias ? bias.data() : nullptr;
    g.epilogue.residual = o.in_place ? c.data() : o.residual ? residual.data() : nullptr;
    g.epilogue.residual_stride = ldc;
    g.epilogue.residual_scale = o.beta;
    g.epilogue.activation = o.activation;
    return g;
  }
};

void run(Isa isa, const GemmArgs& g, int threads) {
  Buffer scratch(static_cast<size_t>(gemm_scratch_bytes(isa, g, threads) / 4), std::numeric_limits<float>::quiet_NaN());
  ASSERT_LE(gemm_scratch_bytes(isa, g, threads), gemm_scratch_bound(isa, threads));
  TestThreads pool(threads);
  gemm(isa, g, scratch.data(), threads == 1 ? ParallelFor{} : pool.get());
}

void check(Isa isa, const Options& o, unsigned seed) {
  SCOPED_TRACE(testing::Message() << isa_name(isa) << " m " << o.m << " n " << o.n << " k " << o.k << " ta "
                                  << o.a_transposed << " tb " << o.b_transposed << " packed " << o.packed << " act "
                                  << static_cast<int>(o.activation.kind) << " inplace " << o.in_place << " type "
                                  << static_cast<int>(o.b_type));
  std::mt19937 rng(seed);
  Case data(o, rng);
  const std::vector<float> before = data.c;
  Buffer packed(0);
  const GemmArgs g = data.args(isa, packed);
  run(isa, g, 1);
  const std::vector<float>& addend = o.in_place ? before : data.residual;
  for (int64_t i = 0; i < o.m; ++i) {
    for (int64_t j = 0; j < o.n; ++j) {
      double sum = 0, squares = 0;
      for (int64_t k = 0; k < o.k; ++k) {
        const double term = static_cast<double>(data.a_at(i, k)) * data.b_at(k, j);
        sum += term;
        squares += term * term;
      }
      const auto at = static_cast<size_t>(i * data.ldc + j);
      double x = o.alpha * sum;
      if (o.bias) x += data.bias[static_cast<size_t>(j)];
      if (o.residual || o.in_place) x += static_cast<double>(o.beta) * addend[at];
      // k roundings of half an ulp each, of partial sums that walk at random: u sqrt(k) sqrt(sum of squares), times 4;
      // then the epilogue's, relative to its operands.
      const double u = 6e-8;
      const double walk = 4 * u * std::sqrt(static_cast<double>(o.k) * squares) * std::fabs(o.alpha);
      const double bound = 1e-6 + walk + 4 * u * std::fabs(x);
      ASSERT_NEAR(data.c[at], activation_f64(o.activation, x), bound) << "row " << i << " column " << j;
    }
    if (i + 1 < o.m)
      for (int64_t j = o.n; j < data.ldc; ++j) {
        const auto at = static_cast<size_t>(i * data.ldc + j);
        ASSERT_EQ(data.c[at], before[at]) << "written outside C";
      }
  }
  const std::vector<float> serial = data.c;
  for (int threads : {2, 4}) {
    data.c = before;
    GemmArgs again = g;
    again.c = data.c.data();
    if (o.in_place) again.epilogue.residual = again.c;
    run(isa, again, threads);
    ASSERT_TRUE(same_bits(serial, data.c)) << threads << " threads differ";
  }
}

TEST(Gemm, RandomShapesAndOptions) {
  std::mt19937 rng(7);
  for (int i = 0; i < 250; ++i) {
    Options o;
    const int kind = static_cast<int>(pick(rng, 0, 3));
    o.m = kind == 0 ? pick(rng, 1, 4) : pick(rng, 1, 150);
    o.n = kind == 1 ? pick(rng, 1, 20) : pick(rng, 1, 150);
    o.k = kind == 2 ? pick(rng, 300, 1300) : pick(rng, 1, 200);
    o.a_transposed = pick(rng, 0, 2) == 0;
    o.b_transposed = pick(rng, 0, 1) == 0;
    o.packed = pick(rng, 0, 2) != 0;
    o.bias = pick(rng, 0, 1) == 0;
    o.in_place = pick(rng, 0, 3) == 0;
    o.residual = !o.in_place && pick(rng, 0, 1) == 0;
    o.b_type = pick(rng, 0, 3) != 0 ? DType::F32 : pick(rng, 0, 1) == 0 ? DType::F16 : DType::BF16;
    o.alpha = pick(rng, 0, 1) == 0 ? 1.0F : 0.37F;
    o.beta = pick(rng, 0, 1) == 0 ? 1.0F : -1.5F;
    o.activation = all_activations()[static_cast<size_t>(pick(rng, 0, 11))];
    o.pad = pick(rng, 0, 1) * pick(rng, 0, 9);
    for (Isa isa : isas()) ASSERT_NO_FATAL_FAILURE(check(isa, o, static_cast<unsigned>(i)));
  }
}

TEST(Gemm, EveryTileHeightAndWidth) {
  for (Isa isa : isas())
    for (int64_t m = 1; m <= 29; ++m)
      for (int64_t n : {1, 3, 4, 7, 8, 9, 15, 16, 17, 31, 32, 33, 48, 65}) {
        Options o;
        o.m = m, o.n = n, o.k = 37;
        o.bias = o.residual = true;
        o.activation = {Activation::Relu, 0, 0};
        ASSERT_NO_FATAL_FAILURE(check(isa, o, 3));
      }
}

// Tiles have different numbers of rows, and small ones could add in another order.
TEST(Gemm, EqualRowsAndColumnsGiveEqualBits) {
  for (Isa isa : isas())
    for (int64_t m = 1; m <= 45; ++m)
      for (const int64_t k : {37, 501}) {
        std::mt19937 rng(static_cast<unsigned>(m * k));
        Options o;
        o.m = m, o.n = 33, o.k = k;
        o.residual = true;
        Case data(o, rng);
        for (int64_t i = 0; i < m; ++i)
          for (int64_t j = 0; j < k; ++j) data.a[static_cast<size_t>(i * k + j)] = data.a[static_cast<size_t>(j)];
        for (int64_t j = 0; j < k; ++j)
          for (int64_t n = 0; n < o.n; ++n) data.b[static_cast<size_t>(j * o.n + n)] = data.b[static_cast<size_t>(j * o.n)];
        for (float& x : data.residual) x = 0.25F;
        Buffer packed(0);
        run(isa, data.args(isa, packed), 1);
        for (size_t at = 1; at < data.c.size(); ++at)
          ASSERT_EQ(data.c[at], data.c[0]) << isa_name(isa) << ", " << m << " rows, k " << k << ", row " << at / 33 << ", column " << at % 33;
      }
}

TEST(Gemm, EveryActivation) {
  for (Isa isa : isas())
    for (const ActivationSpec& activation : all_activations())
      for (int64_t k : {5, 900}) {
        Options o;
        o.m = 19, o.n = 45, o.k = k;
        o.bias = true;
        o.activation = activation;
        ASSERT_NO_FATAL_FAILURE(check(isa, o, 11));
      }
}

TEST(Gemm, LargeShapes) {
  for (Isa isa : isas())
    for (auto [m, n, k] : {std::array<int64_t, 3>{300, 500, 800}, {1, 1000, 2048}, {2, 700, 1030}, {600, 3, 770}}) {
      Options o;
      o.m = m, o.n = n, o.k = k;
      ASSERT_NO_FATAL_FAILURE(check(isa, o, 5));
      o.packed = false, o.b_transposed = true;
      ASSERT_NO_FATAL_FAILURE(check(isa, o, 6));
    }
}

TEST(Gemm, NothingToSumGivesTheEpilogue) {
  for (Isa isa : isas())
    for (bool packed : {true, false}) {
      Options o;
      o.m = 15, o.n = 40, o.k = 0;
      o.packed = packed;
      o.bias = o.residual = true;
      o.activation = {Activation::Relu, 0, 0};
      ASSERT_NO_FATAL_FAILURE(check(isa, o, 1));
      for (auto [m, n] : {std::array<int64_t, 2>{0, 5}, {5, 0}}) {
        o.m = m, o.n = n, o.k = 3;
        ASSERT_NO_FATAL_FAILURE(check(isa, o, 1));
      }
    }
}

TEST(Gemm, NotFiniteValuesPropagate) {
  const float nan = std::numeric_limits<float>::quiet_NaN(), inf = std::numeric_limits<float>::infinity();
  for (Isa isa : isas())
    for (const ActivationSpec& activation : all_activations())
      for (int64_t n : {5, 40}) {
        std::mt19937 rng(2);
        Options o;
        o.m = 16, o.n = n, o.k = 450;
        o.activation = activation;
        Case data(o, rng);
        data.a[3 * 450 + 449] = nan;
        data.a[5 * 450 + 2] = inf;
        Buffer packed(0);
        run(isa, data.args(isa, packed), 1);
        for (int64_t i = 0; i < o.m; ++i)
          for (int64_t j = 0; j < n; ++j)
            ASSERT_EQ(i != 5 && std::isnan(data.c[static_cast<size_t>(i * n + j)]), i == 3)
                << isa_name(isa) << " activation " << static_cast<int>(activation.kind) << " row " << i;
        for (int64_t j = 0; j < n; ++j) {
          const float b = data.b[static_cast<size_t>(2 * n + j)];
          const auto expected = static_cast<float>(activation_f64(activation, b > 0 ? inf : -inf));
          const float got = data.c[static_cast<size_t>(5 * n + j)];
          ASSERT_TRUE(got == expected || (std::isnan(got) && std::isnan(expected)))
              << isa_name(isa) << " activation " << static_cast<int>(activation.kind) << ' ' << got << ' ' << expected;
        }
      }
}

TEST(Gemm, BatchWithBroadcastAndStrides) {
  std::mt19937 rng(4);
  for (Isa isa : isas())
    for (bool packed : {false, true}) {
      // A [3, 1, m, k], B [1, 2, k, n], C stored as [3, m, 2, n] (heads inside rows)
      const int64_t m = 17, n = 35, k = 21;
      std::vector<float> a = random_floats(rng, 3 * 17 * 21), b = random_floats(rng, 2 * 21 * 35);
      std::vector<float> c(3 * 17 * 2 * 35, -1.0F), residual = random_floats(rng, c.size());
      const auto one = static_cast<int64_t>(packed_b_bytes(isa, k, n) / 4);
      Buffer both(static_cast<size_t>(2 * one));
      for (int64_t h = 0; h < 2; ++h)
        pack_b(isa, {b.data() + h * k * n, DType::F32, n, 1}, k, n, both.data() + h * one);
      GemmArgs g;
      g.m = m, g.n = n, g.k = k;
      g.a = a.data(), g.a_row_stride = k;
      g.b = {b.data(), DType::F32, n, 1};
      g.packed_b = packed ? both.data() : nullptr;
      g.c = c.data(), g.ldc = 2 * n;
      g.epilogue.residual = residual.data(), g.epilogue.residual_stride = 2 * n;
      g.batch = {2, {3, 2}, {m * k, 0}, {0, packed ? one : k * n}, {m * 2 * n, n}, {m * 2 * n, n}};
      run(isa, g, 2);
      for (int64_t i = 0; i < 3; ++i)
        for (int64_t h = 0; h < 2; ++h)
          for (int64_t y = 0; y < m; ++y)
            for (int64_t x = 0; x < n; ++x) {
              const auto at = static_cast<size_t>(((i * m + y) * 2 + h) * n + x);
              double sum = residual[at];
              for (int64_t s = 0; s < k; ++s)
                sum += static_cast<double>(a[static_cast<size_t>((i * m + y) * k + s)]) *
                       b[static_cast<size_t>((h * k + s) * n + x)];
              ASSERT_NEAR(c[at], sum, 4e-6);
            }
    }
}

TEST(Gemm, SizesThatOverflowAreRefused) {
  for (Isa isa : isas()) {
    EXPECT_EQ(packed_b_bytes(isa, INT64_MAX / 2, 64), UINT64_MAX);
    EXPECT_EQ(packed_b_bytes(isa, 4, INT64_MAX), UINT64_MAX);
    EXPECT_EQ(packed_b_bytes(isa, -1, 4), UINT64_MAX);
  }
}

}  // namespace
}  // namespace gf::simd
