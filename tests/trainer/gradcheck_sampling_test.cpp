// Gradients of ops that read images between their pixels, against differences.
#include "tests/trainer/gradcheck_support.h"

namespace gf::test {
namespace {

GradcheckOptions only(std::vector<std::string> inputs) {
  GradcheckOptions options = second_order();
  options.inputs = std::move(inputs);
  return options;
}

TEST(Gradcheck, GridSample) {
  for (const GridMode mode : {GridMode::Linear, GridMode::Nearest, GridMode::Cubic})
    for (const GridPadding padding : {GridPadding::Zeros, GridPadding::Border, GridPadding::Reflection})
      for (const bool corners : {false, true}) {
        SCOPED_TRACE(testing::Message() << static_cast<int>(mode) << ' ' << static_cast<int>(padding) << ' ' << corners);
        expect_gradients([&](GradNet& n) {
          const auto x = n.x({2, 3, 4, 2}), grid = n.x({2, 2, 3, 2}, -1.5, 1.5);
          n.y(n.b.add<op::GridSample>({x, grid}, {.mode = mode, .padding = padding, .align_corners = corners}));
        }, second_order());
      }
}

TEST(Gradcheck, GridSampleLinesAndVolumes) {
  expect_gradients([](GradNet& n) { n.y(n.b.add<op::GridSample>({n.x({1, 5, 2}), n.x({1, 4, 1}, -1.3, 1.3)})); });
  expect_gradients([](GradNet& n) {
    n.y(n.b.add<op::GridSample>({n.x({1, 2, 3, 2, 1}), n.x({1, 2, 1, 2, 3}, -1.2, 1.2)}, {.padding = GridPadding::Border}));
  });
  for (const bool corners : {false, true})  // a single pixel
    expect_gradients([corners](GradNet& n) {
      n.y(n.b.add<op::GridSample>({n.x({1, 1, 2, 1}), n.x({1, 2, 2, 2}, -1.4, 1.4)},
                                  {.padding = GridPadding::Reflection, .align_corners = corners}));
    });
}

TEST(Gradcheck, GridSampleOfImagesOfAnySize) {
  expect_gradients([](GradNet& n) {
    const auto x = n.x({n.symbol("N"), n.symbol("H"), n.symbol("W"), 2}, {2, 3, 4, 2});
    const auto grid = n.x({n.symbol("N"), n.symbol("P"), 3, 2}, {2, 2, 3, 2}, -1.2, 1.2);
    n.y(square_sum(n, n.b.add<op::GridSample>({x, grid})));
  });
}

TEST(Gradcheck, DeformConv) {
  static constexpr int64_t kTwo[] = {2, 1}, kPads[] = {1, 0, 1, 1};
  for (const bool rich : {false, true})
    expect_gradients([rich](GradNet& n) {
      op::DeformConv::Attrs a;
      std::vector<ir::ValueId> in;
      if (!rich) {
        in = {n.x({1, 4, 4, 2}), n.x({3, 2, 2, 2}), n.x({1, 3, 3, 8}, -0.9, 0.9)};
      } else {  // (4 + 2 - 2) / 2 + 1 = 3 rows, (3 + 1 - 2) / 1 + 1 = 3 columns
        a.groups = 2;
        a.offset_groups = 2;
        a.strides = kTwo;
        a.pads = kPads;
        in = {n.x({2, 4, 3, 4}), n.x({2, 2, 2, 2}), n.x({2, 3, 3, 16}, -1.4, 1.4), n.x({2}), n.x({2, 3, 3, 8})};
      }
      n.y(n.b.add<op::DeformConv>(in, a));
    }, second_order());
}

TEST(Gradcheck, RoiAlign) {
  for (const bool half : {false, true})
    for (const bool max : {false, true})
      for (const int64_t ratio : {0, 2}) {
        SCOPED_TRACE(testing::Message() << half << max << ratio);
        expect_gradients([&](GradNet& n) {
          const auto x = n.x({2, 5, 4, 2});
          const auto rois = n.given({3, 4}, io::Array::from(std::vector<double>{0.3, 0.4, 6.2, 7.1, 1.1, 0.7, 3.9, 9.3, -2.2, 1.4, 4.6, 3.2}, {3, 4}));
          op::RoiAlign::Attrs a;
          a.output_height = 2;
          a.output_width = 3;
          a.sampling_ratio = ratio;
          a.spatial_scale = 0.5f;
          a.max_mode = max;
          a.half_pixel = half;
          n.y(n.b.add<op::RoiAlign>({x, rois, n.indices({3}, {1, 0, 1})}, a));
        }, only({"x0"}));
      }
}

TEST(Gradcheck, RoiAlignGrad) {
  expect_gradients([](GradNet& n) {
    const auto dy = n.x({2, 2, 2, 3});
    const auto rois = n.given({2, 4}, io::Array::from(std::vector<double>{0.3, 0.4, 3.2, 4.1, 1.1, 0.7, 2.9, 2.3}, {2, 4}));
    op::RoiAlign::Attrs a;
    a.output_height = a.output_width = 2;
    n.y(n.b.add<op::RoiAlignGrad>({dy, rois, n.indices({2}, {1, 0}), n.x({2, 4, 3, 3})}, a));
  }, only({"x0"}));
}

TEST(Gradcheck, MaxRoiPool) {
  expect_gradients([](GradNet& n) {
    const auto x = n.x({2, 5, 4, 2});
    // the second box lies outside: its bins are empty
    const auto rois = n.given({3, 5}, io::Array::from(std::vector<double>{1, 0, 1, 5, 7, 0, 30, 30, 40, 40, 0, 2, 2, 6, 9}, {3, 5}));
    op::MaxRoiPool::Attrs a;
    a.pooled_height = 2;
    a.pooled_width = 3;
    a.spatial_scale = 0.5f;
    n.y(n.b.add<op::MaxRoiPool>({x, rois}, a));
  }, only({"x0"}));
}

}  // namespace
}  // namespace gf::test
