// Softmax and log-softmax against float64: rows and strided axes, tails, NaN and infinities, in place, thread counts.
#include "ops/cpu/simd/softmax.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/simd/vec_support.h"

namespace gf::simd {
namespace {

struct Dims {
  int64_t outer, axis, inner;
};
const Dims kShapes[] = {{1, 1, 1},   {7, 5, 1},   {3, 128, 1}, {2, 1000, 1}, {1, 65536, 1}, {40, 33, 1},
                        {2, 10, 3},  {3, 21, 64}, {1, 7, 130}, {2, 500, 17}, {300, 4, 5}};

TEST(SimdSoftmax, AgainstFloat64AndBitEqualForAnyThreads) {
  for (const Isa isa : test::available_isas()) {
    for (const Dims& s : kShapes) {
      std::vector<float> x = test::random_floats(static_cast<size_t>(s.outer * s.axis * s.inner), 3, -12.0f, 12.0f);
      for (size_t i = 0; i < x.size(); i += 29) x[i] *= 8.0f;
      for (const bool log : {false, true}) {
        const auto run = log ? log_softmax_f32 : softmax_f32;
        std::vector<float> first;
        for (const int threads : {1, 2, 4}) {
          test::TestPool pool(threads);
          std::vector<float> y = x;  // in place
          run(isa, y.data(), y.data(), s.outer, s.axis, s.inner, pool.parallel());
          if (threads == 1) first = y;
          EXPECT_TRUE(test::same_bits(first, y));
        }
        for (int64_t o = 0; o < s.outer; ++o) {
          for (int64_t i = 0; i < s.inner; ++i) {
            const auto at = [&](int64_t a) { return static_cast<size_t>((o * s.axis + a) * s.inner + i); };
            double high = -INFINITY, sum = 0;
            for (int64_t a = 0; a < s.axis; ++a) high = std::max(high, static_cast<double>(x[at(a)]));
            for (int64_t a = 0; a < s.axis; ++a) sum += std::exp(static_cast<double>(x[at(a)]) - high);
            for (int64_t a = 0; a < s.axis; ++a) {
              const double distance = high - static_cast<double>(x[at(a)]);
              if (log) {
                const double want = -distance - std::log(sum);
                ASSERT_NEAR(first[at(a)], want, 3e-7 * (1 + std::fabs(want))) << isa_name(isa);
              } else {
                const double want = std::exp(-distance) / sum;
                ASSERT_NEAR(first[at(a)], want, (1e-6 + distance * 0x1p-24) * want + 0x1p-125) << isa_name(isa);
              }
            }
          }
        }
      }
    }
  }
}

TEST(SimdSoftmax, NonFiniteRows) {
  for (const Isa isa : test::available_isas()) {
    for (const int64_t inner : {1, 3}) {
      for (const float bad : {NAN, INFINITY}) {
        std::vector<float> x(static_cast<size_t>(40 * inner), 0.5f);
        x[static_cast<size_t>(21 * inner)] = bad;
        softmax_f32(isa, x.data(), x.data(), 1, 40, inner, ParallelFor{});
        // +inf: its own element is inf - inf, so the sum and with it the whole row is NaN, as numpy computes it
        for (size_t i = 0; i < x.size(); i += static_cast<size_t>(inner)) EXPECT_TRUE(std::isnan(x[i]));
        if (inner > 1) { EXPECT_NEAR(x[1], 1.0f / 40, 1e-8); }
      }
      std::vector<float> x(static_cast<size_t>(40 * inner), -INFINITY);
      for (int64_t i = 0; i < inner; ++i) x[static_cast<size_t>(i)] = 1.0f;
      softmax_f32(isa, x.data(), x.data(), 1, 40, inner, ParallelFor{});
      EXPECT_EQ(x[0], 1.0f);
      for (size_t i = static_cast<size_t>(inner); i < x.size(); ++i) EXPECT_EQ(x[i], 0.0f);
      std::vector<float> masked(static_cast<size_t>(8 * inner), -INFINITY);
      softmax_f32(isa, masked.data(), masked.data(), 1, 8, inner, ParallelFor{});
      EXPECT_TRUE(std::isnan(masked[0]));
    }
  }
}

}  // namespace
}  // namespace gf::simd
