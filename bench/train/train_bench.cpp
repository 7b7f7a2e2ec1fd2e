// One task of bench/train: builds the net with lazy tensors, traces it into a train step, runs it and prints one line of JSON with
// milliseconds per step (median), of the first step, of compiling, and peak memory. Usage: train_bench TASK THREADS STEPS [FILE [MB]]:
// FILE keeps the step, MB is a budget for its activations and scratch
#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <random>
#include <string>

#include "facade/convert.h"
#include "graph/emit/emit.h"
#include "graph/passes/pipeline.h"
#include "runtime/include/ghostflow/model.h"
#include "runtime/platform/memory.h"
#include "trainer/nn/attention.h"
#include "trainer/models/mobilenet.h"
#include "trainer/models/recurrent_lm.h"
#include "trainer/models/resnet.h"
#include "trainer/models/small.h"
#include "trainer/optim/optimizers.h"
#include "trainer/step/fit.h"
#include "trainer/step/train_step.h"

namespace {

using namespace gf;
using Clock = std::chrono::steady_clock;

double ms_since(Clock::time_point t) { return std::chrono::duration<double, std::milli>(Clock::now() - t).count(); }

// Of this program alone: what getrusage() says may still be the peak of the process that started it.
double peak_mb() { return static_cast<double>(peak_rss_bytes()) / (1024 * 1024); }

using M = std::shared_ptr<nn::Module>;

struct Net {
  NamedTensors inputs;
  M net;
  std::function<Tensor()> loss;
  std::shared_ptr<const optim::Optimizer> rule;
  int64_t classes = 10;

