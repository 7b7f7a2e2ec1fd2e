// One task of bench/train: builds the net with lazy tensors, traces it into a train step, runs it and prints one line of JSON with
// milliseconds per step (median), of the first step, of compiling, and peak memory. Usage: train_bench TASK THREADS STEPS
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>

#include "facade/convert.h"
#include "graph/emit/emit.h"
#include "graph/passes/pipeline.h"
#include "runtime/include/ghostflow/model.h"
#include "schema/ops.h"
#include "trainer/optim/optimizers.h"
#include "trainer/step/train_step.h"
#include "trainer/tensor/functions.h"
#include "trainer/tensor/trace.h"

namespace {

using namespace gf;
using Clock = std::chrono::steady_clock;

double ms_since(Clock::time_point t) { return std::chrono::duration<double, std::milli>(Clock::now() - t).count(); }

long peak_kb() {
  rusage u{};
  getrusage(RUSAGE_SELF, &u);
  return u.ru_maxrss;
}

std::mt19937 generator(1);  // NOLINT: the same weights every time
Tensor weights(Shape64 shape, double bound) {
  std::uniform_real_distribution<float> d(static_cast<float>(-bound), static_cast<float>(bound));
  int64_t n = 1;
  for (const int64_t s : shape) n *= s;
  std::vector<float> v(static_cast<size_t>(n));
  for (float& x : v) x = d(generator);
  Tensor t = Tensor::from(v, std::move(shape));
  t.set_requires_grad();
  return t;
}

struct Net {
  NamedTensors inputs, parameters;
  Tensor loss;
  std::shared_ptr<const optim::Optimizer> rule;
  int64_t classes = 10;

  Tensor parameter(const std::string& name, Shape64 shape, double bound) {
    return parameters.emplace_back(name, weights(std::move(shape), bound)).second;
  }
  Tensor input(const std::string& name, Shape64 shape, DType type = DType::F32) {
    return inputs.emplace_back(name, Tensor::zeros(std::move(shape), type)).second;
  }
  Tensor linear(const std::string& name, const Tensor& x, int64_t in, int64_t out) {
    const double bound = 1 / std::sqrt(static_cast<double>(in));
    return apply<op::MatMul>({x, parameter(name + ".weight", {out, in}, bound), parameter(name + ".bias", {out}, bound)}, {.transpose_b = true});
  }
  void cross_entropy(const Tensor& scores, const Tensor& targets) { loss = apply<op::SoftmaxCrossEntropyLoss>({scores, targets}); }
};

Net mlp() {
  Net n;
  const Tensor x = n.input("x", {128, 784}), t = n.input("t", {128}, DType::I64);
  const Tensor h = relu(n.linear("fc1", x, 784, 512)), g = relu(n.linear("fc2", h, 512, 256));
  n.cross_entropy(n.linear("fc3", g, 256, 10), t);
  n.rule = std::make_shared<optim::Adam>(optim::AdamSettings{.lr = 1e-3});
  return n;
}

Net make(const std::string& task) {
  if (task == "mlp") return mlp();
  std::fprintf(stderr, "no task '%s'\n", task.c_str());
  std::exit(2);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) {
    std::fprintf(stderr, "usage: train_bench TASK THREADS STEPS [FILE]\n");
    return 2;
  }
  const long base = peak_kb();
  Net net = make(argv[1]);
  const int steps = std::atoi(argv[3]);
  const auto compile_start = Clock::now();
  ir::Model graph = trace(net.inputs, {{"loss", net.loss}}, net.parameters);
  std::vector<std::string> names;
  for (const auto& [name, t] : net.parameters) names.push_back(name);
  add_train_step(graph, *graph.entries[0], graph.entries[0]->body.outputs[0], {{names, net.rule}});
  PassOptions passes;
  passes.exact = true;
  passes.evaluator = make_evaluator(default_tables(false));
  run_passes(graph, passes);
  const std::vector<std::byte> file = emit(graph);
  if (argc > 4) {
    std::FILE* f = std::fopen(argv[4], "wb");
    std::fwrite(file.data(), 1, file.size(), f);
    std::fclose(f);
  }
  ModelOptions options;
  options.threads = std::atoi(argv[2]);
  Model model = Model::from_bytes(file, options);
  (void)model.session();
  const double compile = ms_since(compile_start);
  std::mt19937 random(7);  // NOLINT
  std::normal_distribution<float> normal;
  for (const auto& [name, t] : net.inputs) {
    const TensorView v = model.input_view(name);
    if (v.dtype == DType::I64)
      for (int64_t& i : model.input<int64_t>(name)) i = static_cast<int64_t>(random() % static_cast<uint64_t>(net.classes));
    else
      for (float& f : model.input<float>(name)) f = normal(random);
  }
  std::vector<double> times;
  double loss0 = 0;
  for (int i = 0; i < steps; ++i) {
    const auto start = Clock::now();
    model.run();
    times.push_back(ms_since(start));
    if (i == 0) loss0 = static_cast<double>(model.output<float>("loss")[0]);
  }
  const double first = times[0];
  std::sort(times.begin(), times.end());
  std::printf("{\"task\": \"%s\", \"threads\": %s, \"ms\": %.4f, \"first_ms\": %.3f, \"compile_ms\": %.2f, \"mb\": %.1f, \"loss0\": %.5f, \"loss\": %.5f}\n", argv[1], argv[2],
              times[times.size() / 2], first, compile, static_cast<double>(peak_kb() - base) / 1024, loss0, static_cast<double>(model.output<float>("loss")[0]));
  return 0;
}
