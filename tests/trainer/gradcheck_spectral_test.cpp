// Gradients of Fourier transforms, determinants, decompositions of matrices and linear attention, against differences.
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

// x + x^T, so that both triangles count.
ir::ValueId symmetric(GradNet& n, ir::ValueId x) {
  const std::vector<int64_t> perm = {0, 2, 1};
  return n.b.add<op::Add>({x, n.b.add<op::Transpose>({x}, {.perm = IntList(perm.data(), perm.size())})});
}
void outputs(GradNet& n, const ir::Node& node) {
  const std::vector<ir::ValueId> all = node.outputs;
  for (const ir::ValueId y : all) n.y(y);
}

TEST(Gradcheck, Cholesky) {
  for (const int64_t size : {1, 2, 4}) {
    SCOPED_TRACE(size);
    expect_gradients([&](GradNet& n) {
      const auto x = n.x({2, size, size});
      std::vector<double> diagonal(static_cast<size_t>(size * size));
      for (int64_t i = 0; i < size; ++i) diagonal[static_cast<size_t>(i * size + i)] = 5.0 * static_cast<double>(size);
      const auto shift = n.entry.add_constant(ir::make_constant(DType::F64, {size, size}, io::Array::from(diagonal, {size, size}).data));
      n.y(n.b.add<op::Cholesky>({n.b.add<op::Add>({symmetric(n, x), shift})}));
    }, second_order());
  }
}

TEST(Gradcheck, Qr) {
  for (const auto& [rows, cols] : {std::pair<int64_t, int64_t>{1, 1}, {3, 3}, {4, 2}, {2, 4}, {3, 1}}) {
    SCOPED_TRACE(testing::Message() << rows << "x" << cols);
    expect_gradients([&, m = rows, k = cols](GradNet& n) { outputs(n, n.b.node<op::Qr>({n.x({2, m, k})}, {}, 2)); }, second_order());
  }
}

TEST(Gradcheck, Eigh) {
  for (const int64_t size : {1, 2, 4}) {
    SCOPED_TRACE(size);
    expect_gradients([&](GradNet& n) { outputs(n, n.b.node<op::Eigh>({symmetric(n, n.x({2, size, size}))}, {}, 2)); }, second_order());
  }
}

TEST(Gradcheck, Svd) {
  for (const auto& [rows, cols] : {std::pair<int64_t, int64_t>{1, 1}, {3, 3}, {4, 2}, {2, 4}}) {
    SCOPED_TRACE(testing::Message() << rows << "x" << cols);
    expect_gradients([&, m = rows, k = cols](GradNet& n) { outputs(n, n.b.node<op::Svd>({n.x({2, m, k})}, {}, 3)); }, second_order());
  }
}

// Equal eigenvalues and singular values: sums over them are smooth. (Their vectors have no derivative.)
TEST(Gradcheck, EqualValues) {
  for (const bool of_symmetric : {true, false})
    expect_gradients([&](GradNet& n) {
      const auto x = n.given({1, 3, 3}, io::Array::from(std::vector<double>{2, 0, 0, 0, 2, 0, 0, 0, -1}, {1, 3, 3}));
      const auto values = of_symmetric ? n.b.node<op::Eigh>({symmetric(n, x)}, {}, 2).outputs[0] : n.b.node<op::Svd>({x}, {}, 3).outputs[1];
      n.y(square_sum(n, values));
    });
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
