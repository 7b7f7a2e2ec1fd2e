// Gradients of Fourier transforms, determinants and linear attention, against differences.
#include "tests/trainer/gradcheck_support.h"

namespace gf::test {
namespace {

TEST(Gradcheck, Dft) {
  for (const int64_t length : {4, 5}) {
    SCOPED_TRACE(length);
    expect_gradients_of<op::Dft>({2, length, 1});
    expect_gradients_of<op::Dft>({2, length, 2});
    expect_gradients_of<op::Dft>({length, 3, 2}, {.axis = 0});
    expect_gradients_of<op::Dft>({2, length, 1}, {.onesided = true});
    expect_gradients_of<op::Dft>({2, length, 2}, {.inverse = true});
    expect_gradients_of<op::Dft>({2, length, 1}, {.inverse = true});
    expect_gradients_of<op::Dft>({2, length, 2, 2}, {.axis = 1, .inverse = true, .onesided = true});
  }
  for (const int64_t length : {3, 4, 7, 8})  // of 5 elements or frequencies: cut and padded
    for (const bool inverse : {false, true})
      for (const bool onesided : {false, true}) {
        SCOPED_TRACE(testing::Message() << length << inverse << onesided);
        expect_gradients([&](GradNet& n) {
          const auto x = n.x({2, 5, onesided && !inverse ? 1 : 2});
          n.y(n.b.add<op::Dft>({x, n.b.int_scalar(length), n.b.int_scalar(1)}, {.inverse = inverse, .onesided = onesided}));
        }, second_order());
      }
}

TEST(Gradcheck, DftOfAnyLength) {
  expect_gradients([](GradNet& n) {
    n.y(n.b.add<op::Dft>({n.x({n.symbol("N"), n.symbol("L"), 2}, {2, 6, 2})}));
  });
}

TEST(Gradcheck, Stft) {
  for (const bool onesided : {false, true})
    for (const int form : {0, 1, 2}) {
      SCOPED_TRACE(testing::Message() << onesided << form);
      expect_gradients([&](GradNet& n) {
        const auto x = n.x({2, 9, onesided ? 1 : 2}), step = n.b.int_scalar(2);
        const auto window = form == 0 ? ir::kNoValue : n.x({4});
        const auto length = form == 1 ? ir::kNoValue : n.b.int_scalar(4);
        n.y(n.b.add<op::Stft>({x, step, window, length}, {.onesided = onesided}));
      }, second_order());
    }
}

TEST(Gradcheck, DetAndInverse) {
  for (const int64_t n : {1, 2, 3, 4}) {
    SCOPED_TRACE(n);
    expect_gradients_of<op::Det>({2, n, n});
    expect_gradients_of<op::Inverse>({2, n, n}, {}, 0.5, 3);
  }
  expect_gradients_of<op::Det>({3, 3});
}

TEST(Gradcheck, LinearAttention) {
  for (const auto rule : {LinearAttentionRule::Linear, LinearAttentionRule::Gated, LinearAttentionRule::Delta, LinearAttentionRule::GatedDelta})
    for (const bool past : {false, true})
      for (const bool narrow : {false, true}) {
        SCOPED_TRACE(testing::Message() << static_cast<int>(rule) << past << narrow);
        expect_gradients([&](GradNet& n) {
          const auto q = n.x({1, 3, 8}, -1, 1), k = n.x({1, 3, 4}, -1, 1), v = n.x({1, 3, 6}, -1, 1);
          const auto state = past ? n.x({1, 2, 2, 3}, -1, 1) : ir::kNoValue;
          const auto decay = is_gated(rule) ? n.x({1, 3, narrow ? 2 : 4}, -1, 0) : ir::kNoValue;
          const auto beta = is_delta(rule) ? n.x({1, 3, narrow ? 1 : 2}, 0, 1) : ir::kNoValue;
          const auto& node = n.b.node<op::LinearAttention>({q, k, v, state, decay, beta}, {.q_heads = 4, .kv_heads = 2, .rule = rule}, 2);
          for (const ir::ValueId y : node.outputs) n.y(y);
        }, second_order());
      }
}

}  // namespace
}  // namespace gf::test
