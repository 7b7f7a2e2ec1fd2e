// inverse: values by hand, pivoting, batches, types, a singular matrix.
#include "tests/ops/op_test_util.h"

namespace gf::test {
namespace {

TEST(Inverse, ByHand) {
  const auto batch = f32({2, 2, 2}, {4, 7, 2, 6, 0, 1, 2, 0});  // the second needs its rows swapped
  EXPECT_TRUE(close(run_one<op::Inverse>({batch}), f32({2, 2, 2}, {0.6f, -0.7f, -0.2f, 0.4f, 0, 0.5f, 1, 0}), 1e-7, 1e-7));
  EXPECT_TRUE(close(run_one<op::Inverse>({f32({1, 1}, {-8})}), f32({1, 1}, {-0.125f}), 0, 0));
  EXPECT_EQ(run_one<op::Inverse>({f32({0, 3, 3}, {})}).shape, (std::vector<int64_t>{0, 3, 3}));
  for (const DType type : {DType::F64, DType::F16, DType::BF16})
    EXPECT_TRUE(close(run_one<op::Inverse>({tensor(type, {2, 2}, {2, 0, 1, 4})}), tensor(type, {2, 2}, {0.5, 0, -0.125, 0.25}), 0, 0));
}

// x times its inverse is 1: the Hilbert matrix of order 4, condition number 1.6e4
TEST(Inverse, OfTheHilbertMatrix) {
  std::vector<double> hilbert;
  for (int i = 0; i < 4; ++i)
    for (int j = 0; j < 4; ++j) hilbert.push_back(1.0 / (i + j + 1));
  const std::vector<double> expected{16, -120, 240, -140, -120, 1200, -2700, 1680, 240, -2700, 6480, -4200, -140, 1680, -4200, 2800};
  EXPECT_TRUE(close(run_one<op::Inverse>({tensor(DType::F64, {4, 4}, hilbert)}), tensor(DType::F64, {4, 4}, expected), 1e-11, 0));
}

TEST(Inverse, SingularIsLarge) {
  const HostTensor y = run_one<op::Inverse>({tensor(DType::F64, {2, 2}, {1, 2, 2, 4})});
  double largest = 0;
  for (int64_t k = 0; k < 4; ++k) {
    const double v = cpu::load_one<double>({const_cast<std::byte*>(y.data.data()), Shape(2, 2), DType::F64}, k);
    ASSERT_TRUE(std::isfinite(v));
    largest = std::max(largest, std::fabs(v));
  }
  EXPECT_GT(largest, 1e15);
}

TEST(Inverse, Errors) {
  expect_error<op::Inverse>(Error::ShapeMismatch, "matrices must be square", {f32({2, 3}, {1, 2, 3, 4, 5, 6})});
  expect_error<op::Inverse>(Error::ShapeMismatch, "", {f32({2}, {1, 2})});
}

}  // namespace
}  // namespace gf::test
