// Lazy tensors: recording, gradients, steps, and how often programs are compiled.
#include <cmath>

#include "tests/support/expect_refused.h"
#include "tests/trainer/gradcheck_support.h"
#include "trainer/optim/optimizers.h"
#include "trainer/step/train_step.h"
#include "trainer/tensor/functions.h"
#include "trainer/tensor/recording.h"
#include "trainer/tensor/trace.h"
#include "trainer/tensor/trainable.h"

namespace gf::test {
namespace {

TEST(Tensor, ComputesWhenLookedAt) {
  const int64_t before = lazy::compiled_programs();
  const Tensor a = Tensor::from<float>({1, 2, 3, 4}, {2, 2}), b = Tensor::from<float>({10, 20}, {2});
  const Tensor c = matmul(a, a) + b * 2;
  EXPECT_EQ(lazy::compiled_programs(), before);
  EXPECT_EQ(c.shape(), (Shape64{2, 2}));
  EXPECT_EQ(c.to_vector<float>(), (std::vector<float>{27, 50, 35, 62}));  // [[7, 10], [15, 22]] + [20, 40]
  EXPECT_EQ(lazy::compiled_programs(), before + 1);
  EXPECT_EQ(sum(c).item(), 174);
}

TEST(Tensor, EqualStructuresShareAProgram) {
  const auto f = [](float v) { return sum(tanh(Tensor::from<float>({v, 2 * v, 3 * v})) * 3).item(); };
  EXPECT_NEAR(f(0.1f), 3 * (std::tanh(0.1) + std::tanh(0.2) + std::tanh(0.3)), 1e-6);
  const int64_t after = lazy::compiled_programs();
  for (int i = 0; i < 20; ++i) f(0.01f * static_cast<float>(i));
  EXPECT_EQ(lazy::compiled_programs(), after);
}

TEST(Tensor, Gradients) {
  Tensor x = Tensor::from<double>({0.5, -1, 2});
  x.set_requires_grad();
  const Tensor y = sum(x * x * x);
  y.backward();
  EXPECT_EQ(x.grad().to_vector<double>(), (std::vector<double>{0.75, 3, 12}));
  EXPECT_EQ(y.item(), 0.125 - 1 + 8);
  sum(x * 2).backward();  // adds up
  EXPECT_EQ(x.grad().to_vector<double>(), (std::vector<double>{2.75, 5, 14}));
  x.zero_grad();
  EXPECT_FALSE(x.grad());
  sum(x * x.detach()).backward();
  EXPECT_EQ(x.grad().to_vector<double>(), (std::vector<double>{0.5, -1, 2}));
}

TEST(Tensor, LookedAtBeforeBackward) {
  Tensor x = Tensor::from<float>({3}, {});
  x.set_requires_grad();
  const Tensor y = x * x;
  EXPECT_EQ(y.item(), 9);
  y.backward();
  EXPECT_EQ(x.grad().item(), 6);
}

TEST(Tensor, NoGrad) {
  Tensor x = Tensor::scalar(2);
  x.set_requires_grad();
  Tensor y;
  {
    const no_grad off;
    y = x * x;
  }
  EXPECT_FALSE(y.requires_grad());
  const Tensor z = x * y;
  z.backward();
  EXPECT_EQ(x.grad().item(), 4);
}

// y = x w + b fitted by 100 steps: one program, whether the loss is looked at or not.
TEST(Tensor, HundredStepsOneProgram) {
  for (const bool look : {false, true}) {
    Tensor w = Tensor::zeros({1, 1}), b = Tensor::zeros({1});
    w.set_requires_grad();
    b.set_requires_grad();
    Trainable optimizer({w, b}, std::make_shared<optim::SGD>(optim::SgdSettings{.lr = 0.1, .momentum = 0.5}));
    const int64_t before = lazy::compiled_programs();
    double last = 0;
    for (int step = 0; step < 100; ++step) {
      const auto at = static_cast<float>(step % 5);
      const Tensor x = Tensor::from<float>({0.1f * at, 0.2f * at, -0.3f, 1}, {4, 1}), y = x * 3 + 1;
      const Tensor e = matmul(x, w) + b - y, loss = mean(e * e);
      loss.backward();
      optimizer.step();
      if (look) last = loss.item();
    }
    EXPECT_EQ(lazy::compiled_programs(), before + 1);
    EXPECT_NEAR(w.item(), 3, 0.05);
    EXPECT_NEAR(b.item(), 1, 0.05);
    if (look) {
      EXPECT_LT(last, 1e-3);
    }
  }
}

// The loss looked at in each place, and other things done between backward() and step(): one program per structure, and the weights and
// losses of the steps without any look, bit for bit. Adam on a layer with batch statistics beside it, so that slots, several groups and
// running State are in it.
enum class Look { Never, Before, Between, After, Gradient, Everywhere };

struct Trained {
  std::vector<double> losses;
  std::vector<std::byte> weights, momentum;
  int64_t programs = 0, late_programs = 0;  // all; of those after three steps
};

Trained train(Look look, const std::function<void(std::vector<Tensor>&, const Tensor& loss, int step)>& meddle = {}) {
  Tensor w = Tensor::from<float>({0.5f, -0.25f, 0.125f, 1, -1, 0.75f}, {2, 3}), b = Tensor::zeros({3}), v = Tensor::ones({3, 1});
  Tensor running = Tensor::zeros({3});
  std::vector<Tensor> all = {w, b, v};
  for (Tensor& p : all) p.set_requires_grad();
  Trainable optimizer(std::vector<TensorGroup>{{{w, b}, std::make_shared<optim::Adam>(optim::AdamSettings{.lr = 0.01})},
                                               {{v}, std::make_shared<optim::SGD>(optim::SgdSettings{.lr = 0.05, .momentum = 0.5})}});
  Trained t;
  const int64_t before = lazy::compiled_programs();
  int64_t early = before;
  for (int step = 0; step < 100; ++step) {
    std::vector<float> xs;
    for (int i = 0; i < 8; ++i) xs.push_back(std::sin(static_cast<float>(8 * step + i)));
    const Tensor x = Tensor::from(xs, {4, 2}), h = tanh(matmul(x, w) + b);
    {
      const no_grad off;
      running.follow(running * 0.9 + mean(h, {0}) * 0.1);
    }
    const Tensor e = matmul(h, v) - sum(x * x, {1}, true), loss = mean(e * e);
    double seen = 0;
    if (look == Look::Before || look == Look::Everywhere) seen = loss.item();
    loss.backward();
    if (look == Look::Between || look == Look::Everywhere) seen = loss.item();
    if (look == Look::Gradient) seen = sum(w.grad()).item() * 0 + loss.item();
    if (meddle) meddle(all, loss, step);
    optimizer.set_learning_rate(0.1 / (1 + step));
    optimizer.step();
    if (look == Look::After || look == Look::Never) seen = loss.item();
    t.losses.push_back(seen);
    if (step == 2) early = lazy::compiled_programs();
  }
  t.programs = lazy::compiled_programs() - before;
  t.late_programs = lazy::compiled_programs() - early;
  for (const Tensor& p : {w, b, v, running}) {
    const io::Array a = p.array();
    t.weights.insert(t.weights.end(), a.data.begin(), a.data.end());
  }
  return t;
}

TEST(Tensor, HundredStepsOneProgramWithALookBetween) {
  const Trained plain = train(Look::Never);
  EXPECT_EQ(plain.programs, 1);
  EXPECT_LT(plain.losses.back(), 0.5 * plain.losses.front());
  for (const auto& [look, programs] : {std::pair{Look::Between, 1}, {Look::Before, 2}, {Look::After, 1}, {Look::Gradient, 2}, {Look::Everywhere, 2}}) {
    SCOPED_TRACE(static_cast<int>(look));
    const Trained t = train(look);
    EXPECT_EQ(t.losses, plain.losses);
    EXPECT_EQ(t.weights, plain.weights);
    EXPECT_LE(t.programs, programs);
    EXPECT_EQ(t.late_programs, 0);
  }
}

// What is foreseen at a look need not come: hooks are part of the recording, and whatever else is done to gradients is recorded and right.
TEST(Tensor, AfterALookAnythingMayFollow) {
  const auto both = [](const std::function<void(std::vector<Tensor>&, const Tensor&, int)>& meddle) {
    const Trained plain = train(Look::Never, meddle), looked = train(Look::Between, meddle);
    EXPECT_EQ(looked.weights, plain.weights);
    EXPECT_EQ(looked.losses, plain.losses);
    EXPECT_EQ(looked.late_programs, 0);
    return looked;
  };
  const Trained none = train(Look::Never);
  // gradients add up over a second backward() of the same loss, and of another
  EXPECT_NE(both([](auto&, const Tensor& loss, int) { loss.backward(); }).weights, none.weights);
  EXPECT_NE(both([](auto& p, const Tensor&, int) { sum(p[0] * p[0]).backward(); }).weights, none.weights);
  // begun again; and a parameter that gets no gradient this time
  EXPECT_NE(both([](auto& p, const Tensor&, int) {
              for (Tensor& t : p) t.zero_grad();
              sum(p[0] * p[0] + 2).backward();
            }).weights, none.weights);
  // clipped by hand
  EXPECT_NE(both([](auto& p, const Tensor&, int) { p[2].grad().follow(p[2].grad() * 0.5); }).weights, none.weights);
  // other steps only now and then
  both([](auto& p, const Tensor&, int step) {
    if (step % 3 == 1) p[1].grad().follow(p[1].grad() * 2);
  });
  // weights loaded between
  both([](auto& p, const Tensor&, int step) {
    if (step == 5) p[1].assign(io::Array::from<float>({1, 2, 3}, {3}));
  });
  // a step that is dropped: two looks, one step
  both([](auto& p, const Tensor& loss, int step) {
    if (step % 4 == 0) {
      for (Tensor& t : p) t.zero_grad();
      const Tensor again = loss * 2;
      again.backward();
      (void)again.item();
    }
  });
}

// Old weights and gradients that somebody holds outlive the step that was foreseen.
TEST(Tensor, OldValuesSurviveAForeseenStep) {
  Tensor w = Tensor::scalar(1);
  w.set_requires_grad();
  Trainable optimizer({w}, std::make_shared<optim::SGD>(optim::SgdSettings{.lr = 0.5}));
  const Tensor before = w.detach(), twice = w * 2;
  std::vector<Tensor> gradients, losses;
  for (int i = 0; i < 3; ++i) {
    const Tensor loss = w * w * 0.5;
    loss.backward();
    EXPECT_EQ(loss.item(), std::pow(0.25, i) * 0.5);
    gradients.push_back(w.grad().detach());
    losses.push_back(loss);
    optimizer.step();
  }
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(gradients[static_cast<size_t>(i)].item(), std::pow(0.5, i));
    EXPECT_EQ(losses[static_cast<size_t>(i)].item(), std::pow(0.25, i) * 0.5);
  }
  EXPECT_EQ(before.item(), 1);
  EXPECT_EQ(twice.item(), 2);
  EXPECT_EQ(w.item(), 0.125);
}

// A step that data stop, looked at or not, leaves everything as it was, also what only an output of the program held.
TEST(Tensor, AStoppedStepChangesNothing) {
  for (const bool look : {false, true}) {
    Tensor w = Tensor::from<float>({1, 2, 3, 4}, {4, 1}), running = Tensor::zeros({1});
    w.set_requires_grad();
    Trainable optimizer({w}, std::make_shared<optim::SGD>(optim::SgdSettings{.lr = 0.5, .momentum = 0.5}));
    const auto step = [&](int64_t row) {
      const Tensor x = embedding(Tensor::from<int64_t>({row}), w), loss = sum(x * x);
      {
        const no_grad off;
        running.follow(running * 0.5 + reshape(sum(w), {1}));
      }
      loss.backward();
      if (look) (void)loss.item();
      optimizer.step();
    };
    step(3);
    step(1);
    for (int k = 0; k < 2; ++k) {
      expect_refused(Error::IndexOutOfRange, "", [&] { step(9); });
      w.zero_grad();
    }
    EXPECT_EQ(w.to_vector<float>(), (std::vector<float>{1, 0, 3, -2}));  // momentum: the row of before goes on by half of its 4
    EXPECT_EQ(running.item(), 5.75);  // 10; 5 + 6; 5.5 + 2; 3.75 + 2
  }
}

// PyTorch's loop without zero_grad() trains too: the first backward() after a step() starts afresh.
TEST(Tensor, GradientsStartAfreshAfterAStep) {
  Tensor w = Tensor::scalar(1);
  w.set_requires_grad();
  Trainable optimizer({w}, std::make_shared<optim::SGD>(optim::SgdSettings{.lr = 0.5}));
  (w * 2).backward();
  (w * 2).backward();
  optimizer.step();
  EXPECT_EQ(w.item(), -1);  // 1 - 0.5 * 4
  (w * 2).backward();
  optimizer.step();
  EXPECT_EQ(w.item(), -2);
}

// Programs are known by their rules: one made later at the address of one that is gone is another rule.
TEST(Tensor, RulesThatComeAndGo) {
  for (int i = 0; i < 100; ++i) {
    const double decay = i / 8.0;
    Tensor w = Tensor::scalar(1);
    w.set_requires_grad();
    Trainable optimizer({w}, std::make_shared<optim::SGD>(optim::SgdSettings{.lr = 0.5, .weight_decay = decay}));
    (w * 2).backward();
    optimizer.step();
    EXPECT_EQ(w.item(), 1 - 0.5 * (2 + decay));
  }
}

TEST(Tensor, OldValuesSurviveAStep) {
  Tensor w = Tensor::scalar(1);
  w.set_requires_grad();
  Trainable optimizer({w}, std::make_shared<optim::SGD>(optim::SgdSettings{.lr = 0.5}));
  const Tensor before = w.detach(), twice = w * 2;
  for (int i = 0; i < 3; ++i) {
    (w * w).backward();
    optimizer.step();
  }
  EXPECT_EQ(before.item(), 1);
  EXPECT_EQ(twice.item(), 2);
  EXPECT_EQ(w.item(), 0);
}

// The strict way from the same recording: a file of its own, with the parameters as State.
TEST(Tensor, TracedIntoATrainStep) {
  Tensor w = Tensor::from<float>({0.5f, -0.25f}, {2, 1}), b = Tensor::zeros({1});
  w.set_requires_grad();
  b.set_requires_grad();
  const Tensor x = Tensor::zeros({4, 2}), y = Tensor::zeros({4, 1});
  const Tensor e = matmul(x, w) + b - y, loss = mean(e * e);
  ir::Model model = trace({{"x", x}, {"y", y}}, {{"loss", loss}}, {{"w", w}, {"b", b}});
  const auto rule = std::make_shared<optim::SGD>(optim::SgdSettings{.lr = 0.1});
  add_train_step(model, *model.entries[0], model.entries[0]->body.outputs[0], {{{"w", "b"}, rule}});
  Model strict = Model::from_bytes(emit(model), {});
  Trainable lazy({w, b}, rule);
  for (int step = 0; step < 5; ++step) {
    std::vector<float> xs, ys;
    for (int i = 0; i < 8; ++i) xs.push_back(std::sin(static_cast<float>(8 * step + i)));
    for (int i = 0; i < 4; ++i) ys.push_back(std::cos(static_cast<float>(4 * step + i)));
    std::copy(xs.begin(), xs.end(), strict.input<float>("x").begin());
    std::copy(ys.begin(), ys.end(), strict.input<float>("y").begin());
    strict.run();
    const Tensor d = matmul(Tensor::from(xs, {4, 2}), w) + b - Tensor::from(ys, {4, 1}), l = mean(d * d);
    l.backward();
    lazy.step();
    EXPECT_EQ(static_cast<float>(l.item()), strict.output<float>("loss")[0]);
    float now[2];
    EXPECT_EQ(strict.state()->read("w", now, sizeof now), Error::Ok);
    EXPECT_EQ(w.to_vector<float>(), (std::vector<float>{now[0], now[1]}));
  }
}

// d sum(x^3) / dx = 3 x^2, its sum's derivative 6 x, and once more 6.
TEST(Tensor, GradientsOfGradients) {
  Tensor x = Tensor::from<double>({0.5, -1, 2});
  x.set_requires_grad();
  const Tensor first = grad(sum(x * x * x), {x}, true)[0];
  EXPECT_FALSE(x.grad());  // nothing is added to it
  const Tensor second = grad(sum(first), {x}, true)[0];
  EXPECT_TRUE(second.requires_grad());
  const Tensor third = grad(sum(second), {x})[0];
  EXPECT_FALSE(third.requires_grad());
  EXPECT_EQ(third.to_vector<double>(), (std::vector<double>{6, 6, 6}));
  EXPECT_EQ(second.to_vector<double>(), (std::vector<double>{3, -6, 12}));
  EXPECT_EQ(first.to_vector<double>(), (std::vector<double>{0.75, 3, 12}));
  // a penalty on the gradient: d sum((3 x^2)^2) / dx = 36 x^3
  const Tensor g = grad(sum(x * x * x), {x}, true)[0];
  sum(g * g).backward();
  EXPECT_EQ(x.grad().to_vector<double>(), (std::vector<double>{4.5, -36, 288}));
}

// What is linear has a gradient that depends on nothing: zeros, not an error.
TEST(Tensor, SecondDerivativesOfWhatIsLinear) {
  Tensor x = Tensor::from<double>({1, 2});
  x.set_requires_grad();
  const Tensor g = grad(sum(x * 3), {x}, true)[0];
  EXPECT_EQ(grad(sum(g), {x})[0].to_vector<double>(), (std::vector<double>{0, 0}));
  EXPECT_EQ(grad(sum(g + x * x), {x})[0].to_vector<double>(), (std::vector<double>{2, 4}));
}

TEST(Tensor, GradientsByWhatWasComputed) {
  Tensor x = Tensor::from<double>({1, 2});
  x.set_requires_grad();
  const Tensor h = x * 3;
  const auto g = grad(sum(h * h), {h, x});
  EXPECT_EQ(g[0].to_vector<double>(), (std::vector<double>{6, 12}));    // 2 h
  EXPECT_EQ(g[1].to_vector<double>(), (std::vector<double>{18, 36}));   // 18 x
}

TEST(Tensor, Hooks) {
  Tensor x = Tensor::from<double>({1, -2});
  x.set_requires_grad();
  Tensor seen;
  const int look = x.register_hook([&](const Tensor& g) {
    seen = g;
    return Tensor();
  });
  const int twice = x.register_hook([](const Tensor& g) { return g * 2; });
  sum(x * x).backward();
  EXPECT_EQ(x.grad().to_vector<double>(), (std::vector<double>{4, -8}));
  EXPECT_EQ(seen.to_vector<double>(), (std::vector<double>{2, -4}));
  x.remove_hook(twice);
  x.zero_grad();
  sum(x * x).backward();
  EXPECT_EQ(x.grad().to_vector<double>(), (std::vector<double>{2, -4}));
  x.remove_hook(look);
  expect_refused(Error::NotFound, "no hook", [&] { x.remove_hook(look); });
  expect_refused(Error::InvalidArgument, "register_hook: the tensor requires no gradients", [&] { (void)(x.detach() * 2).register_hook([](const Tensor& g) { return g; }); });
  expect_refused(Error::InvalidArgument, "retain_grad: the tensor requires no gradients", [&] { x.detach().retain_grad(); });
  x.register_hook([](const Tensor& g) { return sum(g); });
  expect_refused(Error::ShapeMismatch, "a gradient's hook gave float64 of shape []", [&] { sum(x * x).backward(); });
}

// The numbers and the order are PyTorch's (2.13): h = 3 x, y = h h + x at x = (1, -2).
TEST(Tensor, HooksOfWhatWasComputed) {
  using V = std::vector<double>;
  Tensor x = Tensor::from<double>({1, -2});
  x.set_requires_grad();
  std::vector<std::pair<std::string, Tensor>> log;
  const auto seen = [&](const char* name, std::function<Tensor(const Tensor&)> f) {
    return [&log, name, f](const Tensor& g) {
      log.emplace_back(name, g);
      return f(g);
    };
  };
  const auto expect_log = [&](const std::vector<std::pair<std::string, V>>& want) {
    ASSERT_EQ(log.size(), want.size());
    for (size_t i = 0; i < want.size(); ++i) EXPECT_EQ(std::pair(log[i].first, log[i].second.to_vector<double>()), want[i]) << i;
    log.clear();
  };
  Tensor h = x * 3;
  h.register_hook(seen("h1", [](const Tensor& g) { return g * 10; }));
  h.retain_grad();
  h.register_hook(seen("h2", [](const Tensor& g) { return g + 1; }));
  const int on_x = x.register_hook(seen("x1", [](const Tensor& g) { return g * 2; }));
  sum(h * h + x).backward();
  EXPECT_EQ(h.grad().to_vector<double>(), (V{61, -119}));
  EXPECT_EQ(x.grad().to_vector<double>(), (V{368, -712}));
  expect_log({{"h1", {6, -12}}, {"h2", {60, -120}}, {"x1", {184, -356}}});

  // a hook of the loss; grad() runs them too; hooks live on when the handle is gone
  Tensor y;
  {
    Tensor k = x * 3;
    k.register_hook(seen("k", [](const Tensor& g) { return g * 10; }));
    y = sum(k * k + x);
  }
  const int on_y = y.register_hook(seen("y", [](const Tensor& g) { return g * 0.5; }));
  EXPECT_EQ(grad(y, {x})[0].to_vector<double>(), (V{181, -359}));
  expect_log({{"y", {1}}, {"k", {3, -6}}, {"x1", {90.5, -179.5}}});
  x.remove_hook(on_x);
  y.remove_hook(on_y);
  expect_refused(Error::NotFound, "no hook", [&] { y.remove_hook(on_y); });
  EXPECT_EQ(grad(y, {x})[0].to_vector<double>(), (V{181, -359}));  // 10 * 2 * 9 x + 1
  log.clear();

  // by the hooked tensor itself, and a second order through it, where the hook counts again: g = 10 * 2 z, d sum(g) / dx = 20 * 10 * 3
  Tensor z = x * 3;
  z.register_hook([](const Tensor& g) { return g * 10; });
  const Tensor g = grad(sum(z * z), {z}, true)[0];
  EXPECT_EQ(g.to_vector<double>(), (V{60, -120}));
  EXPECT_EQ(grad(sum(g), {x})[0].to_vector<double>(), (V{600, 600}));

  // gradients of a retained tensor add up; a tensor read twice has one gradient, a hooked one in front of it its own
  x.zero_grad();
  Tensor a = x * 2, b = a * a, c = a * 5;
  for (Tensor* t : {&a, &b, &c}) t->retain_grad();
  const Tensor loss = sum(b * c);  // 20 a a a / 4: d / da = 15 a^2
  loss.backward();
  loss.backward();
  EXPECT_EQ(a.grad().to_vector<double>(), (V{2 * 60, 2 * 240}));
  EXPECT_EQ(b.grad().to_vector<double>(), (V{2 * 10, 2 * -20}));
  EXPECT_EQ(c.grad().to_vector<double>(), (V{2 * 4, 2 * 16}));
  EXPECT_EQ(x.grad().to_vector<double>(), (V{2 * 120, 2 * 480}));
}

// Steps with hooks on activations: one program, looked at or not, and the values of a step that scales by hand.
TEST(Tensor, StepsWithHooks) {
  const auto train = [](bool hook, bool look) {
    Tensor w = Tensor::from<float>({0.5f, -0.25f}, {2, 1}), v = Tensor::ones({1});
    w.set_requires_grad();
    v.set_requires_grad();
    Trainable optimizer({w, v}, std::make_shared<optim::SGD>(optim::SgdSettings{.lr = 0.125}));
    const int64_t before = lazy::compiled_programs();
    for (int step = 0; step < 20; ++step) {
      Tensor h = matmul(Tensor::from<float>({0.5f, 0.25f * static_cast<float>(step % 3)}, {1, 2}), w);
      if (hook) h.register_hook([](const Tensor& g) { return g * 4; });
      else h = h * 4 - h.detach() * 3;  // the same value, four times the gradient
      const Tensor e = h * v - 1, loss = sum(e * e);
      loss.backward();
      if (look) {
        EXPECT_GE(loss.item(), 0);
      }
      optimizer.step();
    }
    EXPECT_EQ(lazy::compiled_programs(), before + 1);
    return std::pair(w.to_vector<float>(), v.to_vector<float>());
  };
  const auto by_hand = train(false, false), hooked = train(true, false);
  for (size_t i = 0; i < 2; ++i) EXPECT_NEAR(hooked.first[i], by_hand.first[i], 1e-5);
  EXPECT_NEAR(hooked.second[0], by_hand.second[0], 1e-5);
  EXPECT_EQ(train(true, true), hooked);
}

TEST(Tensor, Errors) {
  const Tensor a = Tensor::zeros({2, 3}), i = Tensor::zeros({2}, DType::I64);
  expect_refused(Error::ShapeMismatch, "matmul", [&] { (void)matmul(a, a); });
  expect_refused(Error::ShapeMismatch, "add", [&] { (void)(a + Tensor::zeros({4})); });
  expect_refused(Error::InvalidArgument, "transpose: axis 2 of a tensor of shape [2, 3]", [&] { (void)transpose(a, 0, 2); });
  expect_refused(Error::InvalidArgument, "add: operand 0 is an empty Tensor", [&] { (void)(Tensor() + a); });
  expect_refused(Error::TypeMismatch, "requires_grad: the tensor is int64", [&] { Tensor(i).set_requires_grad(); });
  expect_refused(Error::ShapeMismatch, "item(): the tensor has 6 elements", [&] { (void)a.item(); });
  expect_refused(Error::InvalidArgument, "nothing that requires gradients", [&] { sum(a).backward(); });
  Tensor w = Tensor::ones({2, 3});
  w.set_requires_grad();
  expect_refused(Error::ShapeMismatch, "the loss has shape [2, 3]; gradients need one number", [&] { (w * 2).backward(); });
  expect_refused(Error::InvalidArgument, "grad(): tensor 1 requires no gradients", [&] { (void)grad(sum(w * a), {w, a}); });
  Tensor v = Tensor::ones({2, 3});
  v.set_requires_grad();
  expect_refused(Error::InvalidArgument, "grad(): the loss does not depend on tensor 0", [&] { (void)grad(sum(w * 2), {v}); });
}

}  // namespace
}  // namespace gf::test
