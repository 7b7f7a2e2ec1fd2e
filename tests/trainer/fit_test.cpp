// fit_memory(): train steps under a memory budget give the same bits, take what was promised, and say what cannot be done.
#include "trainer/step/fit.h"

#include "graph/ir/copy.h"
#include "tests/trainer/gradcheck_support.h"
#include "trainer/nn/init.h"
#include "trainer/nn/layers.h"
#include "trainer/optim/optimizers.h"
#include "trainer/step/train_step.h"

namespace gf::test {
namespace {

using Layers = std::shared_ptr<nn::Module>;

Layers activation() {
  return std::make_shared<nn::Lambda>([](const Tensor& x) { return gelu(x); });
}

// A deep perceptron, and residual convolution blocks: [batch, ...] -> 4 classes.
std::shared_ptr<nn::Sequential> deep(int layers) {
  const auto net = std::make_shared<nn::Sequential>();
  for (int k = 0; k < layers; ++k) {
    net->append(std::make_shared<nn::Linear>(32, 32));
    net->append(activation());
  }
  net->append(std::make_shared<nn::Linear>(32, 4));
  return net;
}
std::shared_ptr<nn::Sequential> residual(int blocks) {
  const auto net = std::make_shared<nn::Sequential>();
  net->append(std::make_shared<nn::Conv2d>(3, 8, 3, nn::Conv2dOptions{.padding = 1}));
  for (int k = 0; k < blocks; ++k) {
    const auto conv = std::make_shared<nn::Conv2d>(8, 8, 3, nn::Conv2dOptions{.padding = 1});
    net->append(conv);
    net->append(std::make_shared<nn::Lambda>([](const Tensor& x) { return x + relu(x); }));
  }
  net->append(std::make_shared<nn::Lambda>([](const Tensor& x) { return flatten(nn::global_avg_pool2d(x), 1); }));
  net->append(std::make_shared<nn::Linear>(8, 4));
  return net;
}

using Rule = std::shared_ptr<const optim::Optimizer>;
Rule adam() { return std::make_shared<optim::Adam>(optim::AdamSettings{.lr = 1e-2}); }

ir::Model step_of(nn::Module& net, const Shape64& shape, const Rule& rule = adam()) {
  const Tensor x = Tensor::zeros(shape), t = Tensor::zeros({shape[0]}, DType::I64);
  const Tensor loss = nn::cross_entropy(net(x), t);
  const NamedTensors parameters = net.named_parameters();
  ir::Model model = trace({{"x", x}, {"t", t}}, {{"loss", loss}}, parameters);
  std::vector<std::string> names;
  for (const auto& [name, p] : parameters) names.push_back(name);
  ir::Entry& entry = *model.entries[0];
  add_train_step(model, entry, entry.body.outputs[0], {{names, rule}});
  return model;
}

PassOptions exact() {
  PassOptions options;
  options.exact = true;
  return options;
}

struct Ran {
  std::vector<std::byte> bits;  // losses and parameters
  uint64_t bytes = 0;
};
Ran run(ir::Model& graph) {
  ModelOptions options;
  options.threads = 1;
  Model model = Model::from_bytes(emit(graph), options);
  Ran r;
  const auto take = [&](std::span<const std::byte> b) { r.bits.insert(r.bits.end(), b.begin(), b.end()); };
  for (int step = 0; step < 4; ++step) {
    fill_random<float>(model.input<float>("x"), static_cast<uint64_t>(step) + 5, -1, 1);
    const auto t = model.input<int64_t>("t");
    for (size_t i = 0; i < t.size(); ++i) t[i] = static_cast<int64_t>(i * 7 + static_cast<size_t>(step)) % 4;
    model.run();
    take(std::as_bytes(model.output<float>("loss")));
  }
  for (int k = 0; k < static_cast<int>(graph.states.size()); ++k) take(model.state()->bytes(k));
  const MemoryNeeds needs = model.needs();
  r.bytes = needs.activation_bytes + needs.scratch_bytes;
  return r;
}

void expect_fits(nn::Module& net, const Shape64& shape, double part) {
  ir::Model plain = step_of(net, shape), tight = ir::copy(plain);
  run_passes(plain, exact());
  const Ran want = run(plain);
  const auto budget = static_cast<uint64_t>(part * static_cast<double>(want.bytes));
  const FitReport report = fit_memory(tight, "main", budget, exact());
  ir::check(tight);
  const Ran got = run(tight);
  EXPECT_EQ(report.bytes_before, want.bytes);
  EXPECT_EQ(report.bytes, got.bytes);
  EXPECT_LE(got.bytes, budget);
  EXPECT_GT(report.nodes_again, 0);
  EXPECT_GT(report.macs, 0U);
  EXPECT_EQ(got.bits, want.bits);
  std::printf("%llu bytes instead of %llu: %d nodes again, %.0f %% more products\n", static_cast<unsigned long long>(got.bytes),
              static_cast<unsigned long long>(want.bytes), report.nodes_again, 100 * static_cast<double>(report.macs_again) / static_cast<double>(report.macs));
}

TEST(Fit, DeepPerceptronInAThird) {
  nn::manual_seed(3);
  expect_fits(*deep(24), {64, 32}, 0.34);
}
TEST(Fit, ResidualConvolutions) {
  nn::manual_seed(4);
  expect_fits(*residual(10), {8, 3, 16, 16}, 0.68);  // of what masks of one bit have left: 0.6 of bytes in their place, 0.42 of floats
}

// Each weight is updated as soon as its gradient is there, with Adam too, whose bias corrections hang on the step alone.
TEST(Fit, UpdatesDoNotWait) {
  nn::manual_seed(7);
  const auto net = deep(24);
  uint64_t bytes[2] = {};
  const Rule rules[] = {std::make_shared<optim::SGD>(optim::SgdSettings{.lr = 1e-2, .momentum = 0.9}), adam()};
  for (const size_t k : {size_t{0}, size_t{1}}) {
    ir::Model model = step_of(*net, {4, 32}, rules[k]);  // a small batch: gradients outweigh activations
    run_passes(model, exact());
    bytes[k] = run(model).bytes;
  }
  EXPECT_LE(bytes[1], bytes[0] + bytes[0] / 4) << "Adam against SGD";
  EXPECT_LT(bytes[1], uint64_t{24} * 32 * 32 * 4);  // less than all gradients together
}

TEST(Fit, WhatFitsIsLeftAlone) {
  nn::manual_seed(5);
  const auto net = deep(3);
  ir::Model plain = step_of(*net, {16, 32}), loose = ir::copy(plain);
  run_passes(plain, exact());
  const FitReport report = fit_memory(loose, "main", uint64_t{1} << 30, exact());
  EXPECT_EQ(report.nodes_again, 0);
  EXPECT_EQ(report.bytes, report.bytes_before);
  EXPECT_EQ(ir::to_text(*loose.entries[0]), ir::to_text(*plain.entries[0]));
}

TEST(Fit, WhatCannotBeDoneIsSaid) {
  nn::manual_seed(6);
  const auto net = deep(6);
  ir::Model model = step_of(*net, {64, 32});
  const std::string before = ir::to_text(*model.entries[0]);
  for (const auto& [entry, code, text] : {std::tuple{"main", Error::LimitExceeded, "A smaller batch takes less"}, std::tuple{"other", Error::NotFound, "no entry 'other'"}}) {
    try {
      (void)fit_memory(model, entry, 1000, exact());
      ADD_FAILURE() << "nothing was thrown";
    } catch (const Exception& e) {
      EXPECT_EQ(e.code(), code) << e.what();
      EXPECT_NE(std::string(e.what()).find(text), std::string::npos) << e.what();
    }
  }
  EXPECT_EQ(ir::to_text(*model.entries[0]), before);  // as it was
}

}  // namespace
}  // namespace gf::test
