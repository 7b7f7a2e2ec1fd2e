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
#include "trainer/nn/layers.h"
#include "trainer/optim/optimizers.h"
#include "trainer/step/train_step.h"

namespace {

using namespace gf;
using Clock = std::chrono::steady_clock;

double ms_since(Clock::time_point t) { return std::chrono::duration<double, std::milli>(Clock::now() - t).count(); }

long peak_kb() {
  rusage u{};
  getrusage(RUSAGE_SELF, &u);
  return u.ru_maxrss;
}

struct Net {
  NamedTensors inputs, parameters;
  Tensor loss;
  std::shared_ptr<const optim::Optimizer> rule;
  int64_t classes = 10;

  Tensor input(const std::string& name, Shape64 shape, DType type = DType::F32) {
    return inputs.emplace_back(name, Tensor::zeros(std::move(shape), type)).second;
  }
};

using M = std::shared_ptr<nn::Module>;
M layer(std::function<Tensor(const Tensor&)> f) { return std::make_shared<nn::Lambda>(std::move(f)); }
M relu_layer() { return layer([](const Tensor& x) { return relu(x); }); }
M gelu_layer() { return layer([](const Tensor& x) { return gelu(x); }); }
M pool_layer() { return layer([](const Tensor& x) { return nn::max_pool2d(x, 2); }); }
M linear(int64_t in, int64_t out, bool bias = true) { return std::make_shared<nn::Linear>(in, out, bias); }
M conv(int64_t in, int64_t out, int64_t kernel, int64_t padding) { return std::make_shared<nn::Conv2d>(in, out, kernel, nn::Conv2dOptions{.padding = padding}); }
M plain_conv(int64_t in, int64_t out, int64_t kernel, int64_t stride) {
  return std::make_shared<nn::Conv2d>(in, out, kernel, nn::Conv2dOptions{.stride = stride, .padding = kernel / 2, .bias = false});
}
M sequence(std::initializer_list<M> layers) { return M(new nn::Sequential(layers)); }

Net mlp() {
  Net n;
  const M net = sequence({linear(784, 512), relu_layer(), linear(512, 256), relu_layer(), linear(256, 10)});
  n.loss = nn::cross_entropy((*net)(n.input("x", {128, 784})), n.input("t", {128}, DType::I64));
  n.parameters = net->named_parameters();
  n.rule = std::make_shared<optim::Adam>(optim::AdamSettings{.lr = 1e-3});
  return n;
}

Net lenet() {
  Net n;
  const M net = sequence({conv(1, 6, 5, 2), relu_layer(), pool_layer(), conv(6, 16, 5, 0), relu_layer(), pool_layer(),
                          layer([](const Tensor& x) { return flatten(x, 1); }), linear(400, 120), relu_layer(), linear(120, 84), relu_layer(), linear(84, 10)});
  n.loss = nn::cross_entropy((*net)(n.input("x", {64, 1, 28, 28})), n.input("t", {64}, DType::I64));
  n.parameters = net->named_parameters();
  n.rule = std::make_shared<optim::SGD>(optim::SgdSettings{.lr = 0.01, .momentum = 0.9});
  return n;
}

// Batch normalisation by the batch's own statistics, without running ones: trace() takes parameters only.
struct BatchStatistics final : nn::Module {
  explicit BatchStatistics(int64_t channels) {
    weight = register_parameter("weight", Tensor::ones({channels}));
    bias = register_parameter("bias", Tensor::zeros({channels}));
  }
  Tensor forward(const Tensor& x) override {
    const auto per_channel = [](const Tensor& t) { return reshape(t, {1, t.size(0), 1, 1}); };
    const Tensor centred = x - mean(x, {0, 2, 3}, true), var = mean(centred * centred, {0, 2, 3}, true);
    return centred / sqrt(var + 1e-5) * per_channel(weight) + per_channel(bias);
  }
  Tensor weight, bias;
};

M norm(int64_t channels) { return std::make_shared<BatchStatistics>(channels); }

struct ResidualBlock final : nn::Module {
  ResidualBlock(int64_t in, int64_t out, int64_t stride) {
    main = register_module("main", sequence({plain_conv(in, out, 3, stride), norm(out), relu_layer(), plain_conv(out, out, 3, 1), norm(out)}));
    if (in != out) shortcut = register_module("shortcut", sequence({plain_conv(in, out, 1, stride), norm(out)}));
  }
  Tensor forward(const Tensor& x) override { return relu((*main)(x) + (shortcut ? (*shortcut)(x) : x)); }
  M main, shortcut;
};

// ResNet-18 as for CIFAR: a 3x3 stem without pool.
Net resnet18() {
  Net n;
  const auto blocks = std::make_shared<nn::Sequential>();
  int64_t in = 64;
  for (const int64_t out : {64, 128, 256, 512})
    for (const bool first : {true, false}) {
      blocks->append(std::make_shared<ResidualBlock>(in, out, first && out != 64 ? 2 : 1));
      in = out;
    }
  const M net = sequence({plain_conv(3, 64, 3, 1), norm(64), relu_layer(), M(blocks), layer([](const Tensor& x) { return mean(x, {2, 3}); }),
                          linear(512, 10)});
  n.loss = nn::cross_entropy((*net)(n.input("x", {32, 3, 32, 32})), n.input("t", {32}, DType::I64));
  n.parameters = net->named_parameters();
  n.rule = std::make_shared<optim::SGD>(optim::SgdSettings{.lr = 0.01, .momentum = 0.9});
  return n;
}

struct Block final : nn::Module {
  Block(int64_t dim, int64_t heads, bool causal) {
    ln1 = register_module("ln1", std::make_shared<nn::LayerNorm>(Shape64{dim}));
    ln2 = register_module("ln2", std::make_shared<nn::LayerNorm>(Shape64{dim}));
    attn = register_module("attn", std::make_shared<nn::SelfAttention>(dim, heads, causal));
    mlp = register_module("mlp", sequence({linear(dim, 4 * dim), gelu_layer(), linear(4 * dim, dim)}));
  }
  Tensor forward(const Tensor& x) override {
    const Tensor y = x + (*attn)((*ln1)(x));
    return y + (*mlp)((*ln2)(y));
  }
  M ln1, ln2, attn, mlp;
};

// Token and position embeddings, blocks, layer norm; a head per token, or one over the mean of all tokens.
struct Transformer final : nn::Module {
  Transformer(int64_t words, int64_t length, int64_t dim, int64_t heads, int depth, bool causal, int64_t out) : per_token(causal) {
    tok = register_module("tok", std::make_shared<nn::Embedding>(words, dim));
    pos = register_module("pos", std::make_shared<nn::Embedding>(length, dim));
    const auto all = std::make_shared<nn::Sequential>();
    for (int i = 0; i < depth; ++i) all->append(std::make_shared<Block>(dim, heads, causal));
    blocks = register_module("blocks", M(all));
    ln = register_module("ln", std::make_shared<nn::LayerNorm>(Shape64{dim}));
    head = register_module("head", linear(dim, out, false));
  }
  Tensor forward(const Tensor& t) override {
    const Tensor h = (*ln)((*blocks)((*tok)(t) + pos->weight));
    return (*head)(per_token ? h : mean(h, {1}));
  }
  bool per_token;
  std::shared_ptr<nn::Embedding> tok, pos;
  M blocks, ln, head;
};

Net gpt(int64_t words, int64_t batch, int64_t length, int64_t dim, int64_t heads, int depth) {
  Net n;
  Transformer net(words, length, dim, heads, depth, true, words);
  const Tensor scores = net(n.input("x", {batch, length}, DType::I64));
  n.loss = nn::cross_entropy(reshape(scores, {batch * length, words}), reshape(n.input("t", {batch, length}, DType::I64), {batch * length}));
  n.parameters = net.named_parameters();
  n.rule = std::make_shared<optim::AdamW>(optim::AdamWSettings{.lr = 1e-3});
  n.classes = words;
  return n;
}

Net encoder() {
  Net n;
  Transformer net(8000, 128, 128, 4, 4, false, 2);
  n.loss = nn::cross_entropy(net(n.input("x", {16, 128}, DType::I64)), n.input("t", {16}, DType::I64));
  n.parameters = net.named_parameters();
  n.rule = std::make_shared<optim::AdamW>(optim::AdamWSettings{.lr = 1e-3});
  n.classes = 2;
  return n;
}

Net make(const std::string& task) {
  if (task == "mlp") return mlp();
  if (task == "lenet") return lenet();
  if (task == "resnet18") return resnet18();
  if (task == "char_gpt") return gpt(65, 12, 64, 128, 4, 4);
  if (task == "encoder") return encoder();
  if (task == "gpt") return gpt(65, 8, 256, 384, 6, 6);
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
