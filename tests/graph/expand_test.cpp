// Every op with expand(): the expansion, base ops alone, gives the numbers of the fused node on random inputs.
#include "graph/passes/expand.h"

#include <set>

#include "tests/graph/graph_test_util.h"

namespace gf::test {
namespace {

std::set<std::string> g_expanded;  // ops that some test expanded

int expand_pass(ir::Model& model, const PassOptions&) {
  int n = 0;
  for (auto& e : model.entries) {
    for (const auto& node : e->body.nodes) {
      const OpRules* rules = find_rules(RulesOf<AllOps>::kRows, *node->def);
      if (rules != nullptr && rules->expand != nullptr) g_expanded.insert(node->def->info.name);
    }
    n += expand_fused(*e);
  }
  return n;
}

std::map<std::string, int> expanded(const MakeNet& make, const Shapes& shapes = {}, Tolerance t = {1e-5, 1e-5}) {
  return optimised(make, {expand_pass}, shapes, t);
}

// No op with a rule is left, except base forms of the products.
void expect_base(const std::map<std::string, int>& counts, const std::set<std::string>& allowed = {}) {
  for (const OpRules* r : RulesOf<AllOps>::kRows)
    if (r->expand != nullptr && !allowed.contains(r->op->info.name)) {
      EXPECT_EQ(count_of(counts, r->op->info.name), 0) << r->op->info.name;
    }
}

constexpr Activation kActivations[] = {
    Activation::None,    Activation::Relu, Activation::Clamp, Activation::LeakyRelu, Activation::HardSigmoid, Activation::HardSwish,
    Activation::Sigmoid, Activation::Silu, Activation::Tanh,  Activation::Gelu,      Activation::GeluTanh,    Activation::Elu};
static_assert(std::size(kActivations) == kLastActivation + 1);

TEST(Expand, MatMulWithEverything) {
  for (const Activation f : kActivations) {
    SCOPED_TRACE(static_cast<int>(f));
    const auto counts = expanded([f](Net& n) {
      const auto x = n.input("x", {2, 5, 7}), r = n.input("r", {2, 7, 4});
      op::MatMul::Attrs a{.transpose_a = true, .transpose_b = true, .alpha = 0.75f, .residual_scale = 1.5f, .activation = f};
      a.activation_a = f == Activation::Clamp ? -0.5f : 0.25f;
      a.activation_b = f == Activation::Clamp ? 0.75f : 0.5f;
      n.output("y", n.b.add<op::MatMul>({x, n.weights({4, 5}), n.weights({4}), r}, a));
    });
    expect_base(counts, {"matmul"});
    EXPECT_EQ(count_of(counts, "transpose"), 2);
  }
}

TEST(Expand, MatMulBaseStays) {
  const auto counts = expanded([](Net& n) {
    const auto x = n.input("x", {3, 5});
    n.output("y", n.b.add<op::MatMul>({x, n.weights({5, 4})}));
  });
  EXPECT_EQ(counts, (std::map<std::string, int>{{"matmul", 1}}));
}

TEST(Expand, Convolutions) {
  for (const Activation f : kActivations) {
    SCOPED_TRACE(static_cast<int>(f));
    const float a = f == Activation::Clamp ? -0.5f : 0.25f, b = f == Activation::Clamp ? 0.75f : 0.5f;
    expect_base(expanded([&](Net& n) {
                  const auto x = n.input("x", {1, 6, 7, 4}), r = n.input("r", {1, 6, 7, 6});
                  static constexpr int64_t kPads[] = {1, 1, 1, 1};
                  op::Conv::Attrs attrs;
                  attrs.pads = kPads;
                  attrs.groups = 2;
                  attrs.activation = f;
                  attrs.activation_a = a;
                  attrs.activation_b = b;
                  n.output("y", n.b.add<op::Conv>({x, n.weights({6, 2, 3, 3}), n.weights({6}), r}, attrs));
                }),
                {"conv"});
    expect_base(expanded([&](Net& n) {
                  const auto x = n.input("x", {1, 4, 3, 4}), r = n.input("r", {1, 9, 7, 6});
                  static constexpr int64_t kStrides[] = {2, 2};
                  op::ConvTranspose::Attrs attrs;
                  attrs.strides = kStrides;
                  attrs.activation = f;
                  attrs.activation_a = a;
                  attrs.activation_b = b;
                  n.output("y", n.b.add<op::ConvTranspose>({x, n.weights({4, 6, 3, 3}), n.weights({6}), r}, attrs));
                }),
                {"conv_transpose"});
  }
}

TEST(Expand, ConvWeightGrad) {
  for (const int64_t groups : {1, 2, 4})
    expect_base(expanded([groups](Net& n) {
                  static constexpr int64_t kKernel[] = {3, 2}, kStrides[] = {2, 1}, kDilations[] = {1, 2}, kPads[] = {1, 1, 0, 1};
                  const auto x = n.input("x", {2, 7, 6, 4}), g = n.input("g", {2, 3, 6, 8});
                  n.output("y", n.b.add<op::ConvWeightGrad>({x, g}, {.kernel = kKernel, .strides = kStrides, .dilations = kDilations, .pads = kPads, .groups = groups}));
                }),
                {"conv"});
}

TEST(Expand, PointwiseChain) {
  const auto counts = optimised(
      [](Net& n) {
        const auto x = n.input("x", {3, 5}), y = n.input("y", {5});
        const auto s = n.b.add<op::Elu>({n.b.add<op::Add>({x, y})}, {.alpha = 0.7f});
        const auto c = n.b.add<op::Clip>({n.b.add<op::Mul>({s, x})}, {.min = -0.5, .max = 1.25});
        n.output("z", n.b.add<op::Sub>({n.b.add<op::Swish>({c}, {.alpha = 1.5f}), s}));
      },
      {fuse_pointwise, expand_pass});
  expect_base(counts);
  EXPECT_EQ(count_of(counts, "elu"), 1);
  EXPECT_EQ(count_of(counts, "sub"), 1);
}

TEST(Expand, Activations) {
  expect_base(expanded([](Net& n) {
    const auto x = n.input("x", {4, 33});
    n.output("swish", n.b.add<op::Swish>({x}, {.alpha = 1.7f}));
    n.output("silu", n.b.add<op::Swish>({x}));
    n.output("mish", n.b.add<op::Mish>({x}));
    n.output("gelu", n.b.add<op::Gelu>({x}));
    n.output("tanh", n.b.add<op::Gelu>({x}, {.approximate = op::Gelu::Approximate::Tanh}));
  }));
}

TEST(Expand, RmsNormWithStatistics) {
  for (const int64_t axis : {-1, 1}) {
    expect_base(expanded([axis](Net& n) {
      const auto x = n.input("x", {2, 3, 8});
      const auto scale = axis == 1 ? n.weights({3, 8}) : n.weights({8});
      const ir::Node& norm = n.b.node<op::RmsNorm>({x, scale}, {.axis = axis, .epsilon = 1e-4f}, 2);
      const auto outputs = norm.outputs;
      n.output("y", outputs[0]);
      n.output("inverse", outputs[1]);
    }));
  }
}

TEST(Expand, BatchNorm) {
  for (const Activation f : {Activation::None, Activation::Relu, Activation::Clamp})
    for (const bool given : {false, true}) {
      const auto counts = expanded([&](Net& n) {
        const auto x = n.input("x", {3, 4, 5});
        const auto mean = given ? n.weights({5}) : ir::kNoValue, var = given ? n.b.add<op::Abs>({n.weights({5})}) : ir::kNoValue;
        const op::BatchNorm::Attrs a{.epsilon = 1e-2f, .activation = f, .activation_a = -0.5f, .activation_b = 0.75f};
        const auto results = n.b.node<op::BatchNorm>({x, n.weights({5}), n.weights({5}), mean, var}, a, given ? 1 : 3).outputs;
        for (size_t k = 0; k < results.size(); ++k) n.output("y" + std::to_string(k), results[k]);
      });
      expect_base(counts, {"batch_norm"});
      EXPECT_EQ(count_of(counts, "batch_norm"), 1);  // by statistics that are given, whoever computed them
      EXPECT_EQ(count_of(counts, "reduce_mean"), given ? 0 : 2);
    }
}

TEST(Expand, RotaryEmbedding) {
  for (const bool interleaved : {false, true})
    for (const bool ids : {false, true})
      for (const int64_t half : {4, 3}) {
        SCOPED_TRACE(testing::Message() << interleaved << ids << half);
        for (const AttentionLayout layout : {AttentionLayout::HeadsFirst, AttentionLayout::HeadsInner})
          expect_base(expanded([&](Net& n) {
            const bool first = layout == AttentionLayout::HeadsFirst;
            const auto x = n.input("x", first ? std::vector<Dim>{2, 3, 5, 8} : std::vector<Dim>{2, 5, 3, 8});
            const std::vector<int64_t> table = ids ? std::vector<int64_t>{9, half} : std::vector<int64_t>{2, 5, half};
            const auto positions = ids ? n.b.reshape(n.b.ints({0, 1, 2, 3, 4, 8, 7, 6, 5, 4}), std::vector<int64_t>{2, 5}) : ir::kNoValue;
            n.output("y", n.b.add<op::RotaryEmbedding>({x, n.weights(table), n.weights(table), positions},
                                                       {.layout = layout, .interleaved = interleaved}));
          }));
      }
}

struct AttentionCase {
  const char* name;
  op::Attention::Attrs attrs;
  int mask = 0;  // 1: bool, 2: float with -inf
  bool lengths = false, offset = false;
  int64_t kv_heads = 4;
  int outputs = 1;
};

TEST(Expand, Attention) {
  using enum AttentionScores;
  const AttentionCase cases[] = {
      {"plain", {}},
      {"inner", {.layout = AttentionLayout::HeadsInner}},
      {"scale and softcap", {.scale = 0.3f, .softcap = 1.5f, .scores = SoftCapped}, 0, false, false, 4, 2},
      {"product", {.scores = Product}, 0, false, false, 4, 2},
      {"softmax", {.scores = Softmax}, 1, false, false, 4, 2},
      {"grouped", {.layout = AttentionLayout::HeadsInner}, 0, false, false, 2},
      {"one key head", {}, 0, false, false, 1},
      {"bool mask, a row without keys", {}, 1},
      {"float mask, a row without keys", {}, 2},
      {"causal", {.is_causal = true}},
      {"causal with offset", {.is_causal = true}, 0, false, true},
      {"lengths", {}, 0, true},
      {"causal with lengths", {.is_causal = true}, 0, true},
      {"windows", {.left_window = 1, .right_window = 2}},
      {"everything", {.layout = AttentionLayout::HeadsInner, .softcap = 2, .is_causal = true, .left_window = 3}, 1, true, true, 2},
  };
  for (const AttentionCase& c : cases) {
    SCOPED_TRACE(c.name);
    expect_base(expanded([&](Net& n) {
                  const bool inner = c.attrs.layout == AttentionLayout::HeadsInner;
                  const auto shape = [&](int64_t heads, int64_t length, int64_t dim) {
                    return inner ? std::vector<Dim>{2, length, heads, dim} : std::vector<Dim>{2, heads, length, dim};
                  };
                  const auto q = n.input("q", shape(4, 5, 8)), k = n.input("k", shape(c.kv_heads, 6, 8));
                  const auto v = n.input("v", shape(c.kv_heads, 6, 3));
                  std::vector<float> mask(5 * 6, 0.0f);
                  for (size_t i = 0; i < mask.size(); ++i)
                    mask[i] = i < 6 || i % 4 == 1 ? -std::numeric_limits<float>::infinity() : 0.25f * static_cast<float>(i % 3);
                  ir::ValueId m = ir::kNoValue;
                  if (c.mask == 2) m = n.entry.add_constant(ir::make_floats(mask, {5, 6}));
                  if (c.mask == 1) {
                    std::vector<std::byte> bits;
                    for (const float f : mask) bits.push_back(static_cast<std::byte>(f >= 0));
                    m = n.entry.add_constant(ir::make_constant(DType::Bool, {5, 6}, bits));
                  }
                  const auto lengths = c.lengths ? n.b.ints({5, 3}) : ir::kNoValue;
                  const auto offset = c.offset ? n.b.ints({1}) : ir::kNoValue;
                  const auto y = n.b.node<op::Attention>({q, k, v, m, lengths, offset}, c.attrs, static_cast<size_t>(c.outputs)).outputs;
                  n.output("y", y[0]);
                  if (c.outputs == 2) n.output("scores", y[1]);
                }),
                {"matmul"});
  }
}

TEST(Expand, InsideLoopsAndWithVaryingShapes) {
  expect_base(expanded(
                  [](Net& n) {
                    const auto x = n.input("x", {n.symbol("N"), 6});
                    const auto y = n.b.add<op::MatMul>({x, n.weights({6, 6}), n.weights({6})}, {.activation = Activation::Gelu});
                    n.output("y", n.b.add<op::RmsNorm>({y, n.weights({6})}));
                  },
                  {{"x", {3, 6}}}),
              {"matmul"});
}

TEST(Expand, GradientOfGelu) {
  expect_base(expanded([](Net& n) {
    const auto x = n.input("x", {3, 5}), dy = n.input("dy", {3, 5});
    n.output("gelu", n.b.add<op::GeluGrad>({x, dy}));
    n.output("tanh", n.b.add<op::GeluGrad>({x, dy}, {.approximate = op::Gelu::Approximate::Tanh}));
  }));
}

TEST(Expand, FailureOfARuleNamesTheNode) {
  Net n;
  const auto x = n.input("x", {3});
  n.b.set_origin("chain", "Chain 'c'");
  static constexpr int64_t kProgram[] = {65000, 0, 0, op::Pointwise::kNoOperand};
  n.output("y", n.b.add<op::Pointwise>({x}, {.program = kProgram, .parameters = {}}));
  try {
    expand_fused(n.entry);
    FAIL() << "an unknown instruction was expanded";
  } catch (const Exception& e) {
    EXPECT_EQ(e.code(), Error::UnknownOp);
    EXPECT_NE(std::string(e.what()).find("Chain 'c'"), std::string::npos) << e.what();
  }
  int told = 0;
  ExpandOptions options;
  options.failed = [&](const ir::Node&, const Exception&) { ++told; };
  EXPECT_EQ(expand_fused(n.entry, options), 0);
  EXPECT_EQ(told, 1);
}

// Runs last in this file: an op with expand() that no test above expanded fails here.
TEST(ExpandAll, EveryRuleWasTested) {
  if (g_expanded.empty()) GTEST_SKIP() << "the other tests of this file were filtered out";
  for (const OpRules* r : RulesOf<AllOps>::kRows)
    if (r->expand != nullptr) {
      EXPECT_TRUE(g_expanded.contains(r->op->info.name)) << r->op->info.name << " has expand() and no test";
    }
}

}  // namespace
}  // namespace gf::test
