// needs: EMSCRIPTEN
// Winograd's convolution of ops/wasm against the definition in f64: sizes that do not fill tiles, paddings, biases, residuals in place,
// activations, any number of workers.
#include "ops/wasm/winograd.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "tests/simd/vec_support.h"

namespace gf::simd {
namespace {

struct Case {
  int64_t batch, h, w, in, out, pad_top, pad_left, pad_bottom, pad_right;
  bool bias, residual;
  ActivationSpec activation;
};

struct Data {
  WinogradPlan plan;
  std::vector<float> x, w, bias, residual, packed;
};

Data make(const Case& c) {
  Data d;
  WinogradPlan& p = d.plan;
  p.isa = best_isa();
  p.batch = c.batch;
  p.in_h = c.h;
  p.in_w = c.w;
  p.in_channels = c.in;
  p.out_channels = c.out;
  p.pad_top = c.pad_top;
  p.pad_left = c.pad_left;
  p.out_h = c.h + c.pad_top + c.pad_bottom - 2;
  p.out_w = c.w + c.pad_left + c.pad_right - 2;
  winograd_plan(p);
  std::mt19937 rng(7);
  std::normal_distribution<float> normal;
  const auto fill = [&](std::vector<float>& v, int64_t n) {
    v.resize(static_cast<size_t>(n));
    for (float& e : v) e = normal(rng);
  };
  fill(d.x, c.batch * c.h * c.w * c.in);
  fill(d.w, c.out * c.in * 9);
  if (c.bias) fill(d.bias, c.out);
  if (c.residual) fill(d.residual, c.batch * p.out_h * p.out_w * c.out);
  d.packed.resize(static_cast<size_t>(p.packed_bytes) / sizeof(float) + 16);
  return d;
}

float* aligned(std::vector<float>& v) {
  return reinterpret_cast<float*>((reinterpret_cast<uintptr_t>(v.data()) + 63) / 64 * 64);
}

/// Guards at both ends of the output and of the scratch stay as they were.
std::vector<float> run(Data& d, const Case& c, int threads) {
  const WinogradPlan& p = d.plan;
  constexpr float kGuard = 12345.0F;
  float* packed = aligned(d.packed);
  winograd_pack(p, d.w.data(), packed);
  const auto count = static_cast<size_t>(p.batch * p.out_h * p.out_w * p.out_channels);
  const size_t used = static_cast<size_t>(threads) * static_cast<size_t>(p.worker_bytes) / sizeof(float);
  std::vector<float> out(count + 8, kGuard), scratch(used + 32, kGuard);
  if (c.residual) std::copy(d.residual.begin(), d.residual.end(), out.begin() + 4);
  WinogradArgs args;
  args.in = d.x.data();
  args.packed = packed;
  args.bias = c.bias ? d.bias.data() : nullptr;
  args.out = out.data() + 4;
  args.residual = c.residual ? args.out : nullptr;
  args.activation = c.activation;
  float* memory = aligned(scratch);
  test::TestPool pool(threads);
  winograd(p, args, memory, pool.parallel());
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(out[i], kGuard);
    EXPECT_EQ(out[out.size() - 1 - i], kGuard);
  }
  EXPECT_EQ(memory[used], kGuard);
  return {out.begin() + 4, out.end() - 4};
}

double activate(const ActivationSpec& a, double x) {
  switch (a.kind) {
    case Activation::Relu: return x < 0 ? 0 : x;
    case Activation::Clamp: return std::clamp(x, static_cast<double>(a.a), static_cast<double>(a.b));
    case Activation::Sigmoid: return 1 / (1 + std::exp(-x));
    default: return x;
  }
}

/// One output in f64, and the sum of its terms' sizes, which rounding is measured against.
double expected(const Data& d, const Case& c, int64_t n, int64_t oh, int64_t ow, int64_t m, double& size) {
  const WinogradPlan& p = d.plan;
  double sum = c.bias ? d.bias[static_cast<size_t>(m)] : 0.0;
  size = std::abs(sum);
  for (int64_t kh = 0; kh < 3; ++kh)
    for (int64_t kw = 0; kw < 3; ++kw) {
      const int64_t h = oh + kh - p.pad_top, w = ow + kw - p.pad_left;
      if (h < 0 || h >= p.in_h || w < 0 || w >= p.in_w) continue;
      for (int64_t k = 0; k < p.in_channels; ++k) {
        const double term = static_cast<double>(d.x[static_cast<size_t>(((n * p.in_h + h) * p.in_w + w) * p.in_channels + k)]) *
                            d.w[static_cast<size_t>((m * p.in_channels + k) * 9 + kh * 3 + kw)];
        sum += term;
        size += std::abs(term);
      }
    }
  if (c.residual) sum += d.residual[static_cast<size_t>(((n * p.out_h + oh) * p.out_w + ow) * p.out_channels + m)];
  return activate(c.activation, sum);
}

const Case kCases[] = {
    {1, 8, 8, 16, 16, 1, 1, 1, 1, true, false, {}},
    {2, 7, 9, 20, 17, 1, 1, 1, 1, true, true, {Activation::Relu}},
    {1, 5, 30, 64, 24, 0, 0, 0, 0, false, false, {Activation::Clamp, 0.0F, 6.0F}},
    {3, 13, 13, 16, 36, 1, 0, 0, 1, false, true, {Activation::Sigmoid}},
    {1, 3, 3, 16, 18, 2, 2, 2, 2, true, false, {}},
    {1, 6, 6, 620, 19, 1, 1, 1, 1, true, false, {}},  // more than one block of k
    {1, 40, 40, 32, 40, 1, 1, 1, 1, true, false, {Activation::Relu}},
};

TEST(Winograd, IsTheConvolutionWhateverTheSizesAndTheNumberOfWorkers) {
  for (const Case& c : kCases) {
    Data d = make(c);
    const std::vector<float> y = run(d, c, 1);
    EXPECT_TRUE(test::same_bits(y, run(d, c, 3))) << "workers change the result";
    size_t i = 0;
    double worst = 0;
    for (int64_t n = 0; n < c.batch; ++n)
      for (int64_t h = 0; h < d.plan.out_h; ++h)
        for (int64_t w = 0; w < d.plan.out_w; ++w)
          for (int64_t m = 0; m < c.out; ++m, ++i) {
            double size = 0;
            const double want = expected(d, c, n, h, w, m, size);
            worst = std::max(worst, std::abs(want - y[i]) / (size + 1));
          }
    EXPECT_LT(worst, 5e-7) << c.h << "x" << c.w << ", " << c.in << " to " << c.out;
  }
}

TEST(Winograd, NotANumberStays) {
  const Case c{1, 8, 8, 16, 16, 1, 1, 1, 1, true, false, {Activation::Relu}};
  Data d = make(c);
  d.x[static_cast<size_t>((4 * 8 + 4) * 16)] = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> y = run(d, c, 1);
  for (int64_t h = 3; h <= 5; ++h)
    for (int64_t w = 3; w <= 5; ++w) EXPECT_TRUE(std::isnan(y[static_cast<size_t>((h * 8 + w) * 16)])) << h << ", " << w;
  EXPECT_FALSE(std::isnan(y[0]));
}

}  // namespace
}  // namespace gf::simd
