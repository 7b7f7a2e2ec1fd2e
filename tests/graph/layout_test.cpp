// Layout: transposes around channels-last ops cancel, whatever stands between them; numbers stay the same.
#include "tests/graph/graph_test_util.h"

namespace gf::test {
namespace {

using ir::ValueId;

// An image op as the importer writes it: channels first outside, channels last inside.
ValueId conv(Net& n, ValueId x, int64_t in, int64_t out) {
  op::Conv::Attrs a;
  const std::vector<int64_t> pads = {1, 1, 1, 1};
  a.pads = pads;
  const ValueId y = n.b.add<op::Conv>({n.b.to_channels_last(x), n.weights({out, in, 3, 3}), n.weights({out})}, a);
  return n.b.to_channels_first(y);
}

TEST(Layout, ChainOfConvolutionsKeepsTheOuterTransposesOnly) {
  const auto c = optimised(
      [](Net& n) {
        ValueId x = n.input("x", {1, 3, 8, 6});
        x = n.b.add<op::Relu>({conv(n, x, 3, 4)});
        x = n.b.add<op::Mul>({conv(n, x, 4, 4), n.weights({4, 1, 1})});
        x = n.b.add<op::Add>({x, conv(n, x, 4, 4)});
        n.output("y", n.b.add<op::Sigmoid>({x}));
      },
      {move_transposes});
  EXPECT_EQ(count_of(c, "transpose"), 2);
}

TEST(Layout, SqueezeAndExcite) {
  const auto c = optimised(
      [](Net& n) {
        const ValueId x = conv(n, n.input("x", {2, 3, 5, 7}), 3, 4);
        const ValueId mean = n.b.add<op::ReduceMean>({x}, {.axes = std::vector<int64_t>{2, 3}});
        const ValueId gate = n.b.add<op::Sigmoid>({conv(n, mean, 4, 4)});
        const ValueId y = conv(n, n.b.add<op::Mul>({x, gate}), 4, 2);
        n.output("y", n.b.add<op::ReduceMean>({y}, {.axes = std::vector<int64_t>{-1, -2}, .keepdims = false}));
      },
      {move_transposes});
  EXPECT_EQ(count_of(c, "transpose"), 1);  // of the input
}

TEST(Layout, ConcatSplitSliceSoftmaxAndBack) {
  const auto c = optimised(
      [](Net& n) {
        const ValueId x = n.input("x", {2, 3, 6, 5});
        const ValueId a = conv(n, x, 3, 4), d = conv(n, x, 3, 2);
        const ValueId all = n.b.add<op::Concat>({a, d}, {.axis = 1});
        op::Split::Attrs split;
        split.axis = -3;
        const auto& halves = n.b.node<op::Split>({all}, split, 2);
        const std::vector<ValueId> parts = halves.outputs;
        const ValueId s = n.b.add<op::Slice>({parts[1], n.b.ints({1, 0}), n.b.ints({3, 3}), n.b.ints({1, 2})});
        const ValueId p = n.b.add<op::Softmax>({parts[0]}, {.axis = 1});
        n.output("s", conv(n, s, 2, 3));
        n.output("p", conv(n, p, 3, 3));
      },
      {move_transposes, merge_common});
  EXPECT_EQ(count_of(c, "transpose"), 3);
}

TEST(Layout, FlattenOfOnePixelIsFree) {
  const auto c = optimised(
      [](Net& n) {
        ValueId x = conv(n, n.input("x", {n.symbol("N"), 3, 4, 4}), 3, 6);
        x = n.b.add<op::ReduceMean>({x}, {.axes = std::vector<int64_t>{2, 3}});
        x = n.b.add<op::Flatten>({x}, {.axis = 1});
        n.output("y", n.b.add<op::MatMul>({x, n.weights({6, 5})}));
      },
      {move_transposes}, {{"x", {3, 3, 4, 4}}});
  EXPECT_EQ(count_of(c, "transpose"), 1);
}

TEST(Layout, ReshapeThatJoinsPixelsMoves) {
  const auto c = optimised(
      [](Net& n) {  // patches of a vision transformer
        ValueId x = conv(n, n.input("x", {n.symbol("N"), 3, 4, 4}), 3, 6);
        x = n.b.reshape(x, std::vector<int64_t>{0, 6, 16});
        n.output("y", n.b.transpose(x, Perm{0, 2, 1}));
      },
      {move_transposes}, {{"x", {2, 3, 4, 4}}});
  EXPECT_EQ(count_of(c, "transpose"), 1);
}

TEST(Layout, TrueReshapeKeepsItsTranspose) {
  const auto c = optimised(
      [](Net& n) {
        const ValueId x = conv(n, n.input("x", {1, 3, 4, 4}), 3, 6);
        n.output("y", n.b.reshape(x, std::vector<int64_t>{1, 96}));
      },
      {move_transposes});
  EXPECT_EQ(count_of(c, "transpose"), 2);
}

TEST(Layout, ShapeOfATransposedValue) {
  const auto c = optimised(
      [](Net& n) {
        const ValueId x = conv(n, n.input("x", {n.symbol("N"), 3, n.symbol("H"), 4}), 3, 6);
        const ValueId rows = n.b.add<op::Gather>({n.b.add<op::ShapeOf>({x}), n.b.ints({0, 2})});
        n.output("rows", rows);
        n.output("y", n.b.add<op::ReduceMax>({x}, {.axes = std::vector<int64_t>{1, 2, 3}, .keepdims = false}));
      },
      {move_transposes}, {{"x", {2, 3, 5, 4}}});
  EXPECT_EQ(count_of(c, "transpose"), 1);
}

TEST(Layout, PadMovesBehindTheInputsTranspose) {
  const auto c = optimised(
      [](Net& n) {
        const ValueId x = n.b.add<op::Pad>({n.input("x", {1, 3, 4, 5}), n.b.ints({0, 0, 1, 0, 0, 0, 2, 1})});
        n.output("y", conv(n, x, 3, 2));
      },
      {move_transposes, fold_weights});
  EXPECT_EQ(count_of(c, "pad"), 0);
}

TEST(Layout, IndexAndCountingOps) {
  optimised(
      [](Net& n) {
        const ValueId x = conv(n, n.input("x", {1, 3, 4, 5}), 3, 4);
        n.output("arg", n.b.add<op::ArgMax>({x}, {.axis = 1, .keepdims = false}));
        n.output("kept", n.b.add<op::ArgMin>({x}, {.axis = 2}));
        n.output("sum", n.b.add<op::CumSum>({x}, {.axis = 3}));
        n.output("pick", n.b.add<op::Gather>({x, n.b.ints({2, 0})}, {.axis = 1}));
        n.output("one", n.b.add<op::Gather>({x, n.b.int_scalar(1)}, {.axis = 2}));
        n.output("tile", n.b.add<op::Tile>({x, n.b.ints({1, 2, 1, 1})}));
        const auto top = n.b.node<op::TopK>({x, n.b.ints({2})}, {.axis = 1}, 2).outputs;
        n.output("top", top[0]);
        n.output("index", top[1]);
      },
      {move_transposes});
}

// Random graphs of elementwise ops, transposes, reductions and concats: whatever the pass does, numbers stay.
TEST(Layout, RandomGraphsKeepTheirNumbers) {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE(seed);
    optimised(
        [seed](Net& n) {
          Random random(seed);
          std::vector<ValueId> pool = {n.input("x", {2, 3, 4, 5}), n.input("z", {2, 3, 4, 5})};
          const auto pick = [&] {
            return pool[static_cast<size_t>(random.integer(0, static_cast<int64_t>(pool.size()) - 1))];
          };
          for (int k = 0; k < 14; ++k) {
            const ValueId a = pick(), c = pick();
            switch (random.integer(0, 6)) {
              case 0:
                pool.push_back(n.b.add<op::Tanh>({a}));
                break;
              case 1:
                pool.push_back(n.b.transpose(a, random.integer(0, 1) == 0 ? Perm{0, 2, 3, 1} : Perm{0, 3, 1, 2}));
                break;
              case 2:
                pool.push_back(n.b.add<op::Mul>({a, n.weights({n.b.shape(a)[3].lo})}));
                break;
              case 3:
                if (same_shape(n.b.shape(a), n.b.shape(c))) pool.push_back(n.b.add<op::Add>({a, c}));
                break;
              case 4:
                pool.push_back(n.b.add<op::Add>(
                    {a, n.b.add<op::ReduceMean>({a}, {.axes = std::vector<int64_t>{random.integer(1, 3)}})}));
                break;
              case 5:
                if (same_shape(n.b.shape(a), n.b.shape(c)) && a != c)
                  pool.push_back(n.b.add<op::ReduceMax>(
                      {n.b.reshape(
                          n.b.add<op::Concat>({a, c}, {.axis = 1}),
                          std::vector<int64_t>{2, 2, n.b.shape(a)[1].lo, n.b.shape(a)[2].lo, n.b.shape(a)[3].lo})},
                      {.axes = std::vector<int64_t>{1}, .keepdims = false}));
                break;
              default:
                pool.push_back(n.b.transpose(a, Perm{0, 2, 1, 3}));
                break;
            }
          }
          n.output("y", n.b.add<op::Neg>({pool.back()}));
          n.output("z1", n.b.add<op::Neg>({pool[pool.size() / 2]}));
        },
        {move_transposes, simplify, merge_common, fuse_pointwise, order_for_memory});
  }
}

}  // namespace
}  // namespace gf::test
