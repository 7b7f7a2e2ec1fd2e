// Gradients of elementwise ops against differences, over attributes and broadcasts.
#include "tests/trainer/gradcheck_support.h"

namespace gf::test {
namespace {

template <class Op>
void unary(double low = -2, double high = 2, const typename Op::Attrs& attrs = {}) {
  for (const auto& dims : {std::vector<int64_t>{}, {7}, {2, 3, 4}}) expect_gradients_of<Op>(dims, attrs, low, high);
}

TEST(Gradcheck, Powers) {
  unary<op::Abs>();
  unary<op::Neg>();
  unary<op::Sqrt>(0.3, 4);
  unary<op::Reciprocal>(0.4, 3);
  unary<op::Reciprocal>(-3, -0.4);
  unary<op::Exp>();
  unary<op::Log>(0.3, 4);
  unary<op::Erf>();
}

TEST(Gradcheck, Trigonometric) {
  unary<op::Sin>();
  unary<op::Cos>();
  unary<op::Tan>(-1.2, 1.2);
  unary<op::Sinh>();
  unary<op::Cosh>();
  unary<op::Tanh>();
  unary<op::Asin>(-0.9, 0.9);
  unary<op::Acos>(-0.9, 0.9);
  unary<op::Atan>();
  unary<op::Asinh>();
  unary<op::Acosh>(1.2, 4);
  unary<op::Atanh>(-0.9, 0.9);
}

TEST(Gradcheck, Steps) {
  unary<op::Ceil>();
  unary<op::Floor>();
  unary<op::Round>();
  unary<op::Sign>();
}

TEST(Gradcheck, Activations) {
  unary<op::Relu>();
  unary<op::ThresholdedRelu>(-2, 2, {.alpha = 0.75f});
  unary<op::LeakyRelu>(-2, 2, {.alpha = 0.3f});
  unary<op::Elu>(-2, 2, {.alpha = 1.5f});
  unary<op::Celu>(-2, 2, {.alpha = 0.6f});
  unary<op::Selu>();
  unary<op::Sigmoid>(-4, 4);
  unary<op::Softplus>(-4, 4);
  unary<op::Softsign>();
  unary<op::HardSigmoid>(-4, 4);
  unary<op::HardSigmoid>(-4, 4, {.alpha = 0.4f, .beta = 0.2f});
  unary<op::HardSwish>(-5, 5);
  unary<op::Swish>(-4, 4);
  unary<op::Swish>(-4, 4, {.alpha = 1.7f});
  unary<op::Mish>(-4, 4);
  unary<op::Gelu>(-4, 4);
  unary<op::Gelu>(-4, 4, {.approximate = op::Gelu::Approximate::Tanh});
  unary<op::Shrink>(-2, 2, {.lambd = 0.6f, .bias = 0.2f});
  unary<op::Clip>(-2, 2, {.min = -0.7, .max = 1.1});
  unary<op::Clip>(-2, 2, {.min = -0.7});
  unary<op::Clip>(-2, 2, {.max = 1.1});
  unary<op::Clip>();
}

// Far out, where the side of an activation that is not taken overflows, second derivatives stay numbers.
TEST(Gradcheck, FarOut) {
  unary<op::Elu>(700, 800);
  unary<op::Celu>(700, 800);
  unary<op::Selu>(700, 800);
  unary<op::Softplus>(700, 800);
  unary<op::Mish>(700, 800);
  unary<op::Swish>(700, 800);
  unary<op::Gelu>(30, 40);
}

TEST(Gradcheck, TheValueItself) {
  unary<op::Identity>();
  unary<op::Dropout>();
  unary<op::Cast>(-2, 2, {.to = DType::F64});
  expect_gradients([](GradNet& n) { n.y(n.b.add<op::Dropout>({n.x({40})}, {.ratio = 0.3f, .training = true, .seed = 7})); });
}

struct Pair {
  std::vector<int64_t> a, b;
};
const Pair kPairs[] = {{{2, 3}, {2, 3}}, {{2, 3}, {3}}, {{}, {2, 3}}, {{2, 1, 4}, {3, 1}}, {{1, 1}, {}}, {{1}, {2, 2}}};

template <class Op>
void binary(double low_a, double high_a, double low_b, double high_b, const typename Op::Attrs& attrs = {}) {
  SCOPED_TRACE(Op::info.name);
  for (const Pair& p : kPairs)
    expect_gradients(
        [&](GradNet& n) {
          const auto a = n.x(p.a, low_a, high_a), b = n.x(p.b, low_b, high_b);
          n.y(n.b.add<Op>({a, b}, attrs));
        },
        second_order());
}

TEST(Gradcheck, Binary) {
  binary<op::Add>(-2, 2, -2, 2);
  binary<op::Sub>(-2, 2, -2, 2);
  binary<op::Mul>(-2, 2, -2, 2);
  binary<op::Div>(-2, 2, 0.5, 2);
  binary<op::Div>(-2, 2, -2, -0.5);
  binary<op::Pow>(0.4, 2, -2, 2);
  binary<op::Max>(-2, 2, -1.7, 1.9);
  binary<op::Min>(-2, 2, -1.7, 1.9);
  binary<op::Mod>(-5, 5, 0.6, 1.4);
  binary<op::Mod>(-5, 5, -1.4, -0.6, {.fmod = true});
  binary<op::GeluGrad>(-3, 3, -2, 2);
  binary<op::GeluGrad>(-3, 3, -2, 2, {.approximate = op::Gelu::Approximate::Tanh});
}

TEST(Gradcheck, PowersOfNegativeNumbers) {
  for (const double e : {2.0, 3.0, 1.0, 0.0, -1.0})
    expect_gradients([e](GradNet& n) { n.y(n.b.add<op::Pow>({n.x({6}), n.number(e)})); }, second_order());
}

TEST(Gradcheck, PRelu) {
  for (const Pair& p : {Pair{{2, 3}, {2, 3}}, Pair{{2, 3}, {3}}, Pair{{2, 3}, {}}, Pair{{2, 3, 2}, {3, 1}}})
    expect_gradients([&](GradNet& n) {
      const auto x = n.x(p.a), slope = n.x(p.b);
      n.y(n.b.add<op::PRelu>({x, slope}));
    }, second_order());
}

TEST(Gradcheck, Where) {
  expect_gradients([](GradNet& n) { n.y(n.b.add<op::Where>({n.mask({2, 3}), n.x({2, 3}), n.x({3})})); }, second_order());
  expect_gradients([](GradNet& n) { n.y(n.b.add<op::Where>({n.mask({3, 1}), n.x({}), n.x({2, 1, 4})})); }, second_order());
}

// Chains compute in float32 only, so no differences: the gradient must be that of the ops one by one.
TEST(Gradcheck, PointwiseChain) {  // sigmoid(a + b) * a
  const auto run = [](bool chain) {
    Net n;
    const auto a = n.input("a", {3, 5}), b = n.input("b", {5});
    static constexpr int64_t kNone = op::Pointwise::kNoOperand;
    static constexpr int64_t kProgram[] = {op::Add::info.id,     0, 0,  1,       //
                                           op::Sigmoid::info.id, 0, -1, kNone,  //
                                           op::Mul::info.id,     0, -2, 0};
    const auto y = chain ? n.b.add<op::Pointwise>({a, b}, {.program = kProgram, .parameters = {}})
                         : n.b.add<op::Mul>({n.b.add<op::Sigmoid>({n.b.add<op::Add>({a, b})}), a});
    const auto g = gradients(n.entry, {{y}}, {}, {{a, b}});
    n.output("da", g[0]);
    n.output("db", g[1]);
    for (const auto& [op, count] : op_counts(n.model)) checked_ops().insert(op);
    if (chain) checked_ops().insert("pointwise");
    return run_net(n, {});
  };
  const auto whole = run(true), parts = run(false);
  ASSERT_EQ(whole.size(), 2U);
  for (size_t i = 0; i < whole.size(); ++i) EXPECT_EQ(whole[i].second.data, parts[i].second.data);
}

}  // namespace
}  // namespace gf::test
