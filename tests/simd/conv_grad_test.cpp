// The gradient of a convolution's weights against a float64 loop over random shapes, relative to the sum of absolute products; cut into
// blocks and parts, with every number of threads.
#include "ops/cpu/simd/conv_grad.h"

#include <gtest/gtest.h>

#include "ops/cpu/simd/rounded.h"
#include "tests/simd/rounded_support.h"
#include "tests/simd/vec_support.h"

namespace gf::simd {
namespace {

/// Sums and sums of absolute products, [out_channels, in_channels / groups, taps].
void reference(const ConvGradShape& s, const std::vector<float>& x, const std::vector<float>& dy, std::vector<double>& sums,
               std::vector<double>& sizes) {
  const int64_t ins = s.group_in(), outs = s.group_out(), taps = s.taps();
  sums.assign(static_cast<size_t>(s.out_channels * ins * taps), 0);
  sizes = sums;
  for (int64_t n = 0; n < s.batch; ++n)
    for (int64_t oh = 0; oh < s.out_h; ++oh)
      for (int64_t ow = 0; ow < s.out_w; ++ow)
        for (int64_t t = 0; t < taps; ++t) {
          const int64_t h = oh * s.stride_h - s.pad_top + t / s.kernel_w * s.dilation_h;
          const int64_t w = ow * s.stride_w - s.pad_left + t % s.kernel_w * s.dilation_w;
          if (h < 0 || h >= s.in_h || w < 0 || w >= s.in_w) continue;
          for (int64_t m = 0; m < s.out_channels; ++m)
            for (int64_t c = 0; c < ins; ++c) {
              const double product =
                  static_cast<double>(dy[static_cast<size_t>(((n * s.out_h + oh) * s.out_w + ow) * s.out_channels + m)]) *
                  static_cast<double>(x[static_cast<size_t>(((n * s.in_h + h) * s.in_w + w) * s.in_channels + m / outs * ins + c)]);
              const auto at = static_cast<size_t>((m * ins + c) * taps + t);
              sums[at] += product;
              sizes[at] += std::fabs(product);
            }
        }
}

/// `rounded`: from operands rounded to bfloat16.
void check(const ConvGradShape& s, uint32_t seed, bool rounded = false) {
  SCOPED_TRACE(testing::Message() << s.batch << "x" << s.in_h << "x" << s.in_w << "x" << s.in_channels << " -> " << s.out_h << "x" << s.out_w
                                  << "x" << s.out_channels << ", kernel " << s.kernel_h << "x" << s.kernel_w << ", groups " << s.groups);
  const auto x = test::random_floats(static_cast<size_t>(s.batch * s.in_h * s.in_w * s.in_channels), seed);
  const auto dy = test::random_floats(static_cast<size_t>(s.batch * s.out_h * s.out_w * s.out_channels), seed + 1, -1, 2);
  std::vector<double> sums, sizes;
  if (rounded) reference(s, test::nearest_bf16(x), test::nearest_bf16(dy), sums, sizes);
  else reference(s, x, dy, sums, sizes);
  std::vector<Isa> isas = test::available_isas();
  if (rounded && isa_allows(best_isa(), Isa::Avx512Bf16)) isas.push_back(Isa::Avx512Bf16);
  for (const Isa isa : isas) {
    const RoundedOps ops = rounded_ops(isa);
    const RoundedOps* how = rounded ? &ops : nullptr;
    const ConvGradPlan plan = conv_grad_plan(isa, s, how);
    std::vector<float> first;
    for (const int threads : {1, 2, 4}) {
      test::TestPool pool(threads);
      std::vector<float> dw(sums.size(), NAN);
      const uint64_t distance = (plan.worker_bytes() + 63) / 64 * 64;
      std::vector<float> shared(static_cast<size_t>(plan.shared_bytes() / 4 + 1), NAN), worker(static_cast<size_t>(static_cast<uint64_t>(threads) * distance / 4 + 1), NAN);
      conv_weight_grad(plan, x.data(), dy.data(), dw.data(), shared.data(), worker.data(), distance, pool.parallel(), how);
      if (threads == 1) first = dw;
      ASSERT_TRUE(test::same_bits(first, dw)) << threads << " threads";
    }
    for (size_t i = 0; i < sums.size(); ++i)
      ASSERT_LE(std::fabs(static_cast<double>(first[i]) - sums[i]), 1e-5 * sizes[i] + 1e-30) << "element " << i;
  }
}

TEST(SimdConvGrad, RandomShapesAgainstFloat64) {
  std::mt19937 engine(1);
  const auto draw = [&](int64_t low, int64_t high) { return std::uniform_int_distribution<int64_t>(low, high)(engine); };
  for (uint32_t trial = 0; trial < 150; ++trial) {
    ConvGradShape s;
    s.groups = trial % 3 == 0 ? draw(1, 3) : (trial % 7 == 1 ? draw(2, 70) : 1);
    const bool depthwise = trial % 7 == 1;
    s.in_channels = s.groups * (depthwise ? 1 : draw(1, trial % 2 == 0 ? 5 : 40));
    s.out_channels = s.groups * (depthwise ? 1 : draw(1, trial % 4 == 0 ? 90 : 20));
    s.batch = draw(1, 4);
    s.in_h = draw(1, 10);
    s.in_w = draw(1, 12);
    s.kernel_h = draw(1, 5);
    s.kernel_w = draw(1, 5);
    s.stride_h = draw(1, 3);
    s.stride_w = draw(1, 3);
    s.dilation_h = draw(1, 2);
    s.dilation_w = draw(1, 2);
    s.pad_top = draw(0, 3);
    s.pad_left = draw(0, 3);
    const int64_t span_h = s.in_h + s.pad_top + draw(0, 3) - (s.kernel_h - 1) * s.dilation_h - 1;
    const int64_t span_w = s.in_w + s.pad_left + draw(0, 3) - (s.kernel_w - 1) * s.dilation_w - 1;
    if (span_h < 0 || span_w < 0) continue;
    s.out_h = span_h / s.stride_h + 1;
    s.out_w = span_w / s.stride_w + 1;
    check(s, trial);
    check(s, trial, true);
  }
}

TEST(SimdConvGrad, ManyBlocksAndManyPixels) {
  check({.batch = 2, .in_h = 5, .in_w = 5, .in_channels = 130, .out_h = 5, .out_w = 5, .out_channels = 150, .kernel_h = 3, .kernel_w = 3,
         .pad_top = 1, .pad_left = 1}, 1);
  check({.batch = 24, .in_h = 28, .in_w = 28, .in_channels = 1, .out_h = 28, .out_w = 28, .out_channels = 6, .kernel_h = 5, .kernel_w = 5,
         .pad_top = 2, .pad_left = 2}, 2);
  check({.batch = 1, .in_h = 3, .in_w = 600, .in_channels = 3, .out_h = 2, .out_w = 300, .out_channels = 8, .kernel_h = 2, .kernel_w = 2,
         .stride_w = 2}, 3);
  check({.batch = 2, .in_h = 9, .in_w = 9, .in_channels = 130, .out_h = 9, .out_w = 9, .out_channels = 150, .kernel_h = 3, .kernel_w = 3,
         .pad_top = 1, .pad_left = 1}, 4, true);
  check({.batch = 3, .in_h = 3, .in_w = 600, .in_channels = 30, .out_h = 2, .out_w = 300, .out_channels = 70, .kernel_h = 2, .kernel_w = 2,
         .stride_w = 2}, 5, true);
}

}  // namespace
}  // namespace gf::simd
