// Patterns: activations, normalisations and attention written out in simple ops become one op, in each way of writing
// them; pieces that only look alike stay.
#include <limits>

#include "tests/graph/graph_test_util.h"

namespace gf::test {
namespace {

using ir::ValueId;
using Make = std::function<ValueId(Net&, ValueId)>;

ValueId add(Net& n, ValueId a, ValueId c) { return n.b.add<op::Add>({a, c}); }
ValueId mul(Net& n, ValueId a, ValueId c) { return n.b.add<op::Mul>({a, c}); }
ValueId div(Net& n, ValueId a, ValueId c) { return n.b.add<op::Div>({a, c}); }

void expect_activation(const std::string& op, const std::vector<Make>& forms) {
  for (size_t i = 0; i < forms.size(); ++i) {
    SCOPED_TRACE(op + " form " + std::to_string(i));
    const auto c = optimised([&](Net& n) { n.output("y", forms[i](n, n.input("x", {3, 40}))); }, {match_activations});
    EXPECT_EQ(c, (std::map<std::string, int>{{op, 1}}));
  }
}

TEST(Activations, Gelu) {
  const auto erf = [](Net& n, ValueId x) {
    return add(n, n.b.add<op::Erf>({div(n, x, n.number(1.41421356))}), n.number(1));
  };
  expect_activation("gelu", {[&](Net& n, ValueId x) { return mul(n, mul(n, x, erf(n, x)), n.number(0.5)); },
                             [&](Net& n, ValueId x) { return mul(n, mul(n, x, n.number(0.5)), erf(n, x)); },
                             [&](Net& n, ValueId x) { return mul(n, x, mul(n, n.number(0.5), erf(n, x))); },
                             [](Net& n, ValueId x) {  // tanh form with a power
                               const ValueId cube = n.b.add<op::Pow>({x, n.number(3)});
                               const ValueId u =
                                   mul(n, add(n, x, mul(n, cube, n.number(0.044715))), n.number(0.7978845608));
                               return mul(n, mul(n, x, n.number(0.5)), add(n, n.b.add<op::Tanh>({u}), n.number(1)));
                             },
                             [](Net& n, ValueId x) {  // x (1 + 0.044715 x x)
                               const ValueId inner = add(n, n.number(1), mul(n, mul(n, x, n.number(0.044715)), x));
                               const ValueId t = n.b.add<op::Tanh>({mul(n, mul(n, x, n.number(0.7978845608)), inner)});
                               return mul(n, n.number(0.5), mul(n, x, add(n, n.number(1), t)));
                             }});
}

TEST(Activations, SwishMishHardSwishAndOthers) {
  expect_activation(
      "swish",
      {[](Net& n, ValueId x) { return mul(n, x, n.b.add<op::Sigmoid>({x})); },
       [](Net& n, ValueId x) { return mul(n, n.b.add<op::Sigmoid>({mul(n, x, n.number(1.702))}), x); },
       [](Net& n, ValueId x) { return div(n, x, add(n, n.b.add<op::Exp>({n.b.add<op::Neg>({x})}), n.number(1))); }});
  expect_activation(
      "mish", {[](Net& n, ValueId x) { return mul(n, x, n.b.add<op::Tanh>({n.b.add<op::Softplus>({x})})); },
               [](Net& n, ValueId x) {
                 return mul(n, x, n.b.add<op::Tanh>({n.b.add<op::Log>({add(n, n.b.add<op::Exp>({x}), n.number(1))})}));
               }});
  const auto clip = [](Net& n, ValueId x) { return n.b.add<op::Clip>({add(n, x, n.number(3))}, {.min = 0, .max = 6}); };
  expect_activation("hard_swish", {[&](Net& n, ValueId x) { return div(n, mul(n, x, clip(n, x)), n.number(6)); },
                                   [&](Net& n, ValueId x) { return mul(n, x, div(n, clip(n, x), n.number(6))); },
                                   [](Net& n, ValueId x) {
                                     return mul(n, x, n.b.add<op::HardSigmoid>({x}, {.alpha = 1.0F / 6, .beta = 0.5F}));
                                   }});
  expect_activation("hard_sigmoid", {[&](Net& n, ValueId x) { return mul(n, clip(n, x), n.number(1.0 / 6)); }});
  expect_activation("sigmoid", {[](Net& n, ValueId x) {
                      return div(n, n.number(1), add(n, n.number(1), n.b.add<op::Exp>({n.b.add<op::Neg>({x})})));
                    }});
  expect_activation("leaky_relu", {[](Net& n, ValueId x) { return n.b.add<op::Max>({x, mul(n, x, n.number(0.2))}); }});
}

TEST(Activations, AnotherFormulaStays) {
  const auto c = optimised(
      [](Net& n) {
        const ValueId x = n.input("x", {3, 40});
        n.output("a", mul(n, x, n.b.add<op::Sigmoid>({add(n, x, n.number(0.1))})));
        const ValueId s = n.b.add<op::Sigmoid>({x});
        n.output("b", mul(n, mul(n, x, n.number(0.9)), n.b.add<op::Erf>({x})));
        n.output("c", add(n, s, n.number(1)));
      },
      {match_activations});
  EXPECT_EQ(count_of(c, "swish") + count_of(c, "gelu"), 0);
}

TEST(Activations, AGateThatOthersReadStays) {
  const auto c = optimised(
      [](Net& n) {
        const ValueId x = n.input("x", {3, 40}), s = n.b.add<op::Sigmoid>({x});
        n.output("y", mul(n, x, s));
        n.output("s", n.b.add<op::Neg>({s}));
      },
      {match_activations});
  EXPECT_EQ(count_of(c, "swish"), 0);
}

ValueId mean(Net& n, ValueId x, std::vector<int64_t> axes = {-1}) {
  return n.b.add<op::ReduceMean>({x}, {.axes = axes});
}

TEST(Norms, LayerNormForms) {
  const std::vector<Make> forms = {
      [](Net& n, ValueId x) {
        const ValueId c = n.b.add<op::Sub>({x, mean(n, x)});
        const ValueId v = mean(n, n.b.add<op::Pow>({c, n.number(2)}));
        return div(n, c, n.b.add<op::Sqrt>({add(n, v, n.number(1e-5))}));
      },
      [](Net& n, ValueId x) {
        const ValueId c = n.b.add<op::Sub>({x, mean(n, x)}), again = n.b.add<op::Sub>({x, mean(n, x)});
        const ValueId v = mean(n, mul(n, again, again));
        return mul(n, c, n.b.add<op::Reciprocal>({n.b.add<op::Sqrt>({add(n, n.number(1e-5), v)})}));
      },
      [](Net& n, ValueId x) {
        const ValueId c = n.b.add<op::Sub>({x, mean(n, x)});
        return mul(n, n.b.add<op::Pow>({add(n, mean(n, mul(n, c, c)), n.number(1e-5)), n.number(-0.5)}), c);
      }};
  for (size_t i = 0; i < forms.size(); ++i) {
    SCOPED_TRACE(i);
    const auto c = optimised(
        [&](Net& n) {
          n.output("y",
                   add(n, mul(n, forms[i](n, n.input("x", {n.symbol("N"), 5, 32})), n.weights({32})), n.weights({32})));
          n.output("bare", n.b.add<op::Neg>({forms[i](n, n.input("z", {4, 32}))}));
        },
        {match_norms}, {{"x", {3, 5, 32}}});
    EXPECT_EQ(c, (std::map<std::string, int>{{"layer_norm", 2}, {"neg", 1}}));
  }
}

TEST(Norms, LayerNormOverTwoAxesAndRmsNorm) {
  const auto c = optimised(
      [](Net& n) {
        const ValueId x = n.input("x", {2, 3, 8, 4});
        const ValueId d = n.b.add<op::Sub>({x, mean(n, x, {2, 3})});
        const ValueId y = div(n, d, n.b.add<op::Sqrt>({add(n, mean(n, mul(n, d, d), {3, 2}), n.number(1e-6))}));
        n.output("y", mul(n, n.weights({8, 4}), y));
        const ValueId r =
            mul(n, x, n.b.add<op::Reciprocal>({n.b.add<op::Sqrt>({add(n, mean(n, mul(n, x, x)), n.number(1e-6))})}));
        n.output("r", mul(n, r, n.weights({4})));
      },
      {match_norms});
  EXPECT_EQ(c, (std::map<std::string, int>{{"layer_norm", 1}, {"rms_norm", 1}}));
}

TEST(Norms, InnerAxesStay) {
  const auto c = optimised(
      [](Net& n) {
        const ValueId x = n.input("x", {2, 3, 8, 4});
        const ValueId d = n.b.add<op::Sub>({x, mean(n, x, {1})});
        n.output("y", div(n, d, n.b.add<op::Sqrt>({add(n, mean(n, mul(n, d, d), {1}), n.number(1e-6))})));
      },
      {match_norms});
  EXPECT_EQ(count_of(c, "layer_norm"), 0);
}

TEST(Norms, Softmax) {
  const auto c = optimised(
      [](Net& n) {
        const ValueId x = n.input("x", {3, 7});
        const ValueId e =
            n.b.add<op::Exp>({n.b.add<op::Sub>({x, n.b.add<op::ReduceMax>({x}, {.axes = std::vector<int64_t>{1}})})});
        n.output("y", div(n, e, n.b.add<op::ReduceSum>({e}, {.axes = std::vector<int64_t>{1}})));
      },
      {match_norms});
  EXPECT_EQ(c, (std::map<std::string, int>{{"softmax", 1}}));
}

// [B, S, H * D] -> heads, as exporters write it
ValueId heads(Net& n, ValueId x, bool transposed_key = false) {
  return n.b.transpose(n.b.reshape(x, std::vector<int64_t>{0, 0, 4, 8}),
                       transposed_key ? Perm{0, 2, 3, 1} : Perm{0, 2, 1, 3});
}
ValueId joined(Net& n, ValueId y) {
  return n.b.reshape(n.b.transpose(y, Perm{0, 2, 1, 3}), std::vector<int64_t>{0, 0, 32});
}

TEST(Attention, ScaleOnEitherSideAndHeadsInside) {
  for (int form = 0; form < 4; ++form) {
    SCOPED_TRACE(form);
    const auto c = optimised(
        [form](Net& n) {
          ValueId q = heads(n, n.input("q", {2, 5, 32})), k = heads(n, n.input("k", {2, 7, 32}), true);
          const ValueId v = heads(n, n.input("v", {2, 7, 32}));
          if (form == 0) q = div(n, q, n.number(2.8284271));
          if (form == 1) k = mul(n, k, n.number(0.35));
          if (form == 2) q = mul(n, q, n.number(0.6)), k = mul(n, n.number(0.6), k);
          ValueId s = n.b.add<op::MatMul>({q, k});
          if (form == 3) s = div(n, s, n.number(2.8284271));
          n.output("y", joined(n, n.b.add<op::MatMul>({n.b.add<op::Softmax>({s}), v})));
        },
        {move_transposes, match_attention, move_transposes});
    EXPECT_EQ(count_of(c, "attention"), 1);
    EXPECT_EQ(count_of(c, "transpose") + count_of(c, "matmul") + count_of(c, "softmax"), 0);
  }
}

TEST(Attention, MasksAddedAndChosen) {
  constexpr double kInf = std::numeric_limits<double>::infinity();
  for (int form = 0; form < 4; ++form) {
    SCOPED_TRACE(form);
    const auto c = optimised(
        [form](Net& n) {
          const ValueId q = n.input("q", {2, 4, 5, 8}), k = n.input("k", {2, 4, 5, 8}), v = n.input("v", {2, 4, 5, 8});
          ValueId s = n.b.add<op::MatMul>({q, n.b.transpose(k, Perm{0, 1, 3, 2})});
          const ValueId allowed = n.input("allowed", {2, 1, 1, 5}, DType::Bool);
          if (form == 0) s = add(n, s, n.input("mask", {2, 1, 5, 5}));
          if (form == 1) s = n.b.add<op::Where>({allowed, s, n.number(-kInf)});
          if (form == 2) s = n.b.add<op::Where>({allowed, n.number(-3.4e38), s});
          if (form == 3) {
            std::vector<float> causal(25, 0.0F);
            for (size_t i = 0; i < 5; ++i)
              for (size_t j = i + 1; j < 5; ++j) causal[i * 5 + j] = -std::numeric_limits<float>::infinity();
            s = add(n, n.entry.add_constant(ir::make_floats(causal, {1, 1, 5, 5})), s);
          }
          ValueId p = n.b.add<op::Softmax>({s}, {.axis = 3});
          if (form == 1) p = n.b.add<op::Where>({n.b.add<op::IsNan>({p}), n.number(0), p});
          n.output("y", n.b.add<op::MatMul>({p, v}));
        },
        {match_attention});
    EXPECT_EQ(count_of(c, "attention"), 1);
    EXPECT_EQ(count_of(c, "matmul"), 0);
  }
}

TEST(Attention, ScoresThatOthersReadStay) {
  const auto c = optimised(
      [](Net& n) {
        const ValueId q = n.input("q", {2, 4, 5, 8}), k = n.input("k", {2, 4, 8, 5}), v = n.input("v", {2, 4, 5, 8});
        const ValueId p = n.b.add<op::Softmax>({n.b.add<op::MatMul>({q, k})});
        n.output("y", n.b.add<op::MatMul>({p, v}));
        n.output("p", p);
      },
      {match_attention});
  EXPECT_EQ(count_of(c, "attention"), 0);
}

TEST(Attention, TransposeBecomesAnAttribute) {
  const auto c = optimised(
      [](Net& n) {
        const ValueId a = n.b.transpose(n.input("a", {4, 3}), Perm{1, 0});
        n.output("y", n.b.add<op::MatMul>({a, n.b.transpose(n.input("b", {2, 5, 4}), Perm{0, 2, 1})}));
      },
      {absorb_transposes});
  EXPECT_EQ(c, (std::map<std::string, int>{{"matmul", 1}}));
}

}  // namespace
}  // namespace gf::test
