// Convolutions of few channels against a float64 loop over random shapes, relative to the sum of absolute products; plain and transposed,
// with every number of threads.
#include "ops/cpu/simd/conv_direct.h"

#include <gtest/gtest.h>

#include "tests/simd/vec_support.h"

namespace gf::simd {
namespace {

/// Sums and sums of absolute products.
void reference(const DirectConvShape& s, bool transposed, const std::vector<float>& x, const std::vector<float>& w,
               std::vector<double>& sums, std::vector<double>& sizes) {
  sums.assign(static_cast<size_t>(s.batch * s.out_h * s.out_w * s.out_channels), 0);
  sizes = sums;
  // small: the side that windows stand on, one per position
  const int64_t small_h = transposed ? s.in_h : s.out_h, small_w = transposed ? s.in_w : s.out_w;
  const int64_t large_h = transposed ? s.out_h : s.in_h, large_w = transposed ? s.out_w : s.in_w;
  for (int64_t n = 0; n < s.batch; ++n)
    for (int64_t p = 0; p < small_h * small_w; ++p)
      for (int64_t t = 0; t < s.kernel_h * s.kernel_w; ++t) {
        const int64_t h = p / small_w * s.stride_h - s.pad_top + t / s.kernel_w * s.dilation_h;
        const int64_t q = p % small_w * s.stride_w - s.pad_left + t % s.kernel_w;
        if (h < 0 || h >= large_h || q < 0 || q >= large_w) continue;
        const int64_t here = n * small_h * small_w + p, there = (n * large_h + h) * large_w + q;
        for (int64_t i = 0; i < s.in_channels; ++i)
          for (int64_t o = 0; o < s.out_channels; ++o) {
            const auto from = static_cast<size_t>((transposed ? here : there) * s.in_channels + i);
            const auto to = static_cast<size_t>((transposed ? there : here) * s.out_channels + o);
            const int64_t row = transposed ? i * s.out_channels + o : o * s.in_channels + i;
            const double weight = static_cast<double>(w[static_cast<size_t>(row * s.kernel_h * s.kernel_w + t)]);
            const double product = static_cast<double>(x[from]) * weight;
            sums[to] += product;
            sizes[to] += std::fabs(product);
          }
      }
}

TEST(SimdConvDirect, RandomShapesAgainstFloat64) {
  std::mt19937 engine(1);
  const auto draw = [&](int64_t low, int64_t high) { return std::uniform_int_distribution<int64_t>(low, high)(engine); };
  for (uint32_t trial = 0; trial < 200; ++trial) {
    const bool transposed = trial % 2 == 1, with_bias = trial % 3 == 0, clamped = trial % 5 == 0;
    DirectConvShape s;
    s.in_channels = draw(1, transposed ? 40 : 23);
    s.out_channels = draw(1, transposed ? 15 : 50);
    s.batch = draw(1, 3);
    s.in_h = draw(1, 9);
    s.in_w = draw(1, 30);
    s.kernel_h = draw(1, 5);
    s.kernel_w = draw(1, 5);
    s.stride_h = draw(1, 3);
    s.stride_w = draw(1, 3);
    s.dilation_h = draw(1, 2);
    s.pad_top = draw(0, 3);
    s.pad_left = draw(0, 3);
    const int64_t reach_h = (s.kernel_h - 1) * s.dilation_h + 1, after_h = draw(0, 3), after_w = draw(0, 3);
    if (transposed) {
      s.out_h = (s.in_h - 1) * s.stride_h + reach_h - s.pad_top + after_h - 1;
      s.out_w = (s.in_w - 1) * s.stride_w + s.kernel_w - s.pad_left + after_w - 1;
    } else {
      if (s.in_h + s.pad_top + after_h < reach_h || s.in_w + s.pad_left + after_w < s.kernel_w) continue;
      s.out_h = (s.in_h + s.pad_top + after_h - reach_h) / s.stride_h + 1;
      s.out_w = (s.in_w + s.pad_left + after_w - s.kernel_w) / s.stride_w + 1;
    }
    if (s.out_h < 1 || s.out_w < 1) continue;
    SCOPED_TRACE(trial);
    const auto x = test::random_floats(static_cast<size_t>(s.batch * s.in_h * s.in_w * s.in_channels), trial);
    const auto w = test::random_floats(static_cast<size_t>(s.in_channels * s.out_channels * s.kernel_h * s.kernel_w), trial + 1000);
    const auto bias = test::random_floats(static_cast<size_t>(s.out_channels), trial + 2000);
    std::vector<double> sums, sizes;
    reference(s, transposed, x, w, sums, sizes);
    for (const Isa isa : test::available_isas()) {
      if (direct_conv_lanes(isa) == 1) continue;
      const DirectConvPlan plan = direct_conv_plan(isa, transposed, s);
      std::vector<float> first;
      for (const int threads : {1, 2, 4}) {
        test::TestPool pool(threads);
        std::vector<float> y(sums.size(), NAN);
        const uint64_t distance = (plan.worker_bytes() + 63) / 64 * 64;
        std::vector<float> shared(static_cast<size_t>(plan.shared_bytes() / 4 + 1), NAN), worker(static_cast<size_t>(static_cast<uint64_t>(threads) * distance / 4 + 1), NAN);
        DirectConvArgs args;
        args.in = x.data();
        args.weights = w.data();
        args.bias = with_bias ? bias.data() : nullptr;
        args.out = y.data();
        if (clamped) args.activation = {Activation::Relu, 0, 0};
        args.shared = shared.data();
        args.worker = worker.data();
        args.worker_distance = distance;
        direct_conv(plan, args, pool.parallel());
        if (threads == 1) first = y;
        ASSERT_TRUE(test::same_bits(first, y)) << threads << " threads";
      }
      for (size_t i = 0; i < sums.size(); ++i) {
        const double b = with_bias ? static_cast<double>(bias[i % bias.size()]) : 0.0, sum = sums[i] + b;
        ASSERT_LE(std::fabs(static_cast<double>(first[i]) - (clamped && sum < 0 ? 0.0 : sum)), 1e-5 * (sizes[i] + std::fabs(b)) + 1e-30) << i;
      }
    }
  }
}

}  // namespace
}  // namespace gf::simd