  Tensor input(const std::string& name, Shape64 shape, DType type = DType::F32) {
    return inputs.emplace_back(name, Tensor::zeros(std::move(shape), type)).second;
  }
};

M linear(int64_t in, int64_t out, bool bias = true) { return std::make_shared<nn::Linear>(in, out, bias); }
std::shared_ptr<const optim::Optimizer> momentum() { return std::make_shared<optim::SGD>(optim::SgdSettings{.lr = 0.01, .momentum = 0.9}); }

// One label per example.
Net classifier(M net, Shape64 input, std::shared_ptr<const optim::Optimizer> rule) {
  Net n;
  const Tensor x = n.input("x", input), t = n.input("t", {input[0]}, DType::I64);
  n.net = net;
  n.loss = [=] { return nn::cross_entropy((*net)(x), t); };
  n.rule = std::move(rule);
  return n;
}

// The next word at every place.
Net language_model(M net, int64_t words, int64_t batch, int64_t length, std::shared_ptr<const optim::Optimizer> rule) {
  Net n;
  const Tensor x = n.input("x", {batch, length}, DType::I64), t = n.input("t", {batch, length}, DType::I64);
  n.net = net;
  n.loss = [=] { return nn::cross_entropy(reshape((*net)(x), {batch * length, words}), reshape(t, {batch * length})); };
  n.rule = std::move(rule);
  n.classes = words;
  return n;
}

struct Block final : nn::Module {
  Block(int64_t dim, int64_t heads, bool causal) {
    ln1 = register_module("ln1", std::make_shared<nn::LayerNorm>(Shape64{dim}));
    ln2 = register_module("ln2", std::make_shared<nn::LayerNorm>(Shape64{dim}));
    attn = register_module("attn", std::make_shared<nn::SelfAttention>(dim, heads, causal));
    mlp = register_module("mlp", M(new nn::Sequential{linear(dim, 4 * dim), models::as_module([](const Tensor& x) { return gelu(x); }), linear(4 * dim, dim)}));
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

std::shared_ptr<const optim::Optimizer> adamw() { return std::make_shared<optim::AdamW>(optim::AdamWSettings{.lr = 1e-3}); }

Net gpt(int64_t words, int64_t batch, int64_t length, int64_t dim, int64_t heads, int depth) {
  return language_model(std::make_shared<Transformer>(words, length, dim, heads, depth, true, words), words, batch, length, adamw());
}

Net encoder() {
  Net n;
  const auto net = std::make_shared<Transformer>(8000, 128, 128, 4, 4, false, 2);
  const Tensor x = n.input("x", {16, 128}, DType::I64), t = n.input("t", {16}, DType::I64);
  n.net = net;
  n.loss = [=] { return nn::cross_entropy((*net)(x), t); };
  n.rule = adamw();
  n.classes = 2;
  return n;
}

Net make(const std::string& task) {
  if (task == "mlp") return classifier(std::make_shared<models::Mlp>(), {128, 784}, std::make_shared<optim::Adam>(optim::AdamSettings{.lr = 1e-3}));
  if (task == "lenet") return classifier(std::make_shared<models::LeNet>(), {64, 1, 28, 28}, momentum());
  if (task == "resnet18") return classifier(std::make_shared<models::ResNet>(models::ResNetOptions{.classes = 10, .small_images = true}), {32, 3, 32, 32}, momentum());
  if (task == "mobilenet") return classifier(std::make_shared<models::MobileNetV2>(models::MobileNetV2Options{.width = 0.35, .classes = 10, .dropout = 0}), {1, 3, 128, 128}, std::make_shared<optim::SGD>(optim::SgdSettings{.lr = 0.01}));
  if (task == "char_gpt") return gpt(65, 12, 64, 128, 4, 4);
  if (task == "char_lstm") return language_model(std::make_shared<models::RecurrentLm>(models::RecurrentLmOptions{.words = 65, .dim = 256, .hidden = 256, .dropout = 0}), 65, 32, 64, adamw());
  if (task == "encoder") return encoder();
  if (task == "gpt") return gpt(65, 8, 256, 384, 6, 6);
  std::fprintf(stderr, "no task '%s'\n", task.c_str());
  std::exit(2);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) {
    std::fprintf(stderr, "usage: train_bench TASK[.bf16|.kept|.bf16kept] THREADS STEPS [FILE [MB]]\n");
    return 2;
  }
  const double base = peak_mb();
  std::string task = argv[1];
  const std::string words = task.substr(std::min(task.find('.'), task.size()));
  task.resize(task.size() - words.size());
  if (!words.empty() && words != ".bf16" && words != ".kept" && words != ".bf16kept") {
    std::fprintf(stderr, "no variant '%s' of a task\n", words.c_str());
    return 2;
  }
  Net net = make(task);
  const int steps = std::atoi(argv[3]);
  const auto compile_start = Clock::now();
  ir::Model graph = trace_call(net.inputs, net.net->full_state(), [&] { return NamedTensors{{"loss", net.loss()}}; });
  std::vector<std::string> names;
  for (const auto& [name, t] : net.net->named_parameters()) names.push_back(name);
  add_train_step(graph, *graph.entries[0], graph.entries[0]->body.outputs[0], {{names, net.rule}});
  PassOptions passes;
  passes.exact = true;
  if (words == ".bf16" || words == ".bf16kept") passes.products = DType::BF16;
  if (words == ".kept" || words == ".bf16kept") passes.kept = DType::BF16;
  passes.evaluator = make_evaluator(default_tables(false));
  if (argc > 5) {
    const FitReport fit = fit_memory(graph, "main", static_cast<uint64_t>(std::atof(argv[5]) * 1e6), passes);
    std::fprintf(stderr, "%.1f MB of activations and scratch instead of %.1f for %.1f %% more products, %d nodes\n", static_cast<double>(fit.bytes) / 1e6,
                 static_cast<double>(fit.bytes_before) / 1e6, 100.0 * static_cast<double>(fit.macs_again) / static_cast<double>(fit.macs), fit.nodes_again);
  } else {
    run_passes(graph, passes);
  }
  const bool keep = argc > 4 && *argv[4] != 0;
  const std::string path = keep ? argv[4] : (std::filesystem::temp_directory_path() / ("train_bench." + std::to_string(getpid()) + ".gf")).string();
  std::FILE* f = std::fopen(path.c_str(), "wb");
  bool written = f != nullptr;
  if (written) emit(graph, {}, [&](std::span<const std::byte> part) { written = std::fwrite(part.data(), 1, part.size(), f) == part.size() && written; });
  if (!written || std::fclose(f) != 0) {
    std::perror(path.c_str());
    return 1;
  }
  graph = ir::Model{};  // only the model stays while training, as in a program that loads its step from a file
  net.loss = nullptr;
  net.net = nullptr;
  names.clear();
  malloc_trim(0);  // what compiling took goes back to the system
  ModelOptions options;
  options.threads = std::atoi(argv[2]);
  Model model = Model::load(path, options);
  if (!keep) std::remove(path.c_str());
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
              times[times.size() / 2], first, compile, peak_mb() - base, loss0, static_cast<double>(model.output<float>("loss")[0]));
  return 0;
}
