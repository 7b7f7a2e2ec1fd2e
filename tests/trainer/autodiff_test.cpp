// What autodiff appends and what it refuses.
#include "trainer/autodiff/autodiff.h"

#include "tests/trainer/gradcheck_support.h"

namespace gf::test {
namespace {

int nodes(const Net& n) { return static_cast<int>(n.entry.body.nodes.size()); }

template <class F>
std::string failure(Error code, F&& f) {
  try {
    f();
  } catch (const Exception& e) {
    EXPECT_EQ(e.code(), code) << e.what();
    return e.what();
  }
  ADD_FAILURE() << "nothing was thrown";
  return {};
}

TEST(Autodiff, OnlyWhatLeadsToTheParametersIsDifferentiated) {
  const auto appended = [](bool frozen) {
    GradNet n;
    const auto x = n.x({4, 8}), w1 = n.x({8, 8}), w2 = n.x({8, 2});
    const auto h = n.b.add<op::Tanh>({n.b.add<op::MatMul>({x, w1})});
    const auto loss = n.b.add<op::ReduceSum>({n.b.add<op::MatMul>({h, w2})}, {.keepdims = false});
    const int before = nodes(n);
    const std::vector<ir::ValueId> wrt = frozen ? std::vector{w2} : std::vector{w1, w2};
    const auto g = backward(n.entry, loss, wrt);
    EXPECT_EQ(g.size(), wrt.size());
    ir::check(n.model);
    return nodes(n) - before;
  };
  // with w1 frozen: the seed spread over [4, 2], and one product. No gradient of x is made in either case
  EXPECT_EQ(appended(true), 2);
  EXPECT_EQ(appended(false), 8);  // and: product for h; 1 - y^2 (3 nodes with the negation), times dy; product for w1
}

// Scores stay out of memory unless a mask has a gradient or somebody reads them.
TEST(Autodiff, AttentionIsDifferentiatedInOneNode) {
  const auto counts = [](bool mask_leads) {
    GradNet n;
    const auto q = n.x({1, 2, 3, 4}), k = n.x({1, 2, 3, 4}), v = n.x({1, 2, 3, 4}), mask = n.x({3, 3});
    const auto y = n.b.add<op::Attention>({q, k, v, mask}, {.is_causal = true});
    const auto loss = n.b.add<op::ReduceSum>({y}, {.keepdims = false});
    (void)backward(n.entry, loss, mask_leads ? std::vector{q, mask} : std::vector{q, k, v});
    ir::check(n.model);
    return op_counts(n.model);
  };
  const auto fused = counts(false), expanded = counts(true);
  EXPECT_EQ(count_of(fused, "attention"), 1);
  EXPECT_EQ(count_of(fused, "attention_grad"), 1);
  EXPECT_EQ(count_of(fused, "softmax"), 0);
  EXPECT_EQ(count_of(expanded, "attention_grad"), 0);
  EXPECT_EQ(count_of(expanded, "softmax"), 1);
}

TEST(Autodiff, UnusedParameterHasNoGradientAndAStepHasZeros) {
  GradNet n;
  const auto x = n.x({3}), unused = n.x({3}), stepped = n.x({2, 2});
  const auto sum = n.b.add<op::ReduceSum>({n.b.add<op::Mul>({x, x})}, {.keepdims = false});
  const auto steps = n.b.add<op::ReduceSum>({n.b.add<op::Floor>({stepped})}, {.keepdims = false});
  const auto loss = n.b.add<op::Add>({sum, steps});
  const auto g = backward(n.entry, loss, {{x, unused, stepped}});
  EXPECT_NE(g[0], ir::kNoValue);
  EXPECT_EQ(g[1], ir::kNoValue);
  const auto zeros = ir::constant_floats(*n.entry.value(g[2]).constant);
  EXPECT_EQ(*zeros, std::vector<float>(4, 0.0f));
}

TEST(Autodiff, ReadersOfAValueAddUp) {
  expect_gradients([](GradNet& n) {
    const auto x = n.x({3, 2});
    auto y = x;
    for (int k = 0; k < 5; ++k) y = n.b.add<op::Add>({n.b.add<op::Mul>({x, y}), n.b.add<op::Sin>({y})});
    n.y(y);
    n.y(n.b.add<op::Mul>({x, x}));
  }, second_order());
}

TEST(Autodiff, WhatARuleReadsBecomesAnOutput) {
  GradNet n;
  const auto x = n.x({2, 4}), scale = n.x({4});
  const ir::Node& norm = n.b.node<op::LayerNorm>({x, scale});
  const auto y = norm.outputs[0];
  gradients(n.entry, {{y}}, {}, {{scale}});
  EXPECT_EQ(norm.outputs.size(), 3U);  // mean and inverse deviation
  ir::check(n.model);
}

TEST(Autodiff, ThirdDerivative) {
  GradNet n;
  const auto x = n.x({5});
  auto y = n.b.add<op::Sin>({n.b.add<op::Mul>({x, x})});
  for (int k = 0; k < 2; ++k) y = gradients(n.entry, {{y}}, {}, {{x}})[0];
  n.y(y);
  const GradcheckReport report = gradcheck(n.model, n.values);
  EXPECT_TRUE(report.ok) << report.text;
}

TEST(Autodiff, ShapesWithSymbols) {
  const auto check = [](const MakeGradNet& make) { expect_gradients(make, second_order()); };
  for (const int64_t rows : {1, 4}) {
    check([rows](GradNet& n) {  // rows that broadcast or not, decided while running
      const auto x = n.x({n.symbol("N"), 3}, {rows, 3}), y = n.x({n.symbol("M"), 3}, {4, 3});
      n.y(square_sum(n, n.b.add<op::Mul>({x, y})));
    });
    check([rows](GradNet& n) {
      const Dim batch = n.symbol("N");
      const auto x = n.x({batch, 2, 3}, {rows, 2, 3}), w = n.x({3, 4}), bias = n.x({4});
      const auto h = n.b.add<op::MatMul>({x, w, bias});
      const auto flat = n.b.add<op::Softmax>({n.b.add<op::Flatten>({n.b.add<op::Transpose>({h})})});
      static constexpr int64_t kRows[] = {1};
      n.y(n.b.add<op::ReduceMean>({flat}, {.axes = kRows}));
      n.y(n.b.add<op::ReduceMean>({n.b.add<op::Slice>({h, n.b.ints({0}), n.b.ints({1})})}, {.keepdims = false}));
      n.y(n.b.add<op::ReduceMax>({n.b.add<op::Concat>({h, h}, {.axis = 0})}));
      n.y(n.b.add<op::LayerNorm>({h, bias}, {.epsilon = 1e-3f}));
      n.y(square_sum(n, n.b.add<op::Tile>({h, n.b.ints({2, 1, 1})})));
    });
  }
}

TEST(Autodiff, LargeTensorsAreCheckedAlongDirections) {
  GradNet n;
  const auto x = n.x({30, 20}), w = n.x({20, 10});
  n.y(n.b.add<op::Tanh>({n.b.add<op::MatMul>({x, w})}));
  GradcheckOptions options;
  options.forward_mode = false;
  const GradcheckReport report = gradcheck(n.model, n.values, options);
  EXPECT_TRUE(report.ok) << report.text;
  EXPECT_EQ(report.compared, options.directions);
}

// A function whose derivative autodiff cannot know (a step hidden behind a cast to integers, of slope 1 on average, differs from
// its gradient of zero): the check must say so, naming the place.
TEST(Gradcheck, FindsAWrongDerivative) {
  GradNet n;
  const auto x = n.x({3});
  const auto scaled = n.b.add<op::Mul>({x, n.number(1e9)});
  const auto whole = n.b.add<op::Cast>({n.b.add<op::Cast>({scaled}, {.to = DType::I64})}, {.to = DType::F64});
  n.y(n.b.add<op::Add>({n.b.add<op::Mul>({whole, n.number(1e-11)}), x}));  // slope 1.01, by autodiff 1
  const GradcheckReport report = gradcheck(n.model, n.values);
  EXPECT_FALSE(report.ok);
  EXPECT_NE(report.text.find("d y0["), std::string::npos) << report.text;
  GradcheckOptions options;
  options.full_jacobian = 1;
  EXPECT_FALSE(gradcheck(n.model, n.values, options).ok) << "along directions";
}

TEST(Autodiff, ErrorsNameOpAndPlace) {
  {
    GradNet n;
    const auto x = n.x({3});
    n.b.set_origin("argmax", "ArgMax 'best'");
    const auto best = n.b.add<op::Cast>({n.b.add<op::ArgMax>({x})}, {.to = DType::F64});
    const auto loss = n.b.add<op::ReduceSum>({best}, {.keepdims = false});
    const std::string text = failure(Error::InvalidArgument, [&] { backward(n.entry, loss, {{x}}); });
    EXPECT_NE(text.find("ArgMax 'best'"), std::string::npos) << text;
  }
  {
    GradNet n;
    const auto x = n.x({3});
    const std::string text = failure(Error::ShapeMismatch, [&] { backward(n.entry, n.b.add<op::Exp>({x}), {{x}}); });
    EXPECT_NE(text.find("[3]"), std::string::npos) << text;
  }
  {
    GradNet n;
    const auto i = n.indices({3}, {0, 1, 2});
    const auto y = n.b.add<op::Cast>({i}, {.to = DType::F64});
    const std::string text = failure(Error::TypeMismatch, [&] { gradients(n.entry, {{y}}, {}, {{i}}); });
    EXPECT_NE(text.find("int64"), std::string::npos) << text;
  }
  {
    GradNet n;
    const auto x = n.x({2, 2, 2}), axis = n.indices({}, {1});
    n.b.set_origin("d", "DFT 'd'");
    const auto y = n.b.add<op::Dft>({x, ir::kNoValue, axis});
    const std::string text = failure(Error::Unsupported, [&] { gradients(n.entry, {{y}}, {}, {{x}}); });
    EXPECT_NE(text.find("DFT 'd'"), std::string::npos) << text;
    EXPECT_NE(text.find("along an unknown axis"), std::string::npos) << text;
  }
}

TEST(Gradcheck, Misuse) {
  GradNet n;
  const auto x = n.x({3}), f = n.input("f", {3});
  n.y(n.b.add<op::Mul>({x, n.b.cast(f, DType::F64)}));
  EXPECT_NE(failure(Error::NotFound, [&] { gradcheck(n.model, n.values); }).find("'f'"), std::string::npos);
  n.values.emplace_back("f", io::Array::from(std::vector<float>{1, 2, 3}));
  EXPECT_TRUE(gradcheck(n.model, n.values).ok);
  GradcheckOptions options;
  options.inputs = {"f"};
  EXPECT_NE(failure(Error::TypeMismatch, [&] { gradcheck(n.model, n.values, options); }).find("float32"), std::string::npos);
  options.inputs = {"nobody"};
  failure(Error::NotFound, [&] { gradcheck(n.model, n.values, options); });
  options.entry = "nowhere";
  failure(Error::NotFound, [&] { gradcheck(n.model, n.values, options); });
}

}  // namespace
}  // namespace gf::test
