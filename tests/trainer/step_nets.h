// Small nets of the kinds that people train, as train steps in the strict way: what proofs about steps run over.
#pragma once

#include <functional>

#include "tests/runtime/session_support.h"
#include "tests/trainer/gradcheck_support.h"
#include "trainer/models/gpt2.h"
#include "trainer/models/mobilenet.h"
#include "trainer/models/recurrent_lm.h"
#include "trainer/models/resnet.h"
#include "trainer/models/small.h"
#include "trainer/models/unet.h"
#include "trainer/nn/init.h"
#include "trainer/nn/losses.h"
#include "trainer/optim/optimizers.h"
#include "trainer/step/train_step.h"
#include "trainer/tensor/trace.h"

namespace gf::test {

/// A module with its inputs and its loss on them.
struct Training {
  std::shared_ptr<nn::Module> net;
  NamedTensors inputs;
  std::function<Tensor()> loss;
};
struct StepNet {
  std::string name;
  int64_t whole;                               ///< integers in the inputs are below
  std::function<Training(int64_t batch)> make;
};
using Rule = std::shared_ptr<const optim::Optimizer>;
inline Rule momentum(double lr = 0.05) { return std::make_shared<optim::SGD>(optim::SgdSettings{.lr = lr, .momentum = 0.9}); }
inline Rule adamw(double lr = 1e-3) { return std::make_shared<optim::AdamW>(optim::AdamWSettings{.lr = lr}); }

/// `x` [batch, ...shape] and classes of t [batch, ...places].
inline Training classifier(std::shared_ptr<nn::Module> net, int64_t batch, Shape64 shape, Shape64 places = {}) {
  shape.insert(shape.begin(), batch);
  places.insert(places.begin(), batch);
  const Tensor x = Tensor::zeros(shape), t = Tensor::zeros(places, DType::I64);
  return {net, {{"x", x}, {"t", t}}, [=] { return nn::cross_entropy((*net)(x), t); }};
}
inline Training language_model(std::shared_ptr<nn::Module> net, int64_t batch) {
  const Tensor x = Tensor::zeros({batch, 8}, DType::I64), t = Tensor::zeros({batch, 8}, DType::I64);
  return {net, {{"x", x}, {"t", t}}, [=] { return nn::cross_entropy(transpose((*net)(x), 1, 2), t); }};
}

/// Those whose loss is a mean over independent rows: no batch norm, no draws.
inline std::vector<StepNet> plain_nets() {
  using namespace models;
  return {
      {"mlp", 5, [](int64_t n) { return classifier(std::make_shared<Mlp>(MlpOptions{.sizes = {20, 16, 12, 5}}), n, {20}); }},
      {"lenet", 10, [](int64_t n) { return classifier(std::make_shared<LeNet>(), n, {1, 28, 28}); }},
      {"char_gpt", 50, [](int64_t n) { return language_model(std::make_shared<Gpt2>(Gpt2Options{.words = 50, .positions = 8, .depth = 2, .heads = 2, .dim = 16, .dropout = 0}), n); }},
      {"lstm_lm", 50, [](int64_t n) { return language_model(std::make_shared<RecurrentLm>(RecurrentLmOptions{.words = 50, .dim = 12, .hidden = 16, .dropout = 0}), n); }},
  };
}
/// With dropout and batch norm, whose State the steps write too.
inline std::vector<StepNet> all_nets() {
  using namespace models;
  std::vector<StepNet> nets = plain_nets();
  nets.push_back({"char_gpt with dropout", 50, [](int64_t n) { return language_model(std::make_shared<Gpt2>(Gpt2Options{.words = 50, .positions = 8, .depth = 2, .heads = 2, .dim = 16}), n); }});
  nets.push_back({"lstm_lm with dropout", 50, [](int64_t n) { return language_model(std::make_shared<RecurrentLm>(RecurrentLmOptions{.words = 50, .dim = 12, .hidden = 16}), n); }});
  nets.push_back({"resnet", 10, [](int64_t n) { return classifier(std::make_shared<ResNet>(ResNetOptions{.depths = {1, 1, 1, 1}, .width = 8, .classes = 10, .small_images = true}), n, {3, 16, 16}); }});
  nets.push_back({"mobilenet_v2", 10, [](int64_t n) {
                    const MobileNetV2Options o{.stages = {{1, 16, 1, 1}, {6, 24, 2, 2}, {6, 32, 2, 2}}, .width = 0.25, .classes = 10};
                    return classifier(std::make_shared<MobileNetV2>(o), n, {3, 32, 32});
                  }});
  nets.push_back({"efficientnet", 10, [](int64_t n) {
                    const EfficientNetOptions o{.stages = {{1, 3, 1, 8, 8, 2}, {6, 3, 2, 8, 8, 2}}, .classes = 10};
                    return classifier(std::make_shared<EfficientNet>(o), n, {3, 16, 16});
                  }});
  nets.push_back({"unet", 2, [](int64_t n) { return classifier(std::make_shared<UNet>(UNetOptions{.width = 4, .depth = 2}), n, {3, 16, 16}, {16, 16}); }});
  nets.push_back({"vae", 2, [](int64_t n) {
                    const auto net = std::make_shared<Vae>(VaeOptions{.size = 36, .hidden = 20, .latent = 5});
                    const Tensor x = Tensor::zeros({n, 36}), noise = Tensor::zeros({n, 5});
                    return Training{net, {{"x", x}, {"noise", noise}}, [=] { return Vae::loss(net->run(x, noise), x); }};
                  }});
  return nets;
}

/// The step as a graph, not yet optimised. The same weights each time.
inline ir::Model step_graph(const StepNet& c, int64_t batch, const Rule& rule, const TrainStepOptions& options = {}) {
  nn::manual_seed(11);
  const Training t = c.make(batch);
  std::vector<std::string> names;
  for (const auto& [name, p] : t.net->named_parameters()) names.push_back(name);
  ir::Model graph = trace_call(t.inputs, t.net->full_state(), [&] { return NamedTensors{{"loss", t.loss()}}; });
  add_train_step(graph, *graph.entries[0], graph.entries[0]->body.outputs[0], {{names, rule}}, options);
  ir::check(graph);
  return graph;
}
inline PassOptions step_passes() {
  PassOptions passes;
  passes.exact = true;
  passes.evaluator = make_evaluator(default_tables(false));
  return passes;
}
inline ir::Model optimised_step(const StepNet& c, int64_t batch, const Rule& rule, const TrainStepOptions& options = {}, uint64_t budget = 0,
                                DType kept = DType::F32) {
  ir::Model graph = step_graph(c, batch, rule, options);
  PassOptions passes = step_passes();
  passes.memory_budget = budget;
  passes.kept = kept;
  run_passes(graph, passes);
  ir::check(graph);
  return graph;
}

/// Batch `seed`, of which this session takes the rows from `first`; a session of more rows has those of the smaller ones.
inline void set_batch(Session& s, const StepNet& c, uint64_t seed, int64_t first = 0) {
  for (int i = 0; i < s.input_count(); ++i) {
    const TensorView v = s.input(i);
    const int64_t row = v.count() / v.shape[0];
    Random random(1000 * seed + static_cast<uint64_t>(i));
    for (int64_t k = 0; k < first * row; ++k) (void)random.bits();
    for (int64_t k = 0; k < v.count(); ++k) {
      if (v.dtype == DType::I64) v.as<int64_t>()[k] = random.integer(0, c.whole - 1);
      else v.as<float>()[k] = static_cast<float>(random.unit());
    }
  }
}

inline void append_bits(std::vector<std::byte>& bits, std::span<const std::byte> more) { bits.insert(bits.end(), more.begin(), more.end()); }
inline void append_state(std::vector<std::byte>& bits, const State& state) {
  for (int k = 0; k < state.count(); ++k) append_bits(bits, state.bytes(k));
}
inline void append_outputs(std::vector<std::byte>& bits, const Session& s) {
  for (int k = 0; k < s.output_count(); ++k) append_bits(bits, std::as_bytes(std::span(s.output(k).as<const std::byte>(), static_cast<size_t>(s.output(k).count()) * dtype_bits(s.output(k).dtype) / 8)));
}
inline void run_or_throw(Session& s) {
  ErrorDetail detail;
  Loaded::check(s.run(&detail), detail);
}

}  // namespace gf::test
