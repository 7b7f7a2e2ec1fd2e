// Reductions and arg-reductions against float64 over many shapes, accuracy of long sums, NaN, thread counts.
#include "ops/cpu/simd/reduce.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/simd/vec_support.h"

namespace gf::simd {
namespace {

using test::available_isas;

double reference(ReduceKind kind, const std::vector<double>& x) {
  double sum = 0, squares = 0, absolute = 0, product = 1, high = -INFINITY, low = INFINITY;
  for (const double v : x) {
    sum += v;
    squares += v * v;
    absolute += std::fabs(v);
    product *= v;
    high = std::max(high, v);
    low = std::min(low, v);
  }
  double exps = 0;
  for (const double v : x) exps += std::exp(v - high);
  switch (kind) {
    case ReduceKind::Sum: return sum;
    case ReduceKind::Mean: return sum / static_cast<double>(x.size());
    case ReduceKind::Max: return high;
    case ReduceKind::Min: return low;
    case ReduceKind::Prod: return product;
    case ReduceKind::SumSquare: return squares;
    case ReduceKind::L1: return absolute;
    case ReduceKind::L2: return std::sqrt(squares);
    case ReduceKind::LogSum: return std::log(sum);
    case ReduceKind::LogSumExp: return x.empty() ? -INFINITY : high + std::log(exps);
  }
  return NAN;
}

struct Dims {
  int64_t outer, axis, inner;
};
const Dims kShapes[] = {{1, 1, 1},    {3, 7, 1},     {2, 129, 1},   {5, 64, 1},    {1, 100003, 1}, {40, 17, 1}, {2, 5, 3},
                        {1, 33, 16},  {3, 200, 37},  {2, 4000, 70}, {1, 9, 1000},  {20, 3, 130},   {1, 70000, 2}};

TEST(SimdReduce, EveryKindAndShapeAgainstFloat64AndBitEqualForAnyThreads) {
  for (const Isa isa : available_isas()) {
    for (const Dims& s : kShapes) {
      const std::vector<float> x = test::random_floats(static_cast<size_t>(s.outer * s.axis * s.inner), 11, 0.5f, 1.5f);
      for (int k = 0; k < kReduceKinds; ++k) {
        const auto kind = static_cast<ReduceKind>(k);
        std::vector<float> scratch(reduce_scratch_bytes(kind, s.outer, s.axis, s.inner) / 4 + 16);
        std::vector<float> first;
        for (const int threads : {1, 2, 4}) {
          test::TestPool pool(threads);
          std::vector<float> y(static_cast<size_t>(s.outer * s.inner), -7.0f);
          reduce_f32(isa, kind, x.data(), y.data(), s.outer, s.axis, s.inner, scratch.data(), pool.parallel());
          if (threads == 1) first = y;
          EXPECT_TRUE(test::same_bits(first, y)) << threads << " threads, kind " << k;
        }
        for (int64_t o = 0; o < s.outer; ++o) {
          for (int64_t i = 0; i < s.inner; ++i) {
            std::vector<double> line;
            for (int64_t a = 0; a < s.axis; ++a) {
              line.push_back(static_cast<double>(x[static_cast<size_t>((o * s.axis + a) * s.inner + i)]));
            }
            const double want = reference(kind, line);
            const float got = first[static_cast<size_t>(o * s.inner + i)];
            if (kind == ReduceKind::Prod && std::fabs(want) < 1e-37) {
              ASSERT_NEAR(got, want, 1e-37);
            } else {
              const double tolerance = kind == ReduceKind::Prod ? 1.2e-7 * static_cast<double>(s.axis) : 1.2e-6;
              ASSERT_NEAR(got, want, tolerance * std::fabs(want) + 1e-7) << "kind " << k << " axis " << s.axis << " "
                                                                          << isa_name(isa);
            }
          }
        }
      }
    }
  }
}

TEST(SimdReduce, LongSumsAreAsAccurateAsPairwiseSummation) {
  const int64_t n = 8000000;
  const std::vector<float> x = test::random_floats(static_cast<size_t>(n), 5, 0.0f, 1.0f);
  double want = 0;
  for (const float v : x) want += static_cast<double>(v);
  for (const Isa isa : available_isas()) {
    for (const int64_t outer : {int64_t{1}, int64_t{20}}) {  // with and without the axis being cut
      std::vector<float> scratch(reduce_scratch_bytes(ReduceKind::Sum, outer, n / outer, 1) / 4 + 16), y(20);
      reduce_f32(isa, ReduceKind::Sum, x.data(), y.data(), outer, n / outer, 1, scratch.data(), ParallelFor{});
      double got = 0;
      for (int64_t i = 0; i < outer; ++i) got += static_cast<double>(y[static_cast<size_t>(i)]);
      EXPECT_NEAR(got / want, 1.0, 1e-6) << isa_name(isa);
    }
  }
}

TEST(SimdReduce, EmptyAxisAndNonFinite) {
  for (const Isa isa : available_isas()) {
    const auto run = [isa](ReduceKind kind, std::vector<float> x) {
      float y = 42;
      std::vector<float> scratch(64);
      reduce_f32(isa, kind, x.data(), &y, 1, static_cast<int64_t>(x.size()), 1, scratch.data(), ParallelFor{});
      return y;
    };
    EXPECT_EQ(run(ReduceKind::Sum, {}), 0.0f);
    EXPECT_EQ(run(ReduceKind::Prod, {}), 1.0f);
    EXPECT_EQ(run(ReduceKind::Max, {}), -INFINITY);
    EXPECT_EQ(run(ReduceKind::Min, {}), INFINITY);
    EXPECT_TRUE(std::isnan(run(ReduceKind::Mean, {})));
    EXPECT_EQ(run(ReduceKind::LogSumExp, {}), -INFINITY);
    EXPECT_EQ(run(ReduceKind::LogSumExp, {-INFINITY, -INFINITY}), -INFINITY);
    EXPECT_EQ(run(ReduceKind::LogSumExp, {-INFINITY, 3.0f}), 3.0f);
    EXPECT_EQ(run(ReduceKind::LogSumExp, {INFINITY, 3.0f}), INFINITY);
    for (size_t n = 1; n < 150; ++n) {
      for (const size_t at : {size_t{0}, n / 2, n - 1}) {
        std::vector<float> x(n, 1.0f);
        x[at] = NAN;
        for (int k = 0; k < kReduceKinds; ++k) {
          ASSERT_TRUE(std::isnan(run(static_cast<ReduceKind>(k), x))) << k << " n " << n << " at " << at;
        }
      }
    }
  }
}

TEST(SimdReduce, ArgMaxAndArgMin) {
  for (const Isa isa : available_isas()) {
    for (const Dims& s : kShapes) {
      std::vector<float> x = test::random_floats(static_cast<size_t>(s.outer * s.axis * s.inner), 2, 0.0f, 9.0f);
      for (float& v : x) v = std::floor(v);  // ties
      if (x.size() > 50) x[x.size() / 2] = NAN;
      for (int mode = 0; mode < 4; ++mode) {
        const bool greatest = (mode & 1) != 0, last = (mode & 2) != 0;
        std::vector<int64_t> y(static_cast<size_t>(s.outer * s.inner));
        test::TestPool pool(2);
        arg_reduce_f32(isa, greatest, last, x.data(), y.data(), s.outer, s.axis, s.inner, pool.parallel());
        for (int64_t o = 0; o < s.outer; ++o) {
          for (int64_t i = 0; i < s.inner; ++i) {
            const auto at = [&](int64_t a) { return x[static_cast<size_t>((o * s.axis + a) * s.inner + i)]; };
            int64_t best = 0;
            for (int64_t a = 1; a < s.axis; ++a) {
              const bool better = greatest ? at(a) > at(best) : at(a) < at(best);
              const bool nan = std::isnan(at(a)), best_nan = std::isnan(at(best));
              if (nan ? (last || !best_nan) : !best_nan && (better || (last && at(a) == at(best)))) best = a;
            }
            ASSERT_EQ(y[static_cast<size_t>(o * s.inner + i)], best) << mode;
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace gf::simd
