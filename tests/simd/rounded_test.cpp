// Products of operands rounded to bfloat16: the rounding against its definition, and the matrix product against float64 sums of rounded
// operands, on every level that this machine has (native instructions, or floats that have been rounded).
#include "ops/cpu/simd/rounded.h"

#include <gtest/gtest.h>

#include "runtime/core/bit_cast.h"

#include "ops/cpu/simd/gemm_rounded.h"
#include "schema/precision.h"
#include "tests/simd/gemm_test_util.h"
#include "tests/simd/rounded_support.h"

namespace gf::simd {
namespace {

using namespace test;  // NOLINT

constexpr float kInf = std::numeric_limits<float>::infinity(), kNan = std::numeric_limits<float>::quiet_NaN();

/// Every upper half of a float with low halves around the tie.
std::vector<float> all_uppers() {
  std::vector<float> values;
  for (uint32_t upper = 0; upper < 0x10000; ++upper)
    for (const uint32_t lower : {0U, 1U, 0x7fffU, 0x8000U, 0x8001U, 0xffffU}) values.push_back(bit_cast<float>(upper << 16 | lower));
  return values;
}

bool same_number(float a, float b) { return std::isnan(a) ? std::isnan(b) : bit_cast<uint32_t>(a) == bit_cast<uint32_t>(b); }

TEST(Rounded, OperandIsTheNearestBfloat16) {
  for (const float x : all_uppers()) {
    ASSERT_TRUE(same_number(to_bf16_operand(x), nearest_bf16(x))) << std::hexfloat << x;
    ASSERT_EQ(bit_cast<uint32_t>(to_bf16_operand(x)) & 0xffffU, 0U);
  }
}

/// Value k of line i of what a copy wrote.
float value_at(const RoundedOps& ops, const float* element, int64_t k) {
  const auto bits = bit_cast<uint32_t>(*element);
  return ops.values == 1 ? *element : bit_cast<float>(k % 2 == 0 ? bits << 16 : bits & 0xffff0000U);
}

TEST(Rounded, CopiesOfEveryLevelRoundAndPlaceAlike) {
  std::mt19937 rng(3);
  const std::vector<float> special = all_uppers();
  for (const Isa isa : isas()) {
    const RoundedOps ops = rounded_ops(isa);
    EXPECT_EQ(ops.values == 2, isa_multiplies_bf16(isa));
    const GemmKernels &mine = *ops.kernels, &floats = gemm_kernels(isa);
    EXPECT_TRUE(mine.mr == floats.mr && mine.nr == floats.nr && mine.lanes == floats.lanes && mine.kc_max == floats.kc_max && mine.a_stride == floats.a_stride &&
                mine.chunk_floats == floats.chunk_floats && mine.plain_rows == floats.plain_rows);
    for (const auto& size : {std::pair<int64_t, int64_t>{1, 1}, {3, 2}, {14, 64}, {13, 33}, {16, 32}, {17, 31}, {40, 70}, {32, 95}, {5, 129}}) {
      const int64_t lines = size.first, k = size.second;
      SCOPED_TRACE(testing::Message() << isa_name(isa) << ", " << lines << " lines of " << k);
      const int64_t elements = (k + ops.values - 1) / ops.values, ld = k + 3, by_columns = lines + 2;
      std::vector<float> line_major(static_cast<size_t>(lines * ld), kNan), column_major(static_cast<size_t>(k * by_columns), kNan);
      std::vector<const float*> runs;
      const auto at = [&](int64_t i, int64_t j) -> float& { return line_major[static_cast<size_t>(i * ld + j)]; };
      for (int64_t i = 0; i < lines; ++i)
        for (int64_t j = 0; j < k; ++j)
          at(i, j) = column_major[static_cast<size_t>(j * by_columns + i)] = special[static_cast<size_t>(pick(rng, 0, static_cast<int64_t>(special.size()) - 1))];
      for (int64_t j = 0; j < k; ++j) runs.push_back(j % 5 == 3 ? nullptr : &column_major[static_cast<size_t>(j * by_columns)]);
      const auto check = [&](const char* what, bool interleaved, bool gaps, auto&& copy) {
        const int64_t ld_dst = (interleaved ? lines : elements) + 5;
        const float untouched = 123.5F;
        std::vector<float> out(static_cast<size_t>((interleaved ? elements : lines) * ld_dst), untouched);
        copy(out.data(), ld_dst);
        for (int64_t i = 0; i < lines; ++i)
          for (int64_t j = 0; j < elements * ops.values; ++j) {
            const int64_t e = j / ops.values;
            const float expected = j >= k || (gaps && runs[static_cast<size_t>(j)] == nullptr) ? 0 : nearest_bf16(at(i, j));
            ASSERT_TRUE(same_number(value_at(ops, &out[static_cast<size_t>(interleaved ? e * ld_dst + i : i * ld_dst + e)], j), expected)) << what << ' ' << i << ' ' << j;
          }
        for (int64_t row = 0; row < (interleaved ? elements : lines); ++row)
          for (int64_t c = ld_dst - 5; c < ld_dst; ++c) ASSERT_EQ(out[static_cast<size_t>(row * ld_dst + c)], untouched) << what;
      };
      check("rows", false, false, [&](float* to, int64_t s) { ops.rows(line_major.data(), ld, lines, k, to, s); });
      check("columns", false, false, [&](float* to, int64_t s) { ops.columns(column_major.data(), by_columns, lines, k, to, s); });
      check("interleave_rows", true, false, [&](float* to, int64_t s) { ops.interleave_rows(line_major.data(), ld, lines, k, to, s); });
      check("interleave_columns", true, false, [&](float* to, int64_t s) { ops.interleave_columns(column_major.data(), by_columns, lines, k, to, s); });
      check("interleave_runs", true, true, [&](float* to, int64_t s) { ops.interleave_runs(runs.data(), lines, k, to, s); });
      if (HasFailure()) return;
    }
  }
}

/// A product of random sizes and forms.
struct Case {
  int64_t m = 1, n = 1, k = 1, batch = 1;
  int form_a = 0, form_b = 0;  ///< 0: rows, 1: columns, 2: neither lies side by side
  bool bias = false, residual = false;
  float alpha = 1;
  ActivationSpec activation{};
};

std::vector<float> multiply(Isa isa, const Case& c, const std::vector<float>& a, const std::vector<float>& b, const std::vector<float>& bias,
                            const std::vector<float>& residual, int threads) {
  const int64_t ra = c.form_a == 2 ? 2 : 1, rb = c.form_b == 2 ? 2 : 1;
  GemmArgs g;
  g.m = c.m;
  g.n = c.n;
  g.k = c.k;
  g.a = a.data();
  g.a_row_stride = c.form_a == 1 ? 1 : c.k * ra;
  g.a_col_stride = c.form_a == 1 ? c.m : ra;
  g.b = {b.data(), DType::F32, c.form_b == 1 ? 1 : c.n * rb, c.form_b == 1 ? c.k : rb};
  const int64_t ldc = c.n + 3;
  std::vector<float> out(static_cast<size_t>(c.batch * c.m * ldc), -5.0F);
  g.c = out.data();
  g.ldc = ldc;
  g.alpha = c.alpha;
  g.epilogue.activation = c.activation;
  if (c.bias) g.epilogue.bias = bias.data();
  if (c.residual) g.epilogue.residual = residual.data();
  g.epilogue.residual_stride = c.n;
  g.epilogue.residual_scale = 0.5F;
  g.batch.rank = c.batch > 1 ? 1 : 0;
  g.batch.dims[0] = c.batch;
  g.batch.a[0] = c.m * c.k * ra;
  g.batch.b[0] = c.k * c.n * rb;
  g.batch.c[0] = c.m * ldc;
  g.batch.residual[0] = c.m * c.n;
  Buffer scratch(static_cast<size_t>(gemm_rounded_scratch_bytes(isa, g, threads) / 4), kNan);
  TestThreads pool(threads);
  gemm_rounded(isa, g, scratch.data(), threads == 1 ? ParallelFor{} : pool.get());
  for (int64_t row = 0; row < c.batch * c.m; ++row)
    for (int64_t j = c.n; j < ldc; ++j) EXPECT_EQ(out[static_cast<size_t>(row * ldc + j)], -5.0F) << "written beside the result";
  return out;
}

void check(Isa isa, const Case& c, std::mt19937& rng) {
  SCOPED_TRACE(testing::Message() << isa_name(isa) << ' ' << c.batch << " x " << c.m << 'x' << c.n << 'x' << c.k << " forms " << c.form_a << c.form_b);
  const int64_t ra = c.form_a == 2 ? 2 : 1, rb = c.form_b == 2 ? 2 : 1;
  const auto a = random_floats(rng, static_cast<size_t>(c.batch * c.m * c.k * ra)), b = random_floats(rng, static_cast<size_t>(c.batch * c.k * c.n * rb));
  const auto bias = random_floats(rng, static_cast<size_t>(c.n)), residual = random_floats(rng, static_cast<size_t>(c.batch * c.m * c.n));
  const auto out = multiply(isa, c, a, b, bias, residual, 1);
  for (int64_t q = 0; q < c.batch; ++q)
    for (int64_t i = 0; i < c.m; ++i)
      for (int64_t j = 0; j < c.n; ++j) {
        double sum = 0, size = 0;
        for (int64_t k = 0; k < c.k; ++k) {
          const int64_t at_a = (q * c.m * c.k + (c.form_a == 1 ? k * c.m + i : i * c.k + k)) * ra, at_b = (q * c.k * c.n + (c.form_b == 1 ? j * c.k + k : k * c.n + j)) * rb;
          const double product = static_cast<double>(nearest_bf16(a[static_cast<size_t>(at_a)])) * static_cast<double>(nearest_bf16(b[static_cast<size_t>(at_b)]));
          sum += product;
          size += std::fabs(product);
        }
        double x = sum * static_cast<double>(c.alpha);
        if (c.bias) x += static_cast<double>(bias[static_cast<size_t>(j)]);
        if (c.residual) x += 0.5 * static_cast<double>(residual[static_cast<size_t>((q * c.m + i) * c.n + j)]);
        const double expected = activation_f64(c.activation, x);
        ASSERT_NEAR(out[static_cast<size_t>((q * c.m + i) * (c.n + 3) + j)], expected, 1e-6 + 1e-6 * size * std::fabs(static_cast<double>(c.alpha))) << i << ' ' << j;
      }
  for (const int threads : {2, 4}) ASSERT_TRUE(same_bits(out, multiply(isa, c, a, b, bias, residual, threads))) << threads << " threads differ";
}

TEST(Rounded, ProductsAgainstFloat64) {
  std::mt19937 rng(17);
  for (int trial = 0; trial < 150; ++trial) {
    Case c;
    c.m = pick(rng, 1, trial % 3 == 0 ? 100 : 20);
    c.n = pick(rng, 1, trial % 4 == 0 ? 150 : 40);
    c.k = pick(rng, 1, trial % 5 == 0 ? 1700 : 90);
    c.batch = trial % 6 == 0 ? pick(rng, 2, 4) : 1;
    c.form_a = static_cast<int>(pick(rng, 0, 2));
    c.form_b = static_cast<int>(pick(rng, 0, 2));
    c.bias = pick(rng, 0, 1) == 1;
    c.residual = pick(rng, 0, 1) == 1;
    c.alpha = pick(rng, 0, 1) == 1 ? 1 : -0.75F;
    c.activation = all_activations()[static_cast<size_t>(pick(rng, 0, 11))];
    for (const Isa isa : isas()) check(isa, c, rng);
    if (HasFailure()) return;
  }
}

TEST(Rounded, NothingToAddGivesTheEpilogue) {
  std::mt19937 rng(1);
  for (const Isa isa : isas()) check(isa, {.m = 5, .n = 7, .k = 0, .bias = true}, rng);
}

TEST(Rounded, NotFiniteAndTinyOperands) {
  const float huge = std::numeric_limits<float>::max(), tiny = 1e-40F, small = std::numeric_limits<float>::min();
  struct Pair {
    float a, b, expected;
  };
  // the largest float is nearer to 2^128 than to the largest bfloat16; a denormal counts as zero
  const Pair pairs[] = {{kNan, 1, kNan}, {1, kNan, kNan}, {kInf, 2, kInf}, {-kInf, 2, -kInf}, {kInf, 0, kNan},   {huge, 1, kInf},
                        {tiny, 1e38F, 0}, {kInf, tiny, kNan}, {small, 2, 2 * small}, {1e30F, 1e30F, kInf}, {1e-30F, 1e-30F, 0}};
  for (const Isa isa : isas())
    for (const Pair& p : pairs)
      for (const int64_t k : {1, 2, 35}) {
        Case c{.m = 3, .n = 18, .k = k};
        std::vector<float> a(static_cast<size_t>(c.m * k), 0.0F), b(static_cast<size_t>(k * c.n), 0.0F);
        a[static_cast<size_t>(k + k - 1)] = p.a;                     // row 1, last k
        b[static_cast<size_t>((k - 1) * c.n + 17)] = p.b;            // column 17, last k
        const auto out = multiply(isa, c, a, b, {}, {}, 1);
        const float got = out[static_cast<size_t>(c.n + 3 + 17)];
        EXPECT_TRUE(std::isnan(p.expected) ? std::isnan(got) : got == p.expected) << isa_name(isa) << ": " << p.a << " * " << p.b << " = " << got << ", k " << k;
        EXPECT_EQ(out[0], 0.0F) << "a row and column of zeros";
      }
}

}  // namespace
}  // namespace gf::simd
