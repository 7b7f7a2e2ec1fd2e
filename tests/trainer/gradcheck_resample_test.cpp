// Gradients of resize, affine_grid and col2im, against differences.
#include "tests/trainer/gradcheck_support.h"

namespace gf::test {
namespace {

TEST(Gradcheck, Resize) {
  static constexpr int64_t kSpace[] = {1, 2}, kSizes[] = {5, 3}, kAll[] = {1, 5, 3, 2};
  static constexpr float kScales[] = {1.5f, 0.6f};
  for (const ResizeMode mode : {ResizeMode::Nearest, ResizeMode::Linear, ResizeMode::Cubic})
    for (const auto c : {ResizeCoordinates::HalfPixel, ResizeCoordinates::Asymmetric, ResizeCoordinates::AlignCorners}) {
      SCOPED_TRACE(testing::Message() << static_cast<int>(mode) << ' ' << static_cast<int>(c));
      const auto check = [&](const op::Resize::Attrs& a) { expect_gradients_of<op::Resize>({1, 4, 5, 2}, a); };
      check({.mode = mode, .coordinates = c, .axes = kSpace, .sizes = kSizes});
      check({.mode = mode, .coordinates = c, .axes = kSpace, .scales = kScales});
      check({.mode = mode, .coordinates = c, .exclude_outside = mode == ResizeMode::Cubic, .sizes = kAll});
      if (mode == ResizeMode::Nearest) continue;
      check({.mode = mode, .coordinates = c, .antialias = true, .axes = kSpace, .sizes = kSizes});
    }
  expect_gradients([](GradNet& n) {
    n.y(n.b.add<op::Resize>({n.x({2, 3}), ir::kNoValue, ir::kNoValue, n.b.ints({4, 5})}, {.mode = ResizeMode::Linear}));
  });
}

TEST(Gradcheck, AffineGrid) {
  for (const bool corners : {false, true}) {
    expect_gradients([corners](GradNet& n) {
      n.y(n.b.add<op::AffineGrid>({n.x({2, 2, 3}), n.b.ints({2, 1, 3, 4})}, {.align_corners = corners}));
    }, second_order());
    expect_gradients([corners](GradNet& n) {
      n.y(n.b.add<op::AffineGrid>({n.x({1, 3, 4}), n.b.ints({1, 1, 2, 3, 2})}, {.align_corners = corners}));
    });
  }
}

TEST(Gradcheck, Col2Im) {
  static constexpr int64_t kTwo[] = {2, 1}, kPads[] = {1, 0, 1, 2};
  expect_gradients([](GradNet& n) {
    n.y(n.b.add<op::Col2Im>({n.x({2, 8, 6}), n.b.ints({3, 4}), n.b.ints({2, 2})}));
  }, second_order());
  expect_gradients([](GradNet& n) {  // blocks: (5 + 2 - 2 - 1) / 2 + 1 = 3 rows of 4 + 2 - 1 = 5
    const op::Col2Im::Attrs a{.dilations = kTwo, .pads = kPads, .strides = kTwo};
    n.y(n.b.add<op::Col2Im>({n.x({1, 4, 15}), n.b.ints({5, 4}), n.b.ints({2, 2})}, a));
  }, second_order());
  expect_gradients([](GradNet& n) { n.y(n.b.add<op::Col2Im>({n.x({1, 6, 4}), n.b.ints({6}), n.b.ints({3})})); });
}

}  // namespace
}  // namespace gf::test
