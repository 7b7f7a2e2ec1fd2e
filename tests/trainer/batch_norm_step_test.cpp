// Train steps of nets with batch normalisation: what the passes do to them changes no bit, and the memory they need is what is promised.
#include "facade/convert.h"
#include "graph/emit/emit.h"
#include "graph/ir/copy.h"
#include "graph/passes/passes.h"
#include "tests/trainer/gradcheck_support.h"
#include "trainer/models/mobilenet.h"
#include "trainer/models/resnet.h"
#include "trainer/nn/activations.h"
#include "trainer/nn/blocks.h"
#include "trainer/nn/init.h"
#include "trainer/nn/losses.h"
#include "trainer/optim/optimizers.h"
#include "trainer/step/train_step.h"
#include "trainer/tensor/trace.h"

namespace gf::test {
namespace {

using M = std::shared_ptr<nn::Module>;

ir::Model step_of(nn::Module& net, const Shape64& shape, const std::shared_ptr<const optim::Optimizer>& rule) {
  const Tensor x = Tensor::zeros(shape), t = Tensor::zeros({shape[0]}, DType::I64);
  ir::Model model = trace_call({{"x", x}, {"t", t}}, net.full_state(), [&] { return NamedTensors{{"loss", nn::cross_entropy(net(x), t)}}; });
  std::vector<std::string> names;
  for (const auto& [name, p] : net.named_parameters()) names.push_back(name);
  add_train_step(model, *model.entries[0], model.entries[0]->body.outputs[0], {{names, rule}});
  return model;
}
std::shared_ptr<const optim::Optimizer> momentum() { return std::make_shared<optim::SGD>(optim::SgdSettings{.lr = 0.05, .momentum = 0.9}); }

void optimise(ir::Model& model, int level) {
  PassOptions options;
  options.exact = true;
  options.level = level;
  options.evaluator = make_evaluator(default_tables(false));
  run_passes(model, options);
  ir::check(model);
}

Model session_of(ir::Model& graph, int threads) {
  ModelOptions options;
  options.threads = threads;
  return Model::from_bytes(emit(graph), options);
}

std::vector<std::byte> four_steps(ir::Model& graph, int threads) {
  Model model = session_of(graph, threads);
  std::vector<std::byte> bits;
  const auto take = [&](std::span<const std::byte> b) { bits.insert(bits.end(), b.begin(), b.end()); };
  for (int step = 0; step < 4; ++step) {
    fill_random<float>(model.input<float>("x"), static_cast<uint64_t>(step) + 5, -1, 1);
    const auto t = model.input<int64_t>("t");
    for (size_t i = 0; i < t.size(); ++i) t[i] = static_cast<int64_t>(i * 7 + static_cast<size_t>(step)) % 4;
    model.run();
    take(std::as_bytes(model.output<float>("loss")));
  }
  for (int k = 0; k < static_cast<int>(graph.states.size()); ++k) take(model.state()->bytes(k));
  return bits;
}

// Normalisations with relu, relu6 and neither behind them, a residual, and one whose result two convolutions read.
struct Blocks final : nn::Module {
  Blocks() {
    const auto conv = [&](const char* name, int64_t in, int64_t out, int64_t groups) {
      return register_module(name, std::make_shared<nn::Conv2d>(in, out, 3, nn::Conv2dOptions{.padding = 1, .groups = groups, .bias = false}));
    };
    const auto norm = [&](const char* name, int64_t channels) { return register_module(name, std::make_shared<nn::BatchNorm2d>(channels)); };
    conv1 = conv("conv1", 3, 12, 1), conv2 = conv("conv2", 12, 12, 12), conv3 = conv("conv3", 12, 8, 1), conv4 = conv("conv4", 8, 8, 1), skip = conv("skip", 12, 8, 1);
    norm1 = norm("norm1", 12), norm2 = norm("norm2", 12), norm3 = norm("norm3", 8), norm4 = norm("norm4", 8);
    head = register_module("head", std::make_shared<nn::Linear>(8, 4));
  }
  Tensor forward(const Tensor& x) override {
    const Tensor a = relu((*norm1)((*conv1)(x)));
    const Tensor b = nn::relu6((*norm2)((*conv2)(a)) * 3.0);  // not behind the normalisation itself
    const Tensor c = nn::relu6((*norm3)((*conv3)(b))), d = (*norm4)((*conv4)(c)) + (*skip)(a);
    return (*head)(flatten(nn::global_avg_pool2d(relu(d)), 1));
  }
  M conv1, conv2, conv3, conv4, skip, norm1, norm2, norm3, norm4, head;
};

TEST(BatchNormSteps, ActivationsInsideChangeNoBit) {
  nn::manual_seed(11);
  Blocks net;
  ir::Model plain = step_of(net, {6, 3, 9, 7}, momentum()), whole = ir::copy(plain);
  (void)merge_common(plain, {});
  (void)move_transposes(plain, {});
  (void)merge_common(plain, {});
  ir::Model fused = ir::copy(plain);
  (void)fuse_norm_activations(fused, {});
  (void)remake_normalised(fused, {});
  optimise(whole, 2);
  for (ir::Model* model : {&fused, &whole}) {
    ir::check(*model);
    auto counts = op_counts(*model);
    EXPECT_EQ(counts["batch_norm_grad"], 4);
    EXPECT_EQ(counts["batch_norm"], 6);  // two again, in front of the gradients by weights
  }
  EXPECT_EQ(op_counts(plain)["relu"], 2);
  EXPECT_EQ(op_counts(fused)["relu"], 1);
  EXPECT_EQ(op_counts(plain)["clip"], 2);
  EXPECT_EQ(op_counts(fused)["clip"], 1);
  const auto want = four_steps(plain, 1);
  for (const int threads : {1, 2, 4}) EXPECT_EQ(four_steps(fused, threads), want) << threads << " threads";
}

// Bytes of a step's activations and gradients: what a session sets aside, whatever the machine.
uint64_t planned(nn::Module& net, const Shape64& shape) {
  ir::Model model = step_of(net, shape, momentum());
  optimise(model, 2);
  const MemoryNeeds needs = session_of(model, 1).needs();
  std::printf("%.2f MB of activations and gradients, alive at once %.2f MB, scratch %.2f MB\n", static_cast<double>(needs.activation_bytes) / 1e6,
              static_cast<double>(needs.max_live_bytes) / 1e6, static_cast<double>(needs.scratch_bytes) / 1e6);
  return needs.activation_bytes;
}

TEST(BatchNormSteps, MemoryOfMobileNetV2) {
  models::MobileNetV2 net({.width = 0.35, .classes = 10, .dropout = 0});
  EXPECT_LE(planned(net, {1, 3, 128, 128}), 5'700'000U);
}
TEST(BatchNormSteps, MemoryOfResNet18) {
  models::ResNet net({.classes = 10, .small_images = true});
  EXPECT_LE(planned(net, {32, 3, 32, 32}), 126'000'000U);
}

}  // namespace
}  // namespace gf::test
