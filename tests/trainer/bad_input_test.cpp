// Bad input of the lazy way: each is a clear typed error or PyTorch's number, and nothing is corrupted by it.
#include <cmath>
#include <limits>

#include "tests/support/expect_refused.h"
#include "trainer/nn/functional.h"
#include "trainer/optim/optimizers.h"
#include "trainer/tensor/functions.h"
#include "trainer/tensor/functions_maths.h"
#include "trainer/tensor/trainable.h"

namespace gf::test {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN(), kInf = std::numeric_limits<double>::infinity();

Tensor leaf(const std::vector<float>& v, Shape64 shape) {
  Tensor t = Tensor::from(v, std::move(shape));
  t.set_requires_grad();
  return t;
}

TEST(BadInput, GradientsThroughWhatHasNone) {
  const Tensor w = leaf({1, 2, 3, 4}, {2, 2});
  expect_refused(Error::InvalidArgument, "backward(): nothing that requires gradients leads to the loss other than through arg_max, which has no gradient",
                 [&] { sum(cast(argmax(w, 1), DType::F32)).backward(); });
  expect_refused(Error::InvalidArgument, "other than through cast, whose result is int32; only floats have gradients",
                 [&] { sum(cast(cast(w * 2, DType::I32), DType::F32)).backward(); });
  expect_refused(Error::InvalidArgument, "grad(): the loss does not depend on tensor 0 other than through arg_max", [&] { (void)grad(sum(cast(argmax(w, 1), DType::F32)), {w}); });
  Tensor cut;
  {
    const no_grad off;
    cut = w * 3;
  }
  expect_refused(Error::InvalidArgument, "; mul was recorded under no_grad", [&] { sum(cut).backward(); });
  expect_refused(Error::TypeMismatch, "backward(): the loss is int64; only floats have gradients", [&] { sum(argmax(w, 1)).backward(); });
  expect_refused(Error::TypeMismatch, "requires_grad: the tensor is int64", [] { Tensor::zeros({2}, DType::I64).set_requires_grad(); });
  EXPECT_FALSE(w.grad());
  sum(w * w).backward();
  EXPECT_EQ(w.grad().to_vector<float>(), (std::vector<float>{2, 4, 6, 8}));
}

TEST(BadInput, Losses) {
  const Tensor w = leaf({1, 2}, {2});
  expect_refused(Error::ShapeMismatch, "backward(): the loss has shape [2]; gradients need one number: sum it or take its mean", [&] { (w * 2).backward(); });
  expect_refused(Error::ShapeMismatch, "grad(): the loss has shape [2]", [&] { (void)grad(w * 2, {w}); });
  expect_refused(Error::InvalidArgument, "backward(): nothing that requires gradients leads to the loss", [&] { sum(Tensor::ones({2})).backward(); });
}

TEST(BadInput, LearningRates) {
  Tensor w = leaf({1, 2}, {2});
  for (const double lr : {-1.0, kNaN, kInf, -kInf}) {
    SCOPED_TRACE(lr);
    expect_refused(Error::InvalidArgument, "lr", [&] { Trainable({w}, std::make_shared<optim::SGD>(optim::SgdSettings{.lr = lr})); });
    expect_refused(Error::InvalidArgument, "lr", [&] { Trainable({w}, std::make_shared<optim::Adam>(optim::AdamSettings{.lr = lr})); });
    Trainable optimizer({w}, std::make_shared<optim::SGD>(optim::SgdSettings{.lr = 0.5}));
    expect_refused(Error::InvalidArgument, "learning rate", [&] { optimizer.set_learning_rate(lr); });
    EXPECT_EQ(optimizer.learning_rate(), 0.5);
  }
  EXPECT_EQ(w.to_vector<float>(), (std::vector<float>{1, 2}));
}

TEST(BadInput, ParametersThatNobodyUses) {
  Tensor used = leaf({1}, {1}), unused = leaf({5}, {1});
  Trainable optimizer({used, unused}, std::make_shared<optim::Adam>(optim::AdamSettings{.lr = 0.5}));
  expect_refused(Error::InvalidArgument, "step(): no parameter has a gradient; call backward() first", [&] { optimizer.step(); });
  EXPECT_EQ(optimizer.steps(), 0);
  sum(used * used).backward();
  optimizer.step();
  EXPECT_NEAR(used.item(), 0.5, 1e-5);
  EXPECT_EQ(unused.item(), 5);
  EXPECT_FALSE(unused.grad());
  expect_refused(Error::InvalidArgument, "a parameter is given twice", [&] { Trainable({used, used}, std::make_shared<optim::SGD>(optim::SgdSettings{.lr = 0.5})); });
  expect_refused(Error::InvalidArgument, "a parameter requires no gradients", [&] { Trainable({Tensor::ones({1})}, std::make_shared<optim::SGD>(optim::SgdSettings{.lr = 0.5})); });
}

TEST(BadInput, ShapesAndTensorsThatAreGone) {
  const Tensor a = Tensor::zeros({2, 3});
  expect_refused(Error::ShapeMismatch, "add", [&] { (void)(a + Tensor::zeros({4})); });
  expect_refused(Error::ShapeMismatch, "matmul", [&] { (void)matmul(a, a); });
  Tensor from = leaf({1, 2}, {2});
  const Tensor to = std::move(from);
  EXPECT_FALSE(from);  // NOLINT: what a moved-from handle says is the point
  expect_refused(Error::InvalidArgument, "an empty Tensor is used", [&] { (void)from.shape(); });
  expect_refused(Error::InvalidArgument, "an empty Tensor is used", [&] { (void)from.item(); });
  expect_refused(Error::InvalidArgument, "an empty Tensor is used", [&] { from.backward(); });
  expect_refused(Error::InvalidArgument, "an empty Tensor is used", [&] { from.set_requires_grad(); });
  expect_refused(Error::InvalidArgument, "mul: operand 1 is an empty Tensor", [&] { (void)(to * from); });
  expect_refused(Error::InvalidArgument, "an empty Tensor is used", [&] { (void)grad(sum(to), {from}); });
  expect_refused(Error::InvalidArgument, "an empty Tensor is used", [&] { Trainable({from}, std::make_shared<optim::SGD>(optim::SgdSettings{.lr = 0.5})); });
  EXPECT_EQ(to.to_vector<float>(), (std::vector<float>{1, 2}));
}

// A loss whose recording a step has outlived.
TEST(BadInput, ALossOfBeforeTheStep) {
  Tensor w = leaf({2}, {1});
  Trainable optimizer({w}, std::make_shared<optim::SGD>(optim::SgdSettings{.lr = 0.5}));
  Tensor loss;
  for (int step = 0; step < 2; ++step) {
    loss = sum(w * w * 0.5);
    loss.backward();
    optimizer.step();
  }
  EXPECT_EQ(loss.item(), 0.5);
  loss.backward();
  expect_refused(Error::InvalidArgument, "whose value an optimizer's step() has replaced", [&] { (void)w.grad().array(); });
  w.zero_grad();
  EXPECT_EQ(w.item(), 0.5);
}

// PyTorch 2.13: the mean over nothing is NaN, the sum 0; gradients of the sum are 0.
TEST(BadInput, NothingToTakeTheMeanOf) {
  const Tensor scores = leaf({1, 2, 3, 4, 5, 6}, {2, 3}), ignored = Tensor::from<int64_t>({-100, -100});
  const Tensor loss = nn::cross_entropy(scores, ignored);
  EXPECT_TRUE(std::isnan(loss.item()));
  const Tensor total = nn::cross_entropy(scores, ignored, {}, -100, nn::Reduction::Sum);
  EXPECT_EQ(total.item(), 0);
  total.backward();
  EXPECT_EQ(scores.grad().to_vector<float>(), std::vector<float>(6, 0));
  const Tensor none = Tensor::zeros({0, 3}), no_target = Tensor::zeros({0}, DType::I64);
  EXPECT_TRUE(std::isnan(nn::cross_entropy(none, no_target).item()));
  EXPECT_EQ(nn::cross_entropy(none, no_target, {}, -100, nn::Reduction::Sum).item(), 0);
  const Tensor w = leaf({1, 2, 3, 4, 5, 6}, {3, 2});
  sum(matmul(none, w)).backward();
  EXPECT_EQ(w.grad().to_vector<float>(), std::vector<float>(6, 0));
  EXPECT_TRUE(std::isnan(mean(none).item()));
}

TEST(BadInput, LabelsOutOfRange) {
  Tensor w = leaf({1, 2, 3, 4, 5, 6}, {2, 3});
  Trainable optimizer({w}, std::make_shared<optim::SGD>(optim::SgdSettings{.lr = 0.5, .momentum = 0.5}));
  const Tensor x = Tensor::from<float>({1, 0, 0, 1}, {2, 2});
  for (const bool look : {false, true})
    for (const int64_t label : {int64_t{3}, int64_t{-1}, int64_t{1} << 40}) {
      const Tensor loss = nn::cross_entropy(matmul(x, w), Tensor::from<int64_t>({0, label}));
      loss.backward();
      expect_refused(Error::IndexOutOfRange, "target " + std::to_string(label) + " at position 1; there are 3 classes", [&] {
        if (look) (void)loss.item();
        optimizer.step();
      });
      optimizer.zero_grad();
      EXPECT_EQ(w.to_vector<float>(), (std::vector<float>{1, 2, 3, 4, 5, 6}));
      EXPECT_EQ(optimizer.steps(), 0);
    }
  const Tensor good = nn::cross_entropy(matmul(x, w), Tensor::from<int64_t>({0, 1}));
  good.backward();
  optimizer.step();
  EXPECT_TRUE(std::isfinite(good.item()));
  EXPECT_EQ(optimizer.steps(), 1);
}

}  // namespace
}  // namespace gf::test
