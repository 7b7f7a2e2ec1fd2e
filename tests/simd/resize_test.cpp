// Resizing: tables against ONNX Runtime 1.32 for every coordinate and rounding mode, images against a plain loop.
#include "ops/cpu/simd/resize.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/simd/vec_support.h"

namespace gf::simd {
namespace {

using C = ResizeCoordinates;
using R = NearestRounding;

// Input row: x[i] = i * i / 4 + 1.
TEST(SimdResize, LinearTablesAgreeWithOnnxRuntime) {
  struct Golden {
    C mode;
    int64_t in, out;
    std::vector<float> y;
  };
  const Golden cases[] = {
      {C::HalfPixel, 5, 8, {1, 1.109375f, 1.296875f, 1.765625f, 2.390625f, 3.171875f, 4.234375f, 5}},
      {C::HalfPixel, 7, 3, {1.1666666f, 3.25f, 8.166667f}},
      {C::HalfPixelSymmetric, 5, 8, {1, 1.109375f, 1.296875f, 1.765625f, 2.390625f, 3.171875f, 4.234375f, 5}},
      {C::HalfPixelSymmetric, 7, 3, {1.1666666f, 3.25f, 8.166667f}},
      {C::PytorchHalfPixel, 5, 8, {1, 1.109375f, 1.296875f, 1.765625f, 2.390625f, 3.171875f, 4.234375f, 5}},
      {C::PytorchHalfPixel, 7, 3, {1.1666666f, 3.25f, 8.166667f}},
      {C::AlignCorners, 5, 8, {1, 1.1428571f, 1.3571429f, 1.7857143f, 2.3571429f, 3.0714288f, 4, 5}},
      {C::AlignCorners, 7, 3, {1, 3.25f, 10}},
      {C::Asymmetric, 5, 8, {1, 1.15625f, 1.4375f, 1.90625f, 2.625f, 3.46875f, 4.5625f, 5}},
      {C::Asymmetric, 7, 3, {1, 2.4166665f, 6.4999995f}},
  };
  for (const Golden& g : cases) {
    const auto n = static_cast<size_t>(g.out);
    std::vector<int32_t> low(n), high(n);
    std::vector<float> weight(n);
    const double scale = static_cast<double>(g.out) / static_cast<double>(g.in);
    resize_linear_table(g.mode, g.in, g.out, scale, low.data(), high.data(), weight.data());
    for (size_t i = 0; i < n; ++i) {
      const auto x = [](int32_t k) { return static_cast<float>(k * k) / 4 + 1; };
      EXPECT_NEAR(x(low[i]) * (1 - weight[i]) + x(high[i]) * weight[i], g.y[i], 2e-6) << i;
    }
  }
}

TEST(SimdResize, NearestTablesAgreeWithOnnxRuntime) {
  struct Golden {
    C mode;
    R rounding;
    int64_t in, out;
    std::vector<int32_t> index;
  };
  const Golden cases[] = {
      {C::HalfPixel, R::PreferFloor, 5, 8, {0, 0, 1, 2, 2, 3, 4, 4}},
      {C::HalfPixel, R::PreferCeil, 5, 8, {0, 0, 1, 2, 2, 3, 4, 4}},
      {C::HalfPixel, R::Floor, 5, 8, {0, 0, 1, 1, 2, 2, 3, 4}},
      {C::HalfPixel, R::Ceil, 5, 8, {0, 1, 2, 2, 3, 3, 4, 4}},
      {C::HalfPixelSymmetric, R::PreferFloor, 5, 8, {0, 0, 1, 2, 2, 3, 4, 4}},
      {C::HalfPixelSymmetric, R::PreferCeil, 5, 8, {0, 0, 1, 2, 2, 3, 4, 4}},
      {C::HalfPixelSymmetric, R::Floor, 5, 8, {0, 0, 1, 1, 2, 2, 3, 4}},
      {C::HalfPixelSymmetric, R::Ceil, 5, 8, {0, 1, 2, 2, 3, 3, 4, 4}},
      {C::PytorchHalfPixel, R::PreferFloor, 5, 8, {0, 0, 1, 2, 2, 3, 4, 4}},
      {C::PytorchHalfPixel, R::PreferCeil, 5, 8, {0, 0, 1, 2, 2, 3, 4, 4}},
      {C::PytorchHalfPixel, R::Floor, 5, 8, {0, 0, 1, 1, 2, 2, 3, 4}},
      {C::PytorchHalfPixel, R::Ceil, 5, 8, {0, 1, 2, 2, 3, 3, 4, 4}},
      {C::AlignCorners, R::PreferFloor, 5, 8, {0, 1, 1, 2, 2, 3, 3, 4}},
      {C::AlignCorners, R::PreferCeil, 5, 8, {0, 1, 1, 2, 2, 3, 3, 4}},
      {C::AlignCorners, R::Floor, 5, 8, {0, 0, 1, 1, 2, 2, 3, 4}},
      {C::AlignCorners, R::Ceil, 5, 8, {0, 1, 2, 2, 3, 3, 4, 4}},
      {C::Asymmetric, R::PreferFloor, 5, 8, {0, 1, 1, 2, 2, 3, 4, 4}},
      {C::Asymmetric, R::PreferCeil, 5, 8, {0, 1, 1, 2, 3, 3, 4, 4}},
      {C::Asymmetric, R::Floor, 5, 8, {0, 0, 1, 1, 2, 3, 3, 4}},
      {C::Asymmetric, R::Ceil, 5, 8, {0, 1, 2, 2, 3, 4, 4, 4}},
  };
  for (const Golden& g : cases) {
    std::vector<int32_t> index(static_cast<size_t>(g.out));
    const double scale = static_cast<double>(g.out) / static_cast<double>(g.in);
    resize_nearest_table(g.mode, g.rounding, g.in, g.out, scale, index.data());
    EXPECT_EQ(index, g.index) << static_cast<int>(g.mode) << " " << static_cast<int>(g.rounding);
  }
}

TEST(SimdResize, ImagesAgainstAPlainLoop) {
  for (const ResizeShape& s : {ResizeShape{2, 5, 7, 10, 14, 3}, ResizeShape{1, 9, 4, 3, 9, 33}, ResizeShape{1, 1, 1, 4, 4, 16}}) {
    const auto at = [&](int64_t n, int64_t y, int64_t x, int64_t c) {
      return static_cast<size_t>(((n * s.in_h + y) * s.in_w + x) * s.channels + c);
    };
    const std::vector<float> in = test::random_floats(at(s.batch, 0, 0, 0), 1);
    std::vector<int32_t> low_h(16), high_h(16), low_w(16), high_w(16);
    std::vector<float> weight_h(16), weight_w(16);
    resize_linear_table(C::HalfPixel, s.in_h, s.out_h, static_cast<double>(s.out_h) / static_cast<double>(s.in_h),
                        low_h.data(), high_h.data(), weight_h.data());
    resize_linear_table(C::HalfPixel, s.in_w, s.out_w, static_cast<double>(s.out_w) / static_cast<double>(s.in_w),
                        low_w.data(), high_w.data(), weight_w.data());
    for (const Isa isa : test::available_isas()) {
      test::TestPool pool(2);
      std::vector<float> out(static_cast<size_t>(s.batch * s.out_h * s.out_w * s.channels)), near(out.size());
      resize_linear_f32(isa, s, {low_h.data(), high_h.data(), weight_h.data()},
                        {low_w.data(), high_w.data(), weight_w.data()}, in.data(), out.data(), pool.parallel());
      resize_nearest(4, s, low_h.data(), low_w.data(), in.data(), near.data(), pool.parallel());
      size_t i = 0;
      for (int64_t n = 0; n < s.batch; ++n)
        for (size_t y = 0; y < static_cast<size_t>(s.out_h); ++y)
          for (size_t x = 0; x < static_cast<size_t>(s.out_w); ++x)
            for (int64_t c = 0; c < s.channels; ++c, ++i) {
              const auto v = [&](int32_t row, int32_t col) { return static_cast<double>(in[at(n, row, col, c)]); };
              const auto wy = static_cast<double>(weight_h[y]), wx = static_cast<double>(weight_w[x]);
              const double want = (v(low_h[y], low_w[x]) * (1 - wx) + v(low_h[y], high_w[x]) * wx) * (1 - wy) +
                                  (v(high_h[y], low_w[x]) * (1 - wx) + v(high_h[y], high_w[x]) * wx) * wy;
              ASSERT_NEAR(out[i], want, 5e-7);
              ASSERT_EQ(static_cast<double>(near[i]), v(low_h[y], low_w[x]));
            }
    }
  }
}

}  // namespace
}  // namespace gf::simd
