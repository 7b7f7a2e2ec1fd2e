// Depthwise convolution against a float64 loop over random shapes: strides, dilation, pads, tails, multipliers,
// activations, NaN, thread counts.
#include "ops/cpu/simd/depthwise.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/simd/vec_support.h"

namespace gf::simd {
namespace {

TEST(SimdDepthwise, RandomShapesAgainstFloat64) {
  std::mt19937 engine(1);
  const auto draw = [&](int64_t low, int64_t high) { return std::uniform_int_distribution<int64_t>(low, high)(engine); };
  const Activation kinds[] = {Activation::None, Activation::Relu, Activation::Clamp, Activation::HardSwish, Activation::Silu};
  for (int trial = 0; trial < 300; ++trial) {
    DepthwiseArgs a;
    a.batch = draw(1, 2);
    a.in_h = draw(1, 14);
    a.in_w = draw(1, 40);
    a.channels = trial % 3 == 0 ? draw(1, 70) : draw(1, 5) * 8;
    a.multiplier = trial % 7 == 0 ? draw(2, 3) : 1;
    a.kernel_h = draw(1, 5);
    a.kernel_w = trial % 2 == 0 ? 3 : draw(1, 7);
    a.stride_h = draw(1, 3);
    a.stride_w = trial % 2 == 0 ? 1 : draw(1, 3);
    a.dilation_h = draw(1, 2);
    a.dilation_w = trial % 2 == 0 ? 1 : draw(1, 2);
    a.pad_top = draw(0, 3);
    a.pad_left = draw(0, 4);
    const int64_t span_h = a.in_h + a.pad_top + draw(0, 3) - (a.kernel_h - 1) * a.dilation_h - 1;
    const int64_t span_w = a.in_w + a.pad_left + draw(0, 4) - (a.kernel_w - 1) * a.dilation_w - 1;
    if (span_h < 0 || span_w < 0) continue;
    a.out_h = span_h / a.stride_h + 1;
    a.out_w = span_w / a.stride_w + 1;
    a.activation = {kinds[trial % 5], -0.5f, 0.75f};
    if (a.activation.kind == Activation::Silu) a.activation.a = 1.0f;
    const int64_t oc = a.channels * a.multiplier;
    const std::vector<float> x = test::random_floats(static_cast<size_t>(a.batch * a.in_h * a.in_w * a.channels), 2);
    const std::vector<float> onnx = test::random_floats(static_cast<size_t>(oc * a.kernel_h * a.kernel_w), 3);
    const std::vector<float> bias = test::random_floats(static_cast<size_t>(oc), 4);
    std::vector<float> packed(onnx.size());
    depthwise_pack(onnx.data(), oc, a.kernel_h, a.kernel_w, packed.data());
    a.in = x.data();
    a.weights = packed.data();
    a.bias = trial % 4 == 0 ? nullptr : bias.data();
    for (const Isa isa : test::available_isas()) {
      std::vector<float> first;
      for (const int threads : {1, 2, 4}) {
        test::TestPool pool(threads);
        std::vector<float> y(static_cast<size_t>(a.batch * a.out_h * a.out_w * oc), NAN);
        a.out = y.data();
        depthwise_f32(isa, a, pool.parallel());
        if (threads == 1) first = y;
        ASSERT_TRUE(test::same_bits(first, y));
      }
      size_t i = 0;
      for (int64_t n = 0; n < a.batch; ++n)
        for (int64_t oh = 0; oh < a.out_h; ++oh)
          for (int64_t ow = 0; ow < a.out_w; ++ow)
            for (int64_t c = 0; c < oc; ++c, ++i) {
              double sum = a.bias == nullptr ? 0.0 : static_cast<double>(bias[static_cast<size_t>(c)]);
              for (int64_t kh = 0; kh < a.kernel_h; ++kh)
                for (int64_t kw = 0; kw < a.kernel_w; ++kw) {
                  const int64_t h = oh * a.stride_h - a.pad_top + kh * a.dilation_h;
                  const int64_t w = ow * a.stride_w - a.pad_left + kw * a.dilation_w;
                  if (h < 0 || h >= a.in_h || w < 0 || w >= a.in_w) continue;
                  sum += static_cast<double>(x[static_cast<size_t>(((n * a.in_h + h) * a.in_w + w) * a.channels + c / a.multiplier)]) *
                         static_cast<double>(onnx[static_cast<size_t>((c * a.kernel_h + kh) * a.kernel_w + kw)]);
                }
              switch (a.activation.kind) {
                case Activation::Relu: sum = std::max(sum, 0.0); break;
                case Activation::Clamp: sum = std::min(std::max(sum, -0.5), 0.75); break;
                case Activation::HardSwish: sum *= std::min(std::max(sum / 6 + 0.5, 0.0), 1.0); break;
                case Activation::Silu: sum /= 1 + std::exp(-sum); break;
                default: break;
              }
              ASSERT_NEAR(first[i], sum, 1e-5) << "trial " << trial << " on " << isa_name(isa);
            }
    }
  }
}

TEST(SimdDepthwise, NaNReachesOnlyItsWindowAndSurvivesRelu) {
  for (const Isa isa : test::available_isas()) {
    std::vector<float> x(10 * 20 * 16, 1.0f), w(9 * 16, -1.0f), y(10 * 20 * 16);
    x[(5 * 20 + 7) * 16 + 3] = NAN;
    DepthwiseArgs a;
    a.in = x.data();
    a.weights = w.data();
    a.out = y.data();
    a.in_h = a.out_h = 10;
    a.in_w = a.out_w = 20;
    a.channels = 16;
    a.pad_top = a.pad_left = 1;
    a.activation.kind = Activation::Relu;
    depthwise_f32(isa, a, ParallelFor{});
    for (int64_t h = 0; h < 10; ++h)
      for (int64_t v = 0; v < 20; ++v)
        for (int64_t c = 0; c < 16; ++c) {
          const float got = y[static_cast<size_t>((h * 20 + v) * 16 + c)];
          if (c == 3 && h >= 4 && h <= 6 && v >= 6 && v <= 8) EXPECT_TRUE(std::isnan(got));
          else EXPECT_EQ(got, 0.0f);
        }
  }
}

}  // namespace
}  // namespace gf::simd
