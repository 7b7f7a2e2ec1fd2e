// Functions with a backward of their own, and ops with kernels of their own, in lazy steps, in strict ones and under the gradient check.
#include "trainer/tensor/custom.h"

#include <cmath>

#include "graph/emit/emit.h"
#include "graph/passes/pipeline.h"
#include "runtime/include/ghostflow/model.h"
#include "tests/support/expect_refused.h"
#include "trainer/optim/optimizers.h"
#include "trainer/step/train_step.h"
#include "trainer/tensor/functions.h"
#include "trainer/tensor/functions_maths.h"
#include "trainer/tensor/recording.h"
#include "trainer/tensor/trace.h"
#include "trainer/tensor/trainable.h"

namespace gf::test {
namespace {

using V = std::vector<double>;
using Tensors = std::vector<Tensor>;

// x * sigmoid(x), with the gradient from what forward has saved: an input and something in between.
const Function kSwish{.name = "my_swish",
                      .forward = [](FunctionContext& c, const Tensors& in) {
                        const Tensor s = sigmoid(in[0]);
                        c.save({in[0], s});
                        return Tensors{in[0] * s};
                      },
                      .backward = [](const FunctionContext& c, const Tensors& g) {
                        const Tensor &x = c.saved()[0], &s = c.saved()[1];
                        return Tensors{g[0] * (s + x * s * (1 - s))};
                      }};
// The same from the input alone, which can be differentiated again.
const Function kSwishAgain{.name = "swish_again",
                           .forward = [](FunctionContext& c, const Tensors& in) {
                             c.save({in[0]});
                             return Tensors{in[0] * sigmoid(in[0])};
                           },
                           .backward = [](const FunctionContext& c, const Tensors& g) {
                             const Tensor &x = c.saved()[0], s = sigmoid(x);
                             return Tensors{g[0] * (s + x * s * (1 - s))};
                           }};
// exp, whose gradient is its saved result; and a product beside it, so that there are two results and two inputs.
const Function kExpAndProduct{.name = "exp_and_product",
                              .forward = [](FunctionContext& c, const Tensors& in) {
                                const Tensor e = exp(in[0]);
                                c.save({e, in[0], in[1]});
                                return Tensors{e, in[0] * in[1]};
                              },
                              .backward = [](const FunctionContext& c, const Tensors& g) {
                                const Tensors& s = c.saved();
                                return Tensors{g[0] * s[0] + g[1] * s[2], c.needs_gradient(1) ? g[1] * s[1] : Tensor()};
                              }};
// A gradient that is not the derivative: the straight-through estimator of round().
const Function kRoundThrough{.name = "round_through",
                             .forward = [](FunctionContext&, const Tensors& in) { return Tensors{round(in[0])}; },
                             .backward = [](const FunctionContext&, const Tensors& g) { return g; }};

Tensor leaf(const V& v) {
  Tensor t = Tensor::from(v);
  t.set_requires_grad();
  return t;
}

TEST(CustomFunction, ForwardAndBackward) {
  const Tensor x = leaf({0.5, -1, 2}), y = kSwish({x})[0];
  sum(y * y).backward();
  for (size_t i = 0; i < 3; ++i) {
    const double v = V{0.5, -1, 2}[i], s = 1 / (1 + std::exp(-v));
    EXPECT_NEAR(y.to_vector<double>()[i], v * s, 1e-12);
    EXPECT_NEAR(x.grad().to_vector<double>()[i], 2 * v * s * (s + v * s * (1 - s)), 1e-12);
  }
  const Tensor r = leaf({0.4, 1.6, -2.7}), q = kRoundThrough({r * 2})[0];
  EXPECT_EQ(q.to_vector<double>(), (V{1, 3, -5}));
  sum(q * q).backward();
  EXPECT_EQ(r.grad().to_vector<double>(), (V{4, 12, -20}));  // 2 * 2 q
  const no_grad off;
  EXPECT_FALSE(kSwish({x})[0].requires_grad());
}

TEST(CustomFunction, SeveralResultsAndInputs) {
  const Tensor x = leaf({0.5, -1}), y = leaf({2, 3}), fixed = Tensor::from<double>({1, 1});
  const Tensors r = kExpAndProduct({x, y});
  sum(r[0] + r[1] * r[1]).backward();  // exp(x) + 2 x y^2; 2 x^2 y
  EXPECT_NEAR(x.grad().to_vector<double>()[0], std::exp(0.5) + 4, 1e-12);
  EXPECT_NEAR(x.grad().to_vector<double>()[1], std::exp(-1.0) - 18, 1e-12);
  EXPECT_EQ(y.grad().to_vector<double>(), (V{1, 6}));
  const Tensors only = kExpAndProduct({x, fixed});  // one result unused, one input without gradients
  EXPECT_NEAR(grad(sum(only[0]), {x})[0].to_vector<double>()[0], std::exp(0.5), 1e-12);
  // behind another, the result hooked, read twice
  const Tensor z = leaf({0.25});
  Tensor once = kExpAndProduct({z, z})[0];
  once.register_hook([](const Tensor& g) { return g * 3; });
  const Tensor twice = kSwish({once * once})[0];
  const double e = std::exp(0.25), u = e * e, s = 1 / (1 + std::exp(-u));
  EXPECT_NEAR(grad(sum(twice), {z})[0].item(), (s + u * s * (1 - s)) * 2 * e * 3 * e, 1e-12);
}

TEST(CustomFunction, GradcheckFirstAndSecondOrder) {
  GradcheckOptions second;
  second.second_order = true;
  const Tensor x = Tensor::from<double>({0.5, -1.25, 2, 0.75}, {2, 2}), y = Tensor::from<double>({1.5, 0.25, -0.5, 2}, {2, 2});
  const auto chain = [](const Tensors& in) {
    const Tensors r = kExpAndProduct({kSwishAgain({in[0]})[0], in[1] * in[0]});
    return Tensors{r[0] + in[1], matmul(r[1], in[0])};
  };
  const GradcheckReport good = gradcheck(chain, {x, y}, second);
  EXPECT_TRUE(good.ok) << good.text;
  EXPECT_EQ(good.compared, 2 * 4 * 8 + 8 * 8);
  EXPECT_TRUE(gradcheck([](const Tensors& in) { return kSwish(in); }, {x}).ok);
  const Function wrong{.name = "wrong", .forward = kSwish.forward, .backward = [](const FunctionContext& c, const Tensors& g) { return Tensors{g[0] * c.saved()[1]}; }};
  const GradcheckReport bad = gradcheck([&](const Tensors& in) { return wrong(in); }, {x});
  EXPECT_FALSE(bad.ok);
  EXPECT_NE(bad.text.find("element 0 of result 0 by element 0 of input 0"), std::string::npos) << bad.text;
  // right at first, wrong at second order: a saved tensor cut off from its input
  const Function once{.name = "once", .forward = [](FunctionContext& c, const Tensors& in) {
                        c.save({in[0].detach()});
                        return Tensors{in[0] * in[0]};
                      }, .backward = [](const FunctionContext& c, const Tensors& g) { return Tensors{g[0] * c.saved()[0] * 2}; }};
  EXPECT_TRUE(gradcheck([&](const Tensors& in) { return once(in); }, {x}).ok);
  const GradcheckReport half = gradcheck([&](const Tensors& in) { return once(in); }, {x}, second);
  EXPECT_NE(half.text.find("second order"), std::string::npos) << half.text;
  expect_refused(Error::TypeMismatch, "input 0 is float32", [&] { (void)gradcheck(chain, {Tensor::ones({2, 2})}); });
  expect_refused(Error::LimitExceeded, "derivatives", [&] { (void)gradcheck(chain, {Tensor::ones({40, 40}, DType::F64), Tensor::ones({40, 40}, DType::F64)}); });
}

// One training net, with the library's swish or with that of this file.
struct Net {
  Tensor w, v;
  bool own;
  explicit Net(bool function) : w(Tensor::from<float>({0.5f, -0.25f, 0.75f, 1, -0.5f, 0.125f}, {2, 3})), v(Tensor::ones({3, 1})), own(function) {
    w.set_requires_grad();
    v.set_requires_grad();
  }
  Tensor loss(const Tensor& x) const {
    const Tensor h = matmul(x, w), a = own ? kSwish({h})[0] : h * sigmoid(h), e = matmul(a, v) - 1;
    return mean(e * e);
  }
};
Tensor batch(int step) {
  std::vector<float> v;
  for (int i = 0; i < 8; ++i) v.push_back(std::sin(static_cast<float>(8 * step + i)));
  return Tensor::from(v, {4, 2});
}
const std::shared_ptr<optim::SGD>& rule() {
  static const auto sgd = std::make_shared<optim::SGD>(optim::SgdSettings{.lr = 0.1, .momentum = 0.5});
  return sgd;
}

TEST(CustomFunction, LazySteps) {
  std::vector<std::vector<float>> weights;
  for (const bool own : {false, true})
    for (const bool look : {false, true}) {
      const Net net(own);
      Trainable optimizer({net.w, net.v}, rule());
      const int64_t before = lazy::compiled_programs();
      for (int step = 0; step < 30; ++step) {
        const Tensor loss = net.loss(batch(step));
        loss.backward();
        if (look) {
          EXPECT_GE(loss.item(), 0);
        }
        optimizer.step();
      }
      EXPECT_EQ(lazy::compiled_programs(), before + 1);
      weights.push_back(net.w.to_vector<float>());
    }
  for (size_t i = 0; i < 6; ++i) EXPECT_NEAR(weights[2][i], weights[0][i], 1e-5);
  EXPECT_EQ(weights[3], weights[2]);
}

TEST(CustomFunction, StrictStepsEqualLazyOnes) {
  const Net net(true);
  const Tensor x = batch(0);
  const NamedTensors state = {{"w", net.w}, {"v", net.v}};
  const auto record = [&] { return NamedTensors{{"loss", net.loss(x)}}; };
  ir::Model plain = trace_call({{"x", x}}, state, record);
  const std::vector<ParameterGroup> groups = {{{"w", "v"}, rule()}};
  expect_refused(Error::Unsupported, "Function 'my_swish', whose gradient was not traced (TraceOptions::gradients)",
                 [&] { add_train_step(plain, *plain.entries[0], plain.entries[0]->body.outputs[0], groups); });
  ir::Model graph = trace_call({{"x", x}}, state, record, {.gradients = true});
  ASSERT_EQ(graph.entries[0]->body.outputs.size(), 3U);
  add_train_step(graph, *graph.entries[0], graph.entries[0]->body.outputs[0], groups);
  ASSERT_EQ(graph.entries[0]->body.outputs.size(), 1U);
  PassOptions options;
  options.exact = true;
  run_passes(graph, options);
  ModelOptions how;
  how.xnnpack = false;
  Model strict = Model::from_bytes(emit(graph), how);
  Trainable optimizer({net.w, net.v}, rule());
  for (int step = 0; step < 6; ++step) {
    const auto bytes = batch(step).to_vector<float>();
    std::copy(bytes.begin(), bytes.end(), strict.input<float>("x").begin());
    strict.run();
    const Tensor loss = net.loss(batch(step));
    loss.backward();
    optimizer.step();
    EXPECT_EQ(static_cast<float>(loss.item()), strict.output<float>("loss")[0]);
    std::vector<float> w(6);
    ASSERT_EQ(strict.state()->read("w", w.data(), 6 * sizeof(float)), Error::Ok);
    EXPECT_EQ(net.w.to_vector<float>(), w);
  }
  // for evaluation it is a graph like any other
  ir::Model frozen = trace_call({{"x", x}}, state, record, {.frozen = true});
  Model eval = Model::from_bytes(emit(frozen), how);
  const auto bytes = x.to_vector<float>();
  std::copy(bytes.begin(), bytes.end(), eval.input<float>("x").begin());
  eval.run();
  EXPECT_NEAR(eval.output<float>("loss")[0], net.loss(x).item(), 1e-6);
}

// What was recorded without gradients has none in a traced step either, and a hook is part of it.
TEST(CustomFunction, TracedNoGradAndHooks) {
  Tensor w = Tensor::from<float>({2}, {1});
  w.set_requires_grad();
  const Tensor x = Tensor::from<float>({3}, {1});
  for (const bool hook : {false, true}) {
    const auto record = [&] {
      Tensor scale;
      {
        const no_grad off;
        scale = w * w;
      }
      Tensor h = w * x;
      if (hook) h.register_hook([](const Tensor& g) { return g * 10; });
      return NamedTensors{{"loss", sum(h * scale)}};  // d / dw = x w^2 = 12
    };
    ir::Model graph = trace_call({{"x", x}}, {{"w", w}}, record, {.gradients = hook});
    add_train_step(graph, *graph.entries[0], graph.entries[0]->body.outputs[0], {{{"w"}, std::make_shared<optim::SGD>(optim::SgdSettings{.lr = 0.25})}});
    Model strict = Model::from_bytes(emit(graph), {});
    strict.input<float>("x")[0] = 3;
    strict.run();
    float now = 0;
    ASSERT_EQ(strict.state()->read("w", &now, sizeof now), Error::Ok);
    EXPECT_EQ(now, hook ? 2 - 0.25f * 120 : 2 - 0.25f * 12);
  }
}

TEST(CustomFunction, ErrorsNameIt) {
  const Tensor x = leaf({1, 2});
  const Function few{.name = "few", .forward = kSwish.forward, .backward = [](const FunctionContext&, const Tensors&) { return Tensors{}; }};
  expect_refused(Error::InvalidArgument, "few: backward gave 0 gradients for 1 inputs", [&] { sum(few({x})[0]).backward(); });
  const Function scalar{.name = "scalar", .forward = kSwish.forward, .backward = [](const FunctionContext&, const Tensors& g) { return Tensors{sum(g[0])}; }};
  expect_refused(Error::ShapeMismatch, "scalar: backward gave float64 of shape [] for input 0, which is float64 of shape [2]", [&] { sum(scalar({x})[0]).backward(); });
  const Function shapes{.name = "shapes", .forward = [](FunctionContext&, const Tensors& in) { return Tensors{in[0] + Tensor::zeros({3}, DType::F64)}; }, .backward = few.backward};
  expect_refused(Error::ShapeMismatch, "shapes", [&] { (void)shapes({x}); });
  const Function late{.name = "late", .forward = kSwish.forward, .backward = [](const FunctionContext&, const Tensors& g) { return Tensors{g[0] + Tensor::zeros({3}, DType::F64)}; }};
  expect_refused(Error::ShapeMismatch, "late", [&] { sum(late({x})[0]).backward(); });
  expect_refused(Error::InvalidArgument, "'half' without forward or backward", [&] { (void)Function{.name = "half", .forward = kSwish.forward, .backward = nullptr}({x}); });
  expect_refused(Error::InvalidArgument, "none: forward gave no result",
                 [&] { (void)Function{.name = "none", .forward = [](FunctionContext&, const Tensors&) { return Tensors{}; }, .backward = few.backward}({x}); });
  expect_refused(Error::InvalidArgument, "my_swish: operand 0 is an empty Tensor", [&] { (void)kSwish({Tensor()}); });
}

// --- an op with a kernel

// y = scale * x^3, elementwise, in both float types.
struct Cube {
  static constexpr OpInfo info{.id = kFirstCustomOpId + 7, .name = "example.cube"};
  struct Attrs {
    float scale = 1;
  };
  static constexpr AttrField fields[] = {field<&Attrs::scale>(1, "scale")};
  static Error infer(InferContext& c, const Attrs&) {
    GF_TRY(c.expect_type(0, dtypes(DType::F32, DType::F64)));
    return c.set(0, c.dtype(0), c.shape(0));
  }
  // dx = 3 scale x^2 dy
  static Error grad(Differentiator& d, const Attrs& a) { return d.give(0, d.dy() * (d.squared(d.x()) * (3.0 * static_cast<double>(a.scale)))); }
};
template <class T>
Error run_cube(RunContext& c) {
  const auto scale = static_cast<T>(c.attributes<Cube::Attrs>().scale);
  for (int64_t i = 0; i < c.input(0).count(); ++i) {
    const T x = c.input(0).as<const T>()[i];
    c.output(0).as<T>()[i] = scale * x * x * x;
  }
  return Error::Ok;
}
template <DType kType, class T>
constexpr Kernel cube_kernel(const char* name) {
  return {.op = Cube::info.id, .name = name, .rank = 10, .prepare = [](const NodeView& n, KernelPlan& plan) {
            return n.input(0).dtype == kType ? Error::Ok : plan.refuse("another type");
          }, .init = nullptr, .run = run_cube<T>, .destroy = nullptr};
}
const Kernel kCube32 = cube_kernel<DType::F32, float>("cube_f32"), kCube64 = cube_kernel<DType::F64, double>("cube_f64");

// Known to lazy programs, but without a kernel.
struct Unrunnable {
  static constexpr OpInfo info{.id = kFirstCustomOpId + 8, .name = "example.unrunnable"};
  using Attrs = NoAttrs;
  static Error infer(InferContext& c, const Attrs&) { return c.set(0, c.dtype(0), c.shape(0)); }
  static constexpr NoGradient grad{"an example"};
};
struct Impostor : Unrunnable {
  static constexpr OpInfo info{.id = kFirstCustomOpId + 9, .name = "softmax"};
};

TEST(CustomKernel, LazyStrictAndChecked) {
  add_custom_op<Cube>({&kCube32, &kCube64});
  add_custom_op<Cube>({&kCube32, &kCube64});  // twice is once
  EXPECT_EQ(std::count(custom_ops().ops.begin(), custom_ops().ops.end(), &op_def<Cube>), 1);
  const auto cube = [](const Tensor& x) { return apply<Cube>({x}, {.scale = 2}); };
  GradcheckOptions second;
  second.second_order = true;
  const GradcheckReport report = gradcheck([&](const Tensors& in) { return Tensors{cube(in[0] * in[0])}; }, {Tensor::from<double>({0.5, -1, 0.75})}, second);
  EXPECT_TRUE(report.ok) << report.text;
  EXPECT_EQ(report.compared, 2 * 9);

  Tensor w = Tensor::from<float>({0.5f, -0.25f});
  w.set_requires_grad();
  const auto loss_of = [&](const Tensor& x) { return sum(cube(w * x)); };
  const auto sgd = std::make_shared<optim::SGD>(optim::SgdSettings{.lr = 0.125});
  const Tensor x = Tensor::from<float>({1, 2});
  ir::Model graph = trace_call({{"x", x}}, {{"w", w}}, [&] { return NamedTensors{{"loss", loss_of(x)}}; });
  TrainStepOptions step;
  step.autodiff = custom_autodiff();
  add_train_step(graph, *graph.entries[0], graph.entries[0]->body.outputs[0], {{{"w"}, sgd}}, step);
  ModelOptions how;
  how.custom_ops = custom_ops().ops;
  how.custom_kernels = custom_ops().kernels;
  Model strict = Model::from_bytes(emit(graph), how);
  Trainable optimizer({w}, sgd);
  double w0 = 0.5;
  for (int k = 0; k < 3; ++k) {
    strict.input<float>("x")[0] = 1;
    strict.input<float>("x")[1] = 2;
    strict.run();
    loss_of(x).backward();
    optimizer.step();
    w0 -= 0.125 * 6 * w0 * w0;
    float now[2];
    ASSERT_EQ(strict.state()->read("w", now, sizeof now), Error::Ok);
    EXPECT_EQ(w.to_vector<float>(), (std::vector<float>{now[0], now[1]}));
    EXPECT_NEAR(now[0], w0, 1e-6);
  }
}

TEST(CustomKernel, ErrorsNameIt) {
  expect_refused(Error::Unsupported, "example.unrunnable", [] {
    add_custom_ops({{&op_def<Unrunnable>}, {}, {}});
    (void)apply<Unrunnable>({Tensor::ones({2})}).array();
  });
  Tensor x = Tensor::ones({2});
  x.set_requires_grad();
  expect_refused(Error::InvalidArgument, "other than through example.unrunnable, which has no gradient: an example", [&] { sum(apply<Unrunnable>({x})).backward(); });
  expect_refused(Error::TypeMismatch, "example.cube", [] { (void)apply<Cube>({Tensor::ones({2}, DType::I64)}); });
  expect_refused(Error::InvalidArgument, "custom op 'softmax': another op has that name", [] { add_custom_ops({{&op_def<Impostor>}, {}, {}}); });
  static const OpDef low = [] {
    OpDef d = op_def<Unrunnable>;
    d.info.id = 3;
    return d;
  }();
  expect_refused(Error::InvalidArgument, "ids of custom ops begin at", [] { add_custom_ops({{&low}, {}, {}}); });
}

}  // namespace
}  // namespace gf::test
