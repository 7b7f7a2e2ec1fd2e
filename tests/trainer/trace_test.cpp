// Modules traced into graphs: running statistics and counters of random draws as State of a strict step, weights as constants of an
// evaluation graph.
#include "trainer/tensor/trace.h"

#include <cmath>
#include <limits>

#include "tests/trainer/gradcheck_support.h"
#include "trainer/nn/init.h"
#include "trainer/nn/layers.h"
#include "trainer/optim/optimizers.h"
#include "trainer/step/train_step.h"
#include "trainer/tensor/recording.h"
#include "trainer/tensor/trainable.h"

namespace gf::test {
namespace {

using M = std::shared_ptr<nn::Module>;

M small_net() {
  using namespace nn;
  nn::manual_seed(4);
  return M(new Sequential{std::make_shared<Conv2d>(2, 4, 3, Conv2dOptions{.padding = 1, .bias = false}), std::make_shared<BatchNorm2d>(4),
                          std::make_shared<Lambda>([](const Tensor& x) { return relu(x); }), std::make_shared<Dropout>(0.25),
                          std::make_shared<Conv2d>(4, 3, 3), std::make_shared<BatchNorm2d>(3),
                          std::make_shared<Lambda>([](const Tensor& x) { return flatten(global_avg_pool2d(x), 1); })});
}

Tensor image(int step) {
  std::vector<float> v(size_t{4} * 2 * 6 * 6);
  for (size_t i = 0; i < v.size(); ++i) v[i] = std::sin(static_cast<float>(i + 31 * static_cast<size_t>(step)));
  return Tensor::from(v, {4, 2, 6, 6});
}
Tensor labels(int step) { return Tensor::from<int64_t>({step % 3, 2, 0, 1}); }
Tensor loss_of(nn::Module& net, const Tensor& x, const Tensor& t) { return nn::cross_entropy(net(x), t); }

std::vector<std::string> parameter_names(const nn::Module& net) {
  std::vector<std::string> names;
  for (const auto& [name, t] : net.named_parameters()) names.push_back(name);
  return names;
}

const std::shared_ptr<optim::SGD>& rule() {
  static const auto sgd = std::make_shared<optim::SGD>(optim::SgdSettings{.lr = 0.1, .momentum = 0.9});
  return sgd;
}

Model strict_step(nn::Module& net, bool passes, const TrainStepOptions& step = {}) {
  const Tensor x = image(0), t = labels(0);
  ir::Model graph = trace_call({{"x", x}, {"t", t}}, net.full_state(), [&] { return NamedTensors{{"loss", loss_of(net, x, t)}}; });
  add_train_step(graph, *graph.entries[0], graph.entries[0]->body.outputs[0], {{parameter_names(net), rule()}}, step);
  PassOptions options;
  options.exact = true;
  options.evaluator = make_evaluator(default_tables(false));
  if (passes) run_passes(graph, options);
  ModelOptions how;
  how.xnnpack = false;
  return Model::from_bytes(emit(graph), how);
}

void set(Model& model, const char* name, const Tensor& t) {
  const io::Array a = t.array();
  std::memcpy(model.input<std::byte>(name).data(), a.data.data(), a.data.size());
}
std::vector<std::byte> bytes_of(Model& model, const std::string& name) {
  const int at = model.state()->find(name);
  if (at < 0) return {};
  const auto bytes = model.state()->bytes(at);
  return {bytes.begin(), bytes.end()};
}

// Losses, weights, running statistics and the counter of the masks, bit for bit.
TEST(Trace, StrictStepsOfAModuleEqualLazyOnes) {
  const M net = small_net();
  Model strict = strict_step(*net, true);
  EXPECT_EQ(net->full_state().size(), net->state_dict().size() + 1);
  EXPECT_EQ(net->state_dict().size(), net->named_parameters().size() + 4);
  for (const auto& [name, t] : net->full_state()) EXPECT_EQ(bytes_of(strict, name), t.array().data) << name;  // tracing changed nothing
  Trainable optimizer(net->parameters(), rule());
  for (int step = 0; step < 6; ++step) {
    SCOPED_TRACE(step);
    set(strict, "x", image(step));
    set(strict, "t", labels(step));
    strict.run();
    const Tensor loss = loss_of(*net, image(step), labels(step));
    loss.backward();
    optimizer.step();
    EXPECT_EQ(static_cast<float>(loss.item()), strict.output<float>("loss")[0]);
    for (const auto& [name, t] : net->full_state()) EXPECT_EQ(bytes_of(strict, name), t.array().data) << name;
  }
}

// Running statistics are computed by the program of the step itself, whoever looks at them.
TEST(Trace, LazyStepsComputeRunningStatistics) {
  const M net = small_net();
  Trainable optimizer(net->parameters(), rule());
  const auto step = [&](int k) {
    loss_of(*net, image(k), labels(k)).backward();
    optimizer.step();
  };
  const int64_t before = lazy::compiled_programs();
  for (int k = 0; k < 20; ++k) step(k);
  for (const auto& [name, t] : net->full_state()) EXPECT_TRUE(t.variable().content->known()) << name;
  EXPECT_LE(lazy::compiled_programs(), before + 1);
  EXPECT_EQ(net->full_state()[5].first, "3.draws");
  EXPECT_EQ(net->full_state()[5].second.item(), 20);
}

TEST(Trace, AStoppedStepLeavesRunningStatistics) {
  const M net = small_net();
  for (const bool passes : {false, true}) {
    TrainStepOptions watch;
    watch.stop_if_not_finite = true;
    Model strict = strict_step(*net, passes, watch);
    Tensor bad = image(1);
    io::Array a = bad.array();
    const float nan = std::numeric_limits<float>::quiet_NaN();
    std::memcpy(a.data.data() + 40, &nan, sizeof nan);
    for (const bool label : {false, true}) {
      set(strict, "x", label ? image(1) : Tensor::from_array(a));
      set(strict, "t", label ? Tensor::from<int64_t>({1, 2, 3, 0}) : labels(1));
      EXPECT_THROW(strict.run(), Exception);
      for (const auto& [name, t] : net->full_state()) EXPECT_EQ(bytes_of(strict, name), t.array().data) << name;
    }
  }
}

// An evaluation graph: batch norm lies in the convolutions' weights.
TEST(Trace, EvaluationGraph) {
  const M net = small_net();
  Trainable optimizer(net->parameters(), rule());
  for (int k = 0; k < 3; ++k) {
    loss_of(*net, image(k), labels(k)).backward();
    optimizer.step();
  }
  const Tensor x = image(7);
  const auto traced = [&] {
    return trace_call({{"x", x}}, net->full_state(), [&] { return NamedTensors{{"y", (*net)(x)}}; }, {.frozen = true});
  };
  try {
    traced();
    ADD_FAILURE() << "training mode was traced into constants";
  } catch (const Exception& e) {
    EXPECT_EQ(e.code(), Error::InvalidArgument);
    EXPECT_NE(std::string(e.what()).find("'1.running_mean' is to be a constant"), std::string::npos) << e.what();
  }
  net->eval();
  ir::Model graph = traced();
  EXPECT_TRUE(graph.states.empty());
  PassOptions options;
  options.evaluator = make_evaluator(default_tables(false));
  run_passes(graph, options);
  const auto counts = op_counts(graph);
  EXPECT_EQ(count_of(counts, "conv"), 2);
  for (const char* gone : {"batch_norm", "dropout", "mul", "add", "div", "relu"}) EXPECT_EQ(count_of(counts, gone), 0) << gone;
  Model model = Model::from_bytes(emit(graph), {});
  set(model, "x", x);
  model.run();
  const auto want = (*net)(x).to_vector<float>();
  for (size_t i = 0; i < want.size(); ++i) EXPECT_NEAR(model.output<float>("y")[i], want[i], 1e-5f * (1 + std::fabs(want[i])));
}

// Weights that nobody draws take no memory: three tensors of 2^40 numbers are counted.
TEST(Trace, NoInitCountsWithoutMemory) {
  const nn::NoInit off;
  EXPECT_EQ(nn::Linear(1 << 20, 1 << 20).parameter_count(), (int64_t{1} << 40) + (1 << 20));
  EXPECT_EQ(nn::init::trunc_normal({1 << 20, 1 << 20}).numel(), int64_t{1} << 40);
  EXPECT_EQ(nn::init::orthogonal({1 << 20, 1 << 20}).numel(), int64_t{1} << 40);
  nn::Linear small(2, 1);
  small.load_state_dict({{"weight", Tensor::ones({1, 2})}, {"bias", Tensor::ones({1})}});
  EXPECT_EQ(small(Tensor::ones({1, 2})).item(), 3);
  EXPECT_EQ(nn::init::normal({2, 2}).to_vector<float>(), std::vector<float>(4, 0));
}

}  // namespace
}  // namespace gf::test
