// Pointwise chains, small simplifications, order of nodes, and what the whole pipeline leaves of the golden nets.
#include "facade/convert.h"
#include "tests/graph/graph_test_util.h"
#include "tests/support/test_data.h"

namespace gf::test {
namespace {

using ir::ValueId;

TEST(Pointwise, ChainWithBroadcastInputs) {
  const auto c = optimised(
      [](Net& n) {
        const ValueId x = n.input("x", {3, 5, 8}), z = n.input("z", {5, 1});
        ValueId y = n.b.add<op::Mul>({x, n.weights({8})});
        y = n.b.add<op::Add>({y, z});
        y = n.b.add<op::Clip>({y}, {.min = -1, .max = 1.5});
        y = n.b.add<op::Sub>({n.b.add<op::Tanh>({y}), n.b.add<op::Sigmoid>({x})});
        n.output("y", n.b.add<op::Elu>({y}, {.alpha = 0.7F}));
      },
      {fuse_pointwise});
  EXPECT_EQ(c, (std::map<std::string, int>{{"pointwise", 1}}));
}

TEST(Pointwise, WhatOthersReadAndOtherTypesStay) {
  const auto c = optimised(
      [](Net& n) {
        const ValueId x = n.input("x", {3, 8});
        const ValueId t = n.b.add<op::Tanh>({x});
        n.output("y", n.b.add<op::Relu>({n.b.add<op::Neg>({t})}));
        n.output("s", n.b.add<op::Softmax>({t}));
        n.output("b", n.b.add<op::Where>({n.b.add<op::Greater>({x, t}), x, t}));
      },
      {fuse_pointwise});
  EXPECT_EQ(c,
            (std::map<std::string, int>{{"greater", 1}, {"pointwise", 1}, {"softmax", 1}, {"tanh", 1}, {"where", 1}}));
}

TEST(Pointwise, LongChainsAreCut) {
  const auto c = optimised(
      [](Net& n) {
        ValueId y = n.input("x", {4, 4});
        for (int k = 0; k < 45; ++k) y = n.b.add<op::Sin>({n.b.add<op::Add>({y, n.number(0.01 * (k % 5))})});
        n.output("y", y);
      },
      {fuse_pointwise}, {}, {1e-5, 1e-5});
  EXPECT_GE(count_of(c, "pointwise"), 3);
}

// An embedding that gives the logits too, as GPT-2 has it: the importer folds the transpose, the file needs one table.
TEST(Products, AMatrixThatOthersReadTransposedIsSharedWithThem) {
  const std::vector<int64_t> dims{300, 80};
  const std::vector<float> table = random_vector<float>(300 * 80, 3, -1, 1);
  std::vector<float> turned(table.size());
  for (size_t r = 0; r < 300; ++r)
    for (size_t c = 0; c < 80; ++c) turned[c * 300 + r] = table[r * 80 + c];
  const auto make = [&](Net& n) {
    const ValueId words = n.entry.add_constant(ir::make_floats(table, dims));
    const ValueId x = n.b.add<op::Gather>({words, n.b.ints({7, 299})});
    n.output("y", n.b.add<op::MatMul>({x, n.entry.add_constant(ir::make_floats(turned, {80, 300}))}));
    turned[5] += 1;  // almost the same is another matrix
    n.output("z", n.b.add<op::MatMul>({x, n.entry.add_constant(ir::make_floats(turned, {80, 300}))}));
    turned[5] -= 1;
  };
  optimised(make, {share_transposed});
  Net net;
  make(net);
  EXPECT_EQ(share_transposed(net.model, {}), 1);
  EXPECT_LT(emit(net.model).size(), 2 * table.size() * sizeof(float) + 4096);
}

// Older exporters name the mask though nobody reads it; the importer cannot know.
TEST(NoOps, DropoutWhoseMaskNobodyReads) {
  const auto c = optimised(
      [](Net& n) {
        const ValueId x = n.input("x", {4, 8});
        const auto dropout = [&](ValueId v) { return n.b.node<op::Dropout>({v}, {}, 2).outputs; };
        n.output("y", n.b.add<op::Neg>({dropout(x)[0]}));
        const auto both = dropout(n.b.add<op::Abs>({x}));
        n.output("z", n.b.add<op::Neg>({both[0]}));
        n.output("mask", both[1]);
      },
      {remove_dead, remove_no_ops});
  EXPECT_EQ(c, (std::map<std::string, int>{{"abs", 1}, {"dropout", 1}, {"neg", 2}}));
}

TEST(Simplify, ViewsCastsConcatsAndSlices) {
  const auto c = optimised(
      [](Net& n) {
        const ValueId x = n.input("x", {n.symbol("N"), 3, 8});
        ValueId y = n.b.add<op::Unsqueeze>({x}, {.axes = std::vector<int64_t>{1}});
        y = n.b.reshape(y, std::vector<int64_t>{0, 24, -1});
        y = n.b.add<op::Squeeze>({y}, {.axes = std::vector<int64_t>{2}});
        y = n.b.cast(n.b.cast(y, DType::F64), DType::F32);
        y = n.b.add<op::Slice>({y, n.b.ints({0}), n.b.ints({1000}), n.b.ints({1})});
        y = n.b.add<op::Div>({y, n.number(8)});
        const ValueId pair = n.b.add<op::Concat>({n.b.add<op::Tanh>({y}), y}, {.axis = 1});
        n.output("y", n.b.add<op::Concat>({pair, n.b.add<op::Neg>({y})}, {.axis = -1}));
      },
      {simplify}, {{"x", {4, 3, 8}}}, {0, 0});
  EXPECT_EQ(c, (std::map<std::string, int>{{"concat", 1}, {"mul", 1}, {"neg", 1}, {"reshape", 1}, {"tanh", 1}}));
}

TEST(Simplify, ProductsTakeLeadingAxes) {
  const auto c = optimised(
      [](Net& n) {  // linear layers on [batch, time, features] written with Gemm
        const ValueId x = n.input("x", {2, n.symbol("T"), 6});
        ValueId y = n.b.reshape(x, std::vector<int64_t>{-1, 6});
        y = n.b.reshape(n.b.add<op::MatMul>({y, n.weights({6, 5}), n.weights({5})}), std::vector<int64_t>{2, -1, 5});
        y = n.b.add<op::Relu>({y});
        y = n.b.reshape(y, std::vector<int64_t>{-1, 5});
        n.output("y", n.b.reshape(n.b.add<op::MatMul>({y, n.weights({5, 6})}), std::vector<int64_t>{2, -1, 6}));
      },
      {simplify, fuse_epilogues}, {{"x", {2, 4, 6}}});
  EXPECT_EQ(count_of(c, "matmul"), 2);
  EXPECT_LE(count_of(c, "reshape"), 1);
}

TEST(Simplify, ExpandBeforeBroadcasting) {
  const auto c = optimised(
      [](Net& n) {
        const ValueId x = n.input("x", {3, 4, 5});
        const ValueId e = n.b.add<op::Expand>({n.input("z", {4, 1}), n.b.ints({3, 4, 5})});
        n.output("y", n.b.add<op::Add>({e, x}));
      },
      {simplify});
  EXPECT_EQ(c, (std::map<std::string, int>{{"add", 1}}));
}

TEST(Simplify, SlicesThatAreTheWhole) {
  const auto c = optimised(
      [](Net& n) {
        const ValueId x = n.input("x", {2, 3, 12});
        const auto part = [&](int64_t from, int64_t to) {
          return n.b.add<op::Slice>({x, n.b.ints({from}), n.b.ints({to}), n.b.ints({2})});
        };
        const ValueId b = part(4, 9);
        n.output("y", n.b.add<op::Concat>({part(0, 4), b, part(9, 50), n.b.add<op::Neg>({b})}, {.axis = 2}));
      },
      {simplify}, {}, {0, 0});
  EXPECT_EQ(c, (std::map<std::string, int>{{"concat", 1}, {"neg", 1}, {"slice", 1}}));
}

TEST(SplitProducts, QueryKeyAndValue) {
  const auto c = optimised(
      [](Net& n) {
        ValueId y = n.b.add<op::MatMul>({n.input("x", {2, 5, 16}), n.weights({16, 192})});
        y = n.b.add<op::Add>({y, n.weights({192})});
        for (int64_t k = 0; k < 3; ++k)
          n.output("y" + std::to_string(k),
                   n.b.add<op::Slice>({y, n.b.ints({k * 64}), n.b.ints({k * 64 + 64}), n.b.ints({-1})}));
        const ValueId z = n.b.add<op::MatMul>({n.input("z", {5, 16}), n.weights({16, 192})});  // a column is left over
        n.output("z0", n.b.add<op::Slice>({z, n.b.ints({0}), n.b.ints({64}), n.b.ints({1})}));
        n.output("z1", n.b.add<op::Slice>({z, n.b.ints({64}), n.b.ints({191}), n.b.ints({1})}));
      },
      {fold_weights, split_products});
  EXPECT_EQ(c, (std::map<std::string, int>{{"matmul", 4}, {"slice", 2}}));
}

TEST(Order, LongBranchesRunOneAfterTheOther) {
  Net n;
  const ValueId x = n.input("x", {64, 64});
  std::vector<ValueId> wide, narrow;
  for (int k = 0; k < 6; ++k) wide.push_back(n.b.add<op::Concat>({x, n.b.add<op::Sin>({x}), x, x}, {.axis = 0}));
  for (ValueId w : wide) narrow.push_back(n.b.add<op::ReduceSum>({w}, {.axes = std::vector<int64_t>{0}}));
  n.output("y", n.b.add<op::Concat>(narrow, {.axis = 0}));
  EXPECT_EQ(order_for_memory(n.model, {}), 1);
  ir::check(n.model);
  int alive = 0, most = 0;
  for (const auto& node : n.entry.body.nodes) {
    if (node->is<op::Concat>() && node->inputs.size() == 4) most = std::max(most, ++alive);
    if (node->is<op::ReduceSum>()) --alive;
  }
  EXPECT_EQ(most, 1);
}

struct Expected {
  const char* net;
  std::map<std::string, int> most;  // at most so many of these
};

class GoldenNets : public testing::TestWithParam<Expected> {};

TEST_P(GoldenNets, NothingIsLeftThatCouldBeFused) {
  const auto path = source_path("tests/golden") / GetParam().net / "model.onnx";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "no " << path;
  OnnxFile file;
  file.path = path.string();
  ConvertReport report;
  const ir::Model model = convert_files({file}, {}, &report);
  const auto counts = op_counts(model);
  for (const auto& [op, most] : GetParam().most) EXPECT_LE(count_of(counts, op), most) << op;
  for (const char* gone : {"batch_norm", "relu", "gelu", "hard_swish", "swish", "erf", "pow"})
    EXPECT_EQ(count_of(counts, gone), 0) << gone;
  EXPECT_LT(report.passes.nodes_after, report.passes.nodes_before);
}

INSTANTIATE_TEST_SUITE_P(
    Nets, GoldenNets,
    testing::Values(Expected{"resnet18", {{"transpose", 1}, {"add", 0}, {"conv", 20}}},
                    Expected{"resnet18_dynamo", {{"transpose", 1}, {"add", 0}, {"conv", 20}}},
                    Expected{"resnet50", {{"transpose", 1}, {"add", 0}, {"conv", 53}}},
                    Expected{"mobilenet_v2", {{"clip", 0}, {"transpose", 1}, {"add", 0}, {"conv", 52}}},
                    Expected{"mobilenet_v3_large", {{"transpose", 1}, {"add", 0}, {"conv", 62}}},
                    Expected{"efficientnet_b0", {{"transpose", 1}, {"add", 0}, {"conv", 81}}},
                    Expected{"squeezenet", {{"transpose", 1}, {"conv", 26}}},
                    Expected{"densenet121", {{"transpose", 1}, {"mul", 0}, {"add", 0}, {"pointwise", 62}}},
                    Expected{"unet_bilinear", {{"transpose", 2}}},
                    Expected{"dscnn_kws", {{"transpose", 0}, {"pad", 0}}},
                    Expected{"vit", {{"transpose", 1}, {"softmax", 0}, {"attention", 3}, {"layer_norm", 7}}},
                    Expected{"bert", {{"transpose", 0}, {"softmax", 0}, {"attention", 3}, {"layer_norm", 7}}},
                    Expected{"bert_dynamo", {{"transpose", 0}, {"softmax", 0}, {"attention", 3}}},
                    Expected{"minilm", {{"transpose", 0}, {"softmax", 0}, {"attention", 6}}},
                    Expected{"gpt2_cached", {{"transpose", 0}, {"softmax", 0}, {"attention", 2}}},
                    Expected{"mlp", {{"matmul", 3}}}),
    [](const auto& info) { return std::string(info.param.net); });

}  // namespace
}  // namespace gf::test
