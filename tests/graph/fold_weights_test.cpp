// Batch norm, scales, shifts and pads move into weights; activations and residuals into epilogues.
#include "tests/graph/graph_test_util.h"

namespace gf::test {
namespace {

using ir::ValueId;

op::Conv::Attrs conv_attrs(int64_t groups, IntList pads = {}) {
  op::Conv::Attrs a;
  a.groups = groups;
  a.pads = pads;
  return a;
}

ValueId batch_norm(Net& n, ValueId x, int64_t channels) {
  return n.b.add<op::BatchNorm>(
      {x, n.weights({channels}, 0.5, 2), n.weights({channels}), n.weights({channels}), n.weights({channels}, 0.1, 3)},
      {.epsilon = 1e-3F});
}

TEST(FoldWeights, BatchNormIntoConvolution) {
  for (const int64_t groups : {1, 2, 4}) {
    const auto c = optimised(
        [groups](Net& n) {
          const ValueId y =
              n.b.add<op::Conv>({n.input("x", {1, 5, 6, 4}), n.weights({8, 4 / groups, 3, 3})}, conv_attrs(groups));
          n.output("y", batch_norm(n, y, 8));
        },
        {fold_weights});
    EXPECT_EQ(c, (std::map<std::string, int>{{"conv", 1}}));
  }
}

TEST(FoldWeights, BatchNormIntoTransposedConvolution) {
  for (const int64_t groups : {1, 2}) {
    const auto c = optimised(
        [groups](Net& n) {
          op::ConvTranspose::Attrs a;
          const std::vector<int64_t> strides = {2, 2};
          a.strides = strides;
          a.groups = groups;
          const ValueId y = n.b.add<op::ConvTranspose>(
              {n.input("x", {1, 5, 6, 4}), n.weights({4, 6 / groups, 2, 2}), n.weights({6})}, a);
          n.output("y", batch_norm(n, y, 6));
        },
        {fold_weights});
    EXPECT_EQ(c, (std::map<std::string, int>{{"conv_transpose", 1}}));
  }
}

TEST(FoldWeights, ArithmeticIntoMatrixProduct) {
  for (const bool transposed : {false, true}) {
    const auto c = optimised(
        [transposed](Net& n) {
          ValueId y = n.b.add<op::MatMul>({n.input("x", {2, 3, 4}), transposed ? n.weights({5, 4}) : n.weights({4, 5})},
                                          {.transpose_b = transposed, .alpha = 0.5F});
          y = n.b.add<op::Add>({n.weights({5}), y});
          y = n.b.add<op::Mul>({y, n.weights({1, 1, 5})});
          y = n.b.add<op::Sub>({n.weights({5}), y});
          n.output("y", n.b.add<op::Div>({y, n.number(3)}));
        },
        {fold_weights});
    EXPECT_EQ(c, (std::map<std::string, int>{{"matmul", 1}}));
  }
}

TEST(FoldWeights, ScaleOfAProductOfTwoValues) {
  const auto c = optimised(
      [](Net& n) {
        const ValueId a = n.b.add<op::Mul>({n.input("a", {2, 3, 4}), n.number(0.25)});
        n.output("y", n.b.add<op::Div>({n.b.add<op::MatMul>({a, n.input("b", {2, 4, 5})}), n.number(7)}));
      },
      {fold_weights});
  EXPECT_EQ(c, (std::map<std::string, int>{{"matmul", 1}}));
}

TEST(FoldWeights, AScaledBiasStaysWhereItIs) {
  optimised(
      [](Net& n) {
        const ValueId bias = n.b.add<op::Mul>({n.input("bias", {5}), n.number(3)});
        n.output("y", n.b.add<op::MatMul>({n.input("a", {2, 4}), n.weights({4, 5}), bias}));
      },
      {fold_weights});
}

TEST(FoldWeights, WhatOthersReadIsNotFolded) {
  const auto c = optimised(
      [](Net& n) {
        const ValueId y = n.b.add<op::Conv>({n.input("x", {1, 5, 6, 4}), n.weights({8, 4, 1, 1})});
        n.output("y", batch_norm(n, y, 8));
        n.output("raw", n.b.add<op::Neg>({y}));
      },
      {fold_weights, fuse_pointwise});
  EXPECT_EQ(c, (std::map<std::string, int>{{"conv", 1}, {"neg", 1}, {"pointwise", 1}}));
}

TEST(FoldWeights, PadsBecomePadsOfTheWindow) {
  const auto c = optimised(
      [](Net& n) {
        const ValueId x = n.b.add<op::Pad>({n.input("x", {1, 5, 6, 4}), n.b.ints({0, 1, 2, 0, 0, 3, 0, 0})});
        n.output("y", n.b.add<op::Conv>({x, n.weights({8, 4, 3, 3})}, conv_attrs(1, std::vector<int64_t>{1, 0, 0, 1})));
        op::AveragePool::Attrs pool;
        const std::vector<int64_t> kernel = {2, 3};
        pool.kernel = kernel;
        n.output("p", n.b.add<op::AveragePool>({x}, pool));
      },
      {fold_weights});
  EXPECT_EQ(count_of(c, "pad"), 0);
}

TEST(FoldWeights, ExactKeepsEverything) {
  Net n;
  n.output("y", batch_norm(n, n.b.add<op::Conv>({n.input("x", {1, 5, 6, 4}), n.weights({8, 4, 1, 1})}), 8));
  PassOptions options;
  options.exact = true;
  EXPECT_EQ(fold_weights(n.model, options) + fuse_epilogues(n.model, options) + fuse_pointwise(n.model, options), 0);
}

TEST(Epilogue, EveryActivation) {
  const std::vector<std::function<ValueId(Net&, ValueId)>> activations = {
      [](Net& n, ValueId x) { return n.b.add<op::Relu>({x}); },
      [](Net& n, ValueId x) { return n.b.add<op::Clip>({x}, {.min = 0, .max = 6}); },
      [](Net& n, ValueId x) { return n.b.add<op::Clip>({x}, {.min = -1, .max = 0.5}); },
      [](Net& n, ValueId x) { return n.b.add<op::Clip>({x}, {.min = 0}); },
      [](Net& n, ValueId x) { return n.b.add<op::LeakyRelu>({x}, {.alpha = 0.3F}); },
      [](Net& n, ValueId x) { return n.b.add<op::HardSigmoid>({x}, {.alpha = 0.3F, .beta = 0.4F}); },
      [](Net& n, ValueId x) { return n.b.add<op::HardSwish>({x}); },
      [](Net& n, ValueId x) { return n.b.add<op::Sigmoid>({x}); },
      [](Net& n, ValueId x) { return n.b.add<op::Swish>({x}, {.alpha = 1.702F}); },
      [](Net& n, ValueId x) { return n.b.add<op::Tanh>({x}); },
      [](Net& n, ValueId x) { return n.b.add<op::Gelu>({x}); },
      [](Net& n, ValueId x) { return n.b.add<op::Gelu>({x}, {.approximate = op::Gelu::Approximate::Tanh}); },
      [](Net& n, ValueId x) { return n.b.add<op::Elu>({x}, {.alpha = 0.7F}); }};
  for (size_t i = 0; i < activations.size(); ++i) {
    SCOPED_TRACE(i);
    const auto c = optimised(
        [&](Net& n) {
          const ValueId y = n.b.add<op::Conv>({n.input("x", {1, 5, 6, 4}), n.weights({8, 4, 3, 3}), n.weights({8})});
          const ValueId z = n.b.add<op::MatMul>({n.input("a", {3, 4}), n.weights({4, 7})});
          n.output("y", activations[i](n, y));
          n.output("z", activations[i](n, z));
        },
        {fuse_epilogues});
    EXPECT_EQ(c, (std::map<std::string, int>{{"conv", 1}, {"matmul", 1}}));
  }
}

TEST(Epilogue, ResidualThenActivation) {
  const auto c = optimised(
      [](Net& n) {
        const ValueId x = n.input("x", {1, 5, 6, 4});
        ValueId y = n.b.add<op::Conv>({x, n.weights({4, 4, 3, 3})}, conv_attrs(1, std::vector<int64_t>{1, 1, 1, 1}));
        y = n.b.add<op::Add>({n.b.add<op::Conv>({x, n.weights({4, 4, 1, 1})}), y});
        n.output("y", n.b.add<op::Relu>({y}));
      },
      {fuse_epilogues});
  EXPECT_EQ(c, (std::map<std::string, int>{{"conv", 2}}));
}

TEST(Epilogue, NothingAfterAnActivationOrForTwoReaders) {
  const auto c = optimised(
      [](Net& n) {
        const ValueId x = n.input("x", {1, 5, 6, 4});
        const ValueId y = n.b.add<op::Relu>({n.b.add<op::Conv>({x, n.weights({4, 4, 1, 1})})});
        n.output("y", n.b.add<op::Add>({x, y}));
        const ValueId z = n.b.add<op::Conv>({x, n.weights({4, 4, 1, 1})});
        n.output("z", n.b.add<op::Relu>({z}));
        n.output("raw", n.b.add<op::Tanh>({z}));
      },
      {fuse_epilogues});
  EXPECT_EQ(c, (std::map<std::string, int>{{"add", 1}, {"conv", 2}, {"relu", 1}, {"tanh", 1}}));
}

TEST(Epilogue, ABroadcastAdditionIsNoResidual) {
  const auto c = optimised(
      [](Net& n) {
        const ValueId y = n.b.add<op::MatMul>({n.input("a", {1, 4}), n.weights({4, 7})});
        n.output("y", n.b.add<op::Add>({y, n.input("r", {3, 7})}));
      },
      {fold_weights, fuse_epilogues});
  EXPECT_EQ(count_of(c, "add"), 1);
}

}  // namespace
}  // namespace gf::test
