// Pooling against a float64 loop over random shapes; indices; NaN; padding rules; thread counts.
#include "ops/cpu/simd/pool.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/simd/vec_support.h"

namespace gf::simd {
namespace {

TEST(SimdPool, RandomShapesAgainstFloat64) {
  std::mt19937 engine(1);
  const auto draw = [&](int64_t low, int64_t high) { return std::uniform_int_distribution<int64_t>(low, high)(engine); };
  for (int trial = 0; trial < 300; ++trial) {
    PoolArgs a;
    const auto kind = static_cast<PoolKind>(trial % 3);
    a.batch = draw(1, 2);
    a.in_h = draw(1, 12);
    a.in_w = draw(1, 12);
    a.channels = draw(1, 90);
    a.kernel_h = draw(1, 4);
    a.kernel_w = draw(1, 4);
    a.stride_h = draw(1, 3);
    a.stride_w = draw(1, 3);
    a.dilation_h = draw(1, 2);
    a.dilation_w = draw(1, 2);
    a.pad_top = draw(0, a.kernel_h - 1);
    a.pad_left = draw(0, a.kernel_w - 1);
    a.pad_bottom = draw(0, a.kernel_h - 1);
    a.pad_right = draw(0, a.kernel_w - 1);
    a.count_include_pad = trial % 2 == 0;
    a.p = 1 + trial / 3 % 3;
    const bool ceil_mode = trial % 5 == 0;
    const int64_t span_h = a.in_h + a.pad_top + a.pad_bottom - (a.kernel_h - 1) * a.dilation_h - 1;
    const int64_t span_w = a.in_w + a.pad_left + a.pad_right - (a.kernel_w - 1) * a.dilation_w - 1;
    if (span_h < 0 || span_w < 0) continue;
    a.out_h = (span_h + (ceil_mode ? a.stride_h - 1 : 0)) / a.stride_h + 1;
    a.out_w = (span_w + (ceil_mode ? a.stride_w - 1 : 0)) / a.stride_w + 1;
    // ceil_mode drops windows that would start after the image and its first padding
    if ((a.out_h - 1) * a.stride_h >= a.in_h + a.pad_top) --a.out_h;
    if ((a.out_w - 1) * a.stride_w >= a.in_w + a.pad_left) --a.out_w;
    const std::vector<float> x = test::random_floats(static_cast<size_t>(a.batch * a.in_h * a.in_w * a.channels), 2);
    a.in = x.data();
    for (const Isa isa : test::available_isas()) {
      std::vector<float> first;
      std::vector<int64_t> indices(static_cast<size_t>(a.batch * a.out_h * a.out_w * a.channels));
      a.indices = kind == PoolKind::Max ? indices.data() : nullptr;
      for (const int threads : {1, 2, 4}) {
        test::TestPool pool(threads);
        std::vector<float> y(indices.size(), NAN);
        a.out = y.data();
        pool_f32(isa, kind, a, pool.parallel());
        if (threads == 1) first = y;
        ASSERT_TRUE(test::same_bits(first, y));
      }
      size_t i = 0;
      for (int64_t n = 0; n < a.batch; ++n)
        for (int64_t oh = 0; oh < a.out_h; ++oh)
          for (int64_t ow = 0; ow < a.out_w; ++ow)
            for (int64_t c = 0; c < a.channels; ++c, ++i) {
              double sum = 0, high = -INFINITY;
              int64_t inside = 0, padded = 0, index = -1;
              for (int64_t kh = 0; kh < a.kernel_h; ++kh)
                for (int64_t kw = 0; kw < a.kernel_w; ++kw) {
                  const int64_t h = oh * a.stride_h - a.pad_top + kh * a.dilation_h;
                  const int64_t w = ow * a.stride_w - a.pad_left + kw * a.dilation_w;
                  if (h < a.in_h + a.pad_bottom && w < a.in_w + a.pad_right) ++padded;
                  if (h < 0 || h >= a.in_h || w < 0 || w >= a.in_w) continue;
                  ++inside;
                  const auto v = static_cast<double>(x[static_cast<size_t>(((n * a.in_h + h) * a.in_w + w) * a.channels + c)]);
                  sum += kind == PoolKind::Lp ? std::pow(std::fabs(v), a.p) : v;
                  if (v > high) {
                    high = v;
                    index = ((n * a.channels + c) * a.in_h + h) * a.in_w + w;
                  }
                }
              if (kind == PoolKind::Max) {
                ASSERT_EQ(static_cast<double>(first[i]), high);
                if (index >= 0) { ASSERT_EQ(indices[i], index); }
              } else if (kind == PoolKind::Average) {
                const int64_t count = a.count_include_pad ? padded : inside;
                if (count > 0) { ASSERT_NEAR(first[i], sum / static_cast<double>(count), 1e-6) << trial; }
              } else {
                const double want = std::pow(sum, 1.0 / a.p);
                ASSERT_NEAR(first[i], want, 4e-7 * (1 + want)) << trial;
              }
            }
    }
  }
}

TEST(SimdPool, MaxKeepsNaN) {
  for (const Isa isa : test::available_isas()) {
    for (int at = 0; at < 4; ++at) {
      std::vector<float> x(4 * 19, 1.0f), y(19);
      x[static_cast<size_t>(at * 19 + 18)] = NAN;
      PoolArgs a;
      a.in = x.data();
      a.out = y.data();
      a.in_h = a.in_w = a.kernel_h = a.kernel_w = 2;
      a.channels = 19;
      a.out_h = a.out_w = 1;
      pool_f32(isa, PoolKind::Max, a, ParallelFor{});
      EXPECT_TRUE(std::isnan(y[18]));
      EXPECT_EQ(y[17], 1.0f);
    }
  }
}

}  // namespace
}  // namespace gf::simd
