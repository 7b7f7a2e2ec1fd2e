// Gradients of reductions, normalisations, losses and products, against differences.
#include "tests/trainer/gradcheck_support.h"

namespace gf::test {
namespace {

using List = std::vector<int64_t>;

template <class Op>
void reduced(double low = -2, double high = 2) {
  static constexpr int64_t kMiddle[] = {1}, kEnds[] = {0, -1};
  for (const bool keep : {true, false})
    for (const IntList axes : {IntList{}, IntList{kMiddle}, IntList{kEnds}}) {
      expect_gradients_of<Op>({2, 3, 4}, {.axes = axes, .keepdims = keep}, low, high);
      if (axes.empty()) continue;
      expect_gradients([&](GradNet& n) { n.y(n.b.add<Op>({n.x({2, 3, 4}, low, high), n.b.ints(axes)}, {.keepdims = keep})); });
    }
  expect_gradients([&](GradNet& n) { n.y(n.b.add<Op>({n.x({}, low, high)})); });
  expect_gradients([&](GradNet& n) { n.y(n.b.add<Op>({n.x({3}, low, high)}, {.none = true})); });
}

TEST(Gradcheck, Reductions) {
  reduced<op::ReduceSum>();
  reduced<op::ReduceMean>();
  reduced<op::ReduceSumSquare>();
  reduced<op::ReduceL1>();
  reduced<op::ReduceL2>();
  reduced<op::ReduceLogSum>(0.3, 2);
  reduced<op::ReduceLogSumExp>();
  reduced<op::ReduceMax>();
  reduced<op::ReduceMin>();
  reduced<op::ReduceProd>();
}

// Products whose factors are 0 have a gradient: the product of the others.
TEST(Gradcheck, ProductsWithZeros) {
  for (const int zeros : {1, 2})
    for (const bool running : {false, true})
      expect_gradients([&](GradNet& n) {
        std::vector<double> v{0.5, -1.5, 2, 0.75, 1.25};
        for (int k = 0; k < zeros; ++k) v[static_cast<size_t>(1 + 2 * k)] = 0;
        const auto x = n.given({Dim(5)}, io::Array::from(v));
        n.y(running ? n.b.add<op::CumProd>({x}) : n.b.add<op::ReduceProd>({x}));
      });
}

TEST(Gradcheck, RunningFolds) {
  for (const bool exclusive : {false, true})
    for (const bool reverse : {false, true})
      for (const int64_t axis : {0, 1}) {
        expect_gradients_of<op::CumSum>({3, 4}, {.axis = axis, .exclusive = exclusive, .reverse = reverse});
        expect_gradients_of<op::CumProd>({3, 4}, {.axis = axis, .exclusive = exclusive, .reverse = reverse});
      }
  expect_gradients([](GradNet& n) { n.y(n.b.add<op::CumSum>({n.x({3, 4}), n.b.int_scalar(-1)})); });
}

TEST(Gradcheck, Softmax) {
  for (const int64_t axis : {-1, 1, 0}) {
    expect_gradients_of<op::Softmax>({2, 3, 4}, {.axis = axis});
    expect_gradients_of<op::LogSoftmax>({2, 3, 4}, {.axis = axis});
  }
  expect_gradients_of<op::Softmax>({});
  expect_gradients_of<op::LogSoftmax>({});
}

// Statistics are outputs: their gradients count as well.
template <class Op>
void normalised(const List& x, const std::vector<List>& parameters, const typename Op::Attrs& attrs, bool statistics = true) {
  SCOPED_TRACE(Op::info.name);
  for (const size_t outputs : {size_t{1}, statistics ? size_t{Op::info.max_outputs} : size_t{1}})
    expect_gradients(
        [&](GradNet& n) {
          std::vector<ir::ValueId> inputs{n.x(x)};
          for (const List& p : parameters) inputs.push_back(n.x(p, 0.5, 1.5));
          const ir::Node& node = n.b.node<Op>(inputs, attrs, outputs);
          const auto results = node.outputs;
          for (const ir::ValueId r : results) n.y(r);
        },
        second_order());
}

TEST(Gradcheck, Normalisations) {
  normalised<op::LayerNorm>({2, 3, 4}, {{4}, {4}}, {.epsilon = 1e-3f});
  normalised<op::LayerNorm>({2, 3, 4}, {{3, 4}}, {.axis = 1, .epsilon = 1e-3f});
  normalised<op::LayerNorm>({2, 5}, {{1}, {1}}, {.epsilon = 1e-3f});
  normalised<op::RmsNorm>({2, 3, 4}, {{4}}, {.epsilon = 1e-3f});
  normalised<op::RmsNorm>({2, 3, 4}, {{3, 4}}, {.axis = 1, .epsilon = 1e-3f});
  normalised<op::GroupNorm>({2, 3, 6}, {{6}, {6}}, {.num_groups = 2, .epsilon = 1e-3f});
  normalised<op::GroupNorm>({2, 4}, {{4}, {4}}, {.num_groups = 2, .epsilon = 1e-3f});
  normalised<op::InstanceNorm>({2, 3, 2, 3}, {{3}, {3}}, {.epsilon = 1e-3f});
  normalised<op::BatchNorm>({2, 3, 4}, {{4}, {4}, {4}, {4}}, {.epsilon = 1e-3f}, false);
  normalised<op::BatchNorm>({2, 3, 4}, {{4}, {4}}, {.epsilon = 1e-3f});
  normalised<op::BatchNorm>({5, 3}, {{3}, {3}}, {.epsilon = 1e-3f, .activation = Activation::Relu});
  normalised<op::BatchNorm>({5, 3}, {{3}, {3}}, {.epsilon = 1e-3f, .activation = Activation::Clamp, .activation_a = -0.25f, .activation_b = 1.5f});
  normalised<op::BatchNorm>({4}, {{4}, {4}}, {.epsilon = 1e-3f});
  static constexpr int64_t kSpace[] = {0, 2};
  expect_gradients_of<op::MeanVarianceNormalization>({2, 3, 4}, {.axes = kSpace});
  for (const int64_t p : {1, 2}) expect_gradients_of<op::LpNormalization>({3, 4}, {.axis = 1, .p = p});
  for (const int64_t size : {1, 4, 5})
    expect_gradients_of<op::Lrn>({2, 3, 6}, {.size = size, .alpha = 0.4f, .beta = 0.6f, .bias = 1.5f});
}

template <class Op>
void class_loss() {
  SCOPED_TRACE(Op::info.name);
  for (const Reduction reduction : {Reduction::None, Reduction::Mean, Reduction::Sum})
    for (const bool weighted : {false, true})
      for (const int64_t ignore : {kNoIgnoreIndex, int64_t{-100}, int64_t{2}})
        expect_gradients([&](GradNet& n) {
          const auto scores = n.x({2, 4, 3});
          const auto targets = n.indices({2, 3}, {0, 3, 2, 1, ignore == -100 ? -100 : 2, 3});
          const auto numbers = io::Array::from(std::vector<double>{0.5, 1, 2, 1.5});
          const auto weights = weighted ? n.entry.add_constant(ir::make_constant(DType::F64, {4}, numbers.data)) : ir::kNoValue;
          n.y(n.b.add<Op>({scores, targets, weights}, {.reduction = reduction, .ignore_index = ignore, .axis = 1}));
        }, second_order());
  expect_gradients([](GradNet& n) { n.y(n.b.add<Op>({n.x({5, 3}), n.indices({5}, {0, 2, 1, 1, 0})})); });
}

TEST(Gradcheck, Losses) {
  class_loss<op::NllLoss>();
  class_loss<op::SoftmaxCrossEntropyLoss>();
  expect_gradients([](GradNet& n) {  // log-probabilities beside the loss, and alone
    const ir::Node& loss = n.b.node<op::SoftmaxCrossEntropyLoss>({n.x({4, 3}), n.indices({4}, {0, 2, 1, 1})}, {}, 2);
    const auto results = loss.outputs;
    n.y(results[0]);
    n.y(results[1]);
  }, second_order());
}

TEST(Gradcheck, CrossEntropyGrad) {
  for (const Reduction reduction : {Reduction::None, Reduction::Mean, Reduction::Sum})
    for (const bool weighted : {false, true})
      expect_gradients([&](GradNet& n) {
        const auto scores = n.x({2, 4, 3}), targets = n.indices({2, 3}, {0, 3, 2, 1, -100, 3});
        const auto dy = n.x(reduction == Reduction::None ? List{2, 3} : List{});
        const auto numbers = io::Array::from(std::vector<double>{0.5, 1, 2, 1.5});
        const auto weights = weighted ? n.entry.add_constant(ir::make_constant(DType::F64, {4}, numbers.data)) : ir::kNoValue;
        n.y(n.b.add<op::CrossEntropyGrad>({scores, targets, dy, weights}, {.reduction = reduction, .ignore_index = -100, .axis = 1}));
      }, second_order());
}

TEST(Gradcheck, MatMul) {
  struct Pair {
    List a, b;
  };
  const Pair pairs[] = {{{2, 3}, {3, 4}}, {{2, 5, 3}, {3, 4}},    {{2, 5, 3}, {2, 3, 4}},    {{3}, {3, 4}},    {{2, 3}, {3}},
                        {{3}, {3}},       {{5, 3}, {2, 1, 3, 4}}, {{2, 1, 5, 3}, {3, 3, 2}}, {{3}, {2, 3, 4}}, {{2, 5, 3}, {3}}};
  for (const Pair& p : pairs)
    expect_gradients(
        [&](GradNet& n) {
          const auto a = n.x(p.a), b = n.x(p.b);
          n.y(n.b.add<op::MatMul>({a, b}));
        },
        second_order());
}

TEST(Gradcheck, MatMulForms) {
  for (const bool ta : {false, true})
    for (const bool tb : {false, true})
      for (const bool batch : {false, true})
        expect_gradients([&](GradNet& n) {
          List a = ta ? List{3, 2} : List{2, 3}, b = tb ? List{4, 3} : List{3, 4};
          if (batch) a.insert(a.begin(), 2);
          const auto left = n.x(a), right = n.x(b), bias = n.x({4}), residual = n.x(batch ? List{2, 2, 4} : List{2, 4});
          n.y(n.b.add<op::MatMul>({left, right, bias, residual},
                                  {.transpose_a = ta, .transpose_b = tb, .alpha = 0.75f, .residual_scale = 1.5f}));
        }, second_order());
  for (const Activation f : {Activation::Relu, Activation::Silu, Activation::GeluTanh})
    expect_gradients([f](GradNet& n) {
      const auto a = n.x({2, 3}), b = n.x({3, 4}), bias = n.x({4});
      n.y(n.b.add<op::MatMul>({a, b, bias}, {.activation = f, .activation_a = 1}));
    });
}

TEST(Gradcheck, Einsum) {
  struct Equation {
    const char* text;
    std::vector<List> shapes;
  };
  const Equation equations[] = {
      {"ij,jk->ik", {List{2, 3}, List{3, 4}}},
      {"bij,bjk->bik", {List{2, 2, 3}, List{2, 3, 2}}},
      {"bhqd,bhkd->bhqk", {List{1, 2, 3, 2}, List{1, 2, 2, 2}}},
      {"...ij,...jk->...ik", {List{2, 2, 3}, List{3, 2}}},
      {"ij,ij,ij->", {List{2, 3}, List{2, 3}, List{2, 3}}},
      {"ij->ji", {List{2, 3}}},
      {"i,j->ij", {List{2}, List{3}}},
      {"ij->i", {List{2, 3}}},  // letters that only one operand has
      {"ij->", {List{2, 3}}},
      {"ij,k->j", {List{2, 3}, List{2}}},
      {"ii->i", {List{3, 3}}},  // diagonals
      {"ii->", {List{3, 3}}},
      {"aab,b->a", {List{2, 2, 3}, List{3}}},
  };
  for (const Equation& e : equations) {
    SCOPED_TRACE(e.text);
    expect_gradients([&](GradNet& n) {
      std::vector<ir::ValueId> operands;
      for (const List& s : e.shapes) operands.push_back(n.x(s));
      n.y(n.b.add<op::Einsum>(operands, {.equation = e.text}));
    }, second_order());
  }
}

TEST(Gradcheck, Attention) {
  for (const bool causal : {false, true})
    for (const bool grouped : {false, true})
      expect_gradients([&](GradNet& n) {
        const int64_t heads = grouped ? 1 : 2;
        const auto q = n.x({1, 2, 3, 4}), k = n.x({1, heads, 3, 4}), v = n.x({1, heads, 3, 2}), mask = n.x({3, 3});
        n.y(n.b.add<op::Attention>({q, k, v, mask}, {.softcap = causal ? 2.0f : 0.0f, .is_causal = causal}));
      });
  expect_gradients([](GradNet& n) {
    const auto q = n.x({2, 3, 2, 2}), k = n.x({2, 4, 2, 2}), v = n.x({2, 4, 2, 2});
    n.y(n.b.add<op::Attention>({q, k, v}, {.layout = AttentionLayout::HeadsInner}));
  }, second_order());
  for (const bool causal : {false, true})  // by attention_grad: no gradient of the mask
    expect_gradients([&](GradNet& n) {
      const auto q = n.x({1, 4, 3, 2}), k = n.x({1, 2, 4, 2}), v = n.x({1, 2, 4, 3}), mask = n.mask({3, 4});
      n.y(n.b.add<op::Attention>({q, k, v, mask}, {.softcap = causal ? 2.0f : 0.0f, .is_causal = causal}));
    }, second_order());
}

TEST(Gradcheck, AttentionGrad) {
  for (const bool causal : {false, true})
    expect_gradients([&](GradNet& n) {
      const auto q = n.x({1, 3, 2, 2}, -1, 1), k = n.x({1, 4, 1, 2}, -1, 1), v = n.x({1, 4, 1, 2}, -1, 1), mask = n.x({3, 4}, -1, 1);
      const auto y = n.x({1, 3, 2, 2}, -1, 1), dy = n.x({1, 3, 2, 2}, -1, 1);
      const op::Attention::Attrs a{.layout = AttentionLayout::HeadsInner, .softcap = causal ? 2.0f : 0.0f, .is_causal = causal};
      for (const ir::ValueId g : n.b.node<op::AttentionGrad>({q, k, v, y, dy, mask}, a, 3).outputs) n.y(g);
    });
}

TEST(Gradcheck, LayerNormGrad) {
  for (const bool centred : {false, true})
    for (const int64_t axis : {0, 1, 2})
      expect_gradients([&](GradNet& n) {
        const List own = axis == 0 ? List{2, 2, 3} : axis == 1 ? List{2, 3} : List{3};
        const List rows = axis == 0 ? List{1, 1, 1} : axis == 1 ? List{2, 1, 1} : List{2, 2, 1};
        const auto x = n.x({2, 2, 3}), scale = n.x(own), inverse = n.x(rows, 0.5, 2), dy = n.x({2, 2, 3});
        const auto mean = centred ? n.x(rows) : ir::kNoValue;
        for (const ir::ValueId g : n.b.node<op::LayerNormGrad>({x, scale, inverse, dy, mean}, op::LayerNormGrad::Attrs{.axis = axis}, 3).outputs) n.y(g);
      }, second_order());
}

TEST(Gradcheck, BatchNormGrad) {
  for (const Activation f : {Activation::None, Activation::Relu, Activation::Clamp})
    for (const List& shape : {List{3, 2, 3}, List{3}})
      expect_gradients([&](GradNet& n) {
        const auto x = n.x(shape), scale = n.x({3}), mean = n.x({3}), var = n.x({3}, 0.5, 2), dy = n.x(shape);
        const auto bias = f != Activation::None ? n.x({3}) : ir::kNoValue;
        const op::BatchNormGrad::Attrs attrs{.epsilon = 1e-3f, .activation = f, .activation_a = -0.4f, .activation_b = 0.6f};
        for (const ir::ValueId g : n.b.node<op::BatchNormGrad>({x, scale, mean, var, dy, bias}, attrs, 3).outputs) n.y(g);
      }, second_order());
}

TEST(Gradcheck, RotaryEmbedding) {
  for (const bool interleaved : {false, true})
    expect_gradients([&](GradNet& n) {
      const auto x = n.x({1, 2, 3, 6}), cos = n.x({1, 3, 2}), sin = n.x({1, 3, 2});
      n.y(n.b.add<op::RotaryEmbedding>({x, cos, sin}, {.interleaved = interleaved}));
    }, second_order());
}

TEST(Gradcheck, GlobalNorm) {
  expect_gradients([](GradNet& n) { n.y(n.b.add<op::GlobalNorm>({n.x({3, 2}), n.x({5}), n.x({})})); }, second_order());
}

}  // namespace
}  // namespace gf::test
