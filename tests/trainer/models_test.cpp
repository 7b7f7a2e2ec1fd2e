// Architectures against torchvision, transformers and PyTorch in float64 (data/models.json, made by make_model_goldens.py): names, losses,
// outputs, published sizes; and their way out as .gf and ONNX.
#include <cmath>

#include "converter/include/ghostflow/converter.h"
#include "converter/onnx/writer.h"
#include "tests/support/test_data.h"
#include "tests/trainer/golden_json.h"
#include "tests/trainer/gradcheck_support.h"
#include "trainer/models/bert.h"
#include "trainer/models/densenet.h"
#include "trainer/models/gpt2.h"
#include "trainer/models/llama.h"
#include "trainer/models/mobilenet.h"
#include "trainer/models/recurrent_lm.h"
#include "trainer/models/resnet.h"
#include "trainer/models/small.h"
#include "trainer/models/unet.h"
#include "trainer/models/vit.h"
#include "trainer/nn/init.h"
#include "trainer/optim/optimizers.h"
#include "trainer/step/train_step.h"
#include "trainer/tensor/recording.h"
#include "trainer/tensor/trainable.h"

namespace gf::test {
namespace {

using namespace gf::models;
using nlohmann::json;

const json& goldens() {
  static const json all = golden_file("models.json");
  return all;
}

// --- weights and batches: the hash of make_model_goldens.py

// FNV-1a of the name, the place times the golden ratio, MurmurHash3's finaliser.
uint32_t word(const std::string& name, size_t place) {
  uint32_t h = 2166136261U;
  for (const char c : name) h = (h ^ static_cast<uint8_t>(c)) * 16777619U;
  h += static_cast<uint32_t>(place) * 0x9E3779B9U;
  h = (h ^ (h >> 16)) * 0x85EBCA6BU;
  h = (h ^ (h >> 13)) * 0xC2B2AE35U;
  return h ^ (h >> 16);
}
size_t elements(const Shape64& shape) { return static_cast<size_t>(io::element_count(shape, "test")); }

template <class F>
Tensor filled(const std::string& name, const Shape64& shape, F&& f) {
  std::vector<float> v(elements(shape));
  for (size_t i = 0; i < v.size(); ++i) v[i] = static_cast<float>(f(static_cast<double>(word(name, i) >> 8) / (1 << 23) - 1));
  return Tensor::from(v, shape);
}
Tensor floats(const std::string& name, const Shape64& shape) {
  return filled(name, shape, [](double v) { return v; });
}
Tensor whole(const std::string& name, int64_t low, int64_t high, const Shape64& shape) {
  std::vector<int64_t> v(elements(shape));
  for (size_t i = 0; i < v.size(); ++i) v[i] = low + static_cast<int64_t>(word(name, i)) % (high - low);
  return Tensor::from(v, shape);
}
Tensor weight(const std::string& name, const Shape64& shape) {
  double fan = 1;
  for (size_t d = 1; d < shape.size(); ++d) fan *= static_cast<double>(shape[d]);
  const bool matrix = shape.size() >= 2, var = name.ends_with("running_var"), scale = name.ends_with("weight");
  return filled(name, shape, [&](double v) { return matrix ? v * std::sqrt(3 / fan) : var ? 1 + 0.25 * v : scale ? 1 + 0.1 * v : 0.1 * v; });
}

// --- one architecture

struct Case {
  std::shared_ptr<nn::Module> net;
  NamedTensors inputs;                   ///< of the evaluation graph
  std::function<Tensor()> loss, output;  ///< of the fixed batch
  std::string unread = {};               ///< weights that the evaluation graph does not need begin like this
};

void expect_close(std::span<const float> have, const std::vector<float>& want, const char* what) {
  ASSERT_EQ(have.size(), want.size()) << what;
  float most = 0;
  for (const float v : want) most = std::max(most, std::fabs(v));
  for (size_t i = 0; i < want.size(); ++i) ASSERT_NEAR(have[i], want[i], 1e-5f * (most + std::fabs(want[i]))) << what << "[" << i << "]";
}

void expect_runs_like(ir::Model& graph, const NamedTensors& inputs, const std::vector<float>& want, const char* what) {
  Model model = Model::from_bytes(emit(graph), {});
  for (const auto& [name, t] : inputs) {
    const io::Array a = t.array();
    const auto to = model.input<std::byte>(name);
    ASSERT_EQ(to.size(), a.data.size()) << what;
    std::copy(a.data.begin(), a.data.end(), to.begin());
  }
  model.run();
  expect_close(model.output<float>("y"), want, what);
}

// The module in evaluation mode, as an optimised file and by way of ONNX.
void expect_exports(Case& c, bool folds) {
  c.net->eval();
  const std::vector<float> want = c.output().to_vector<float>();
  const auto traced = [&] {
    return trace_call(c.inputs, c.net->full_state(), [&] { return NamedTensors{{"y", c.output()}}; }, {.frozen = true});
  };
  PassOptions passes;
  passes.evaluator = make_evaluator(default_tables(false));
  ir::Model fast = traced();
  run_passes(fast, passes);
  EXPECT_TRUE(fast.states.empty());
  for (const char* gone : {"dropout", "batch_norm", folds ? "mul" : "batch_norm"}) EXPECT_EQ(count_of(op_counts(fast), gone), 0) << gone;
  expect_runs_like(fast, c.inputs, want, "optimised");

  ir::Model plain = traced();
  const onnx::Model exported = onnx::export_model(plain, {});
  for (const auto& [name, t] : c.net->named_parameters()) {
    if (!c.unread.empty() && name.starts_with(c.unread)) continue;
    const auto& all = exported.graph.initializer;
    EXPECT_TRUE(std::any_of(all.begin(), all.end(), [&, n = name](const auto& i) { return i.name == n; })) << "ONNX has no weight " << name;
  }
  const onnx::Model parsed = onnx::read_model(onnx::Bytes::take(onnx::write_model(exported)));
  ConvertSource source;
  source.model = &parsed;
  source.import.entry = "main";
  ir::Model again = convert({source}, {}, passes.evaluator);
  expect_runs_like(again, c.inputs, want, "by ONNX");
}

// `folds`: every batch norm stands behind a convolution.
void expect_like_torch(const std::string& name, Case c, bool folds = false) {
  SCOPED_TRACE(name);
  const json& g = goldens()["models"][name];
  NamedTensors weights;
  for (const auto& [key, shape] : g["state"].items()) weights.emplace_back(key, weight(key, shape.get<Shape64>()));
  c.net->load_state_dict(weights);  // every name and shape
  c.net->eval();
  expect_near(c.output(), g["y"], "output");
  c.net->train();
  const double lr = g["lr"].get<double>();
  std::shared_ptr<const optim::Optimizer> rule = std::make_shared<optim::SGD>(optim::SgdSettings{.lr = lr, .momentum = 0.9});
  if (g["adam"].get<bool>()) rule = std::make_shared<optim::AdamW>(optim::AdamWSettings{.lr = lr});
  Trainable optimizer(c.net->parameters(), rule);
  const int64_t before = lazy::compiled_programs();
  double first = 0, last = 0;
  for (size_t step = 0; step < 50; ++step) {
    const Tensor loss = c.loss();
    loss.backward();
    optimizer.step();
    last = loss.item();
    if (step == 0) first = last;
    if (step >= g["losses"].size()) continue;
    const double want = g["losses"][step].get<double>();
    EXPECT_NEAR(last, want, 1e-5 * want) << "step " << step;
  }
  EXPECT_EQ(lazy::compiled_programs(), before + 1);
  EXPECT_LE(last, 0.7 * first);
  expect_exports(c, folds);
}

Case image_case(std::shared_ptr<nn::Module> net, int64_t size, int64_t channels = 3) {
  const Tensor x = floats("x", {4, channels, size, size}), t = whole("t", 0, 10, {4});
  return {net, {{"x", x}}, [=] { return nn::cross_entropy((*net)(x), t); }, [=] { return (*net)(x); }};
}

Case token_case(std::shared_ptr<nn::Module> net) {
  const Tensor x = whole("x", 1, 50, {4, 8}), t = whole("t", 0, 50, {4, 8});
  return {net, {{"x", x}}, [=] { return nn::cross_entropy(transpose((*net)(x), 1, 2), t); }, [=] { return narrow((*net)(x), 1, 0, 2); }};
}

TEST(Models, MlpAndLeNet) {
  const auto net = std::make_shared<Mlp>(MlpOptions{.sizes = {20, 16, 12, 5}});
  const Tensor x = floats("x", {4, 20}), t = whole("t", 0, 5, {4});
  expect_like_torch("mlp", {net, {{"x", x}}, [=] { return nn::cross_entropy((*net)(x), t); }, [=] { return (*net)(x); }});
  expect_like_torch("lenet", image_case(std::make_shared<LeNet>(), 28, 1));
}

TEST(Models, ResNet) {
  expect_like_torch("resnet_basic", image_case(std::make_shared<ResNet>(ResNetOptions{.depths = {2, 2, 1, 1}, .width = 8, .classes = 10}), 40), true);
  expect_like_torch("resnet_deep", image_case(std::make_shared<ResNet>(ResNetOptions{.bottleneck = true, .depths = {1, 2, 1, 1}, .width = 8, .classes = 10}), 40), true);
}

TEST(Models, MobileNetV2) {
  const MobileNetV2Options o{.stages = {{1, 16, 1, 1}, {6, 24, 2, 2}, {6, 32, 2, 2}}, .width = 0.25, .classes = 10, .dropout = 0};
  expect_like_torch("mobilenet_v2", image_case(std::make_shared<MobileNetV2>(o), 32), true);
}

TEST(Models, EfficientNet) {
  const EfficientNetOptions o{
      .stages = {{1, 3, 1, 8, 8, 1}, {6, 3, 2, 8, 8, 2}, {6, 5, 2, 8, 16, 1}}, .classes = 10, .dropout = 0, .stochastic_depth = 0};
  expect_like_torch("efficientnet", image_case(std::make_shared<EfficientNet>(o), 32));
}

TEST(Models, DenseNet) {
  expect_like_torch("densenet", image_case(std::make_shared<DenseNet>(DenseNetOptions{.growth = 8, .blocks = {2, 2, 1, 1}, .first = 8, .classes = 10}), 64));
}

TEST(Models, UNet) {
  const auto net = std::make_shared<UNet>(UNetOptions{.width = 4});
  const Tensor x = floats("x", {2, 3, 32, 32}), t = whole("t", 0, 2, {2, 32, 32});
  expect_like_torch("unet", {net, {{"x", x}}, [=] { return nn::cross_entropy((*net)(x), t); }, [=] { return narrow(narrow((*net)(x), 2, 0, 4), 3, 0, 8); }}, true);
  EXPECT_THROW((void)(*net)(floats("x", {1, 3, 24, 32})), Exception);
}

TEST(Models, Vit) {
  expect_like_torch("vit", image_case(std::make_shared<Vit>(VitOptions{.image = 16, .patch = 4, .classes = 10, .depth = 2, .heads = 2, .dim = 16, .hidden = 32}), 16));
}

TEST(Models, Bert) {
  const auto net = std::make_shared<BertClassifier>(
      BertOptions{.words = 50, .positions = 16, .depth = 2, .heads = 2, .dim = 16, .hidden = 32, .dropout = 0}, 3);
  io::Array seen = io::Array::zeros(DType::Bool, {4, 8});
  for (size_t i = 0; i < 4; ++i)
    for (size_t k = 0; k < std::vector<size_t>{8, 8, 6, 3}[i]; ++k) seen.data[8 * i + k] = std::byte{1};
  const Tensor x = whole("x", 0, 10, {4, 8}), kinds = whole("kinds", 0, 2, {4, 8}), mask = Tensor::from_array(seen), t = whole("t", 0, 3, {4});
  const auto scores = [=] { return net->run(x, kinds, mask); };
  expect_like_torch("bert", {net, {{"x", x}, {"kinds", kinds}, {"mask", mask}}, [=] { return nn::cross_entropy(scores(), t); }, scores});
  EXPECT_THROW((void)net->run(x, kinds, kinds), Exception);
  EXPECT_THROW((void)(*net)(whole("x", 1, 50, {1, 17})), Exception);
}

TEST(Models, Gpt2) {
  expect_like_torch("gpt2", token_case(std::make_shared<Gpt2>(Gpt2Options{.words = 50, .positions = 16, .depth = 2, .heads = 2, .dim = 16, .dropout = 0})));
}

TEST(Models, Llama) {
  expect_like_torch("llama", token_case(std::make_shared<Llama>(LlamaOptions{.words = 50, .depth = 2, .heads = 4, .kv_heads = 2, .dim = 16, .hidden = 24})));
}

TEST(Models, RecurrentLm) {
  RecurrentLmOptions o{.words = 50, .dim = 12, .hidden = 16, .dropout = 0};
  expect_like_torch("lstm_lm", token_case(std::make_shared<RecurrentLm>(o)));
  o.gru = true;
  expect_like_torch("gru_lm", token_case(std::make_shared<RecurrentLm>(o)));
}

TEST(Models, Vae) {
  const auto net = std::make_shared<Vae>(VaeOptions{.size = 36, .hidden = 20, .latent = 5});
  const Tensor noise = floats("noise", {4, 5}), x = filled("x", {4, 36}, [](double v) { return (v + 1) / 2; });
  expect_like_torch("vae", {net, {{"x", x}}, [=] { return Vae::loss(net->run(x, noise), x); }, [=] { return (*net)(x); }, "fc22."});
}

// Image nets of published size, whose strides no count shows.
TEST(Models, PublishedSizesLikeTorchvision) {
  if (test_tier() < 1) GTEST_SKIP() << "whole nets of published size run in ./tests/run.sh --all";
  const nn::NoInit off;
  const Tensor x = floats("x", {1, 3, 64, 64});
  const auto expect = [&](const char* name, nn::Module& net) {
    SCOPED_TRACE(name);
    NamedTensors weights;
    for (const auto& [key, t] : net.state_dict()) weights.emplace_back(key, weight(key, t.shape()));
    net.load_state_dict(weights);
    weights.clear();
    net.eval();
    const Tensor y = net(x);
    EXPECT_EQ(y.shape(), (Shape64{1, 1000}));
    expect_near(narrow(y, 1, 0, 10), goldens()["published"][name], "scores");
    ir::Model graph = trace_call({{"x", x}}, net.full_state(), [&] { return NamedTensors{{"y", net(x)}}; }, {.frozen = true});
    PassOptions passes;
    passes.evaluator = make_evaluator(default_tables(false));
    run_passes(graph, passes);
    EXPECT_EQ(count_of(op_counts(graph), "batch_norm"), 0);
    expect_runs_like(graph, {{"x", x}}, y.to_vector<float>(), "optimised");
  };
  ResNet resnet_18(resnet18()), resnet_50(resnet50());
  MobileNetV2 mobile;
  EfficientNet efficient;
  DenseNet dense;
  expect("resnet18", resnet_18);
  expect("resnet50", resnet_50);
  expect("mobilenet_v2", mobile);
  expect("efficientnet_b0", efficient);
  expect("densenet121", dense);
}

// --- training mode with dropout, from first values: strict steps equal lazy ones bit for bit

void expect_strict_equals_lazy(Case c) {
  std::vector<std::string> names;
  for (const auto& [name, t] : c.net->named_parameters()) names.push_back(name);
  const auto rule = std::make_shared<optim::AdamW>(optim::AdamWSettings{.lr = 1e-3});
  ir::Model graph = trace_call(c.inputs, c.net->full_state(), [&] { return NamedTensors{{"loss", c.loss()}}; });
  add_train_step(graph, *graph.entries[0], graph.entries[0]->body.outputs[0], {{names, rule}});
  PassOptions passes;
  passes.exact = true;
  passes.evaluator = make_evaluator(default_tables(false));
  run_passes(graph, passes);
  ModelOptions how;
  how.xnnpack = false;
  Model strict = Model::from_bytes(emit(graph), how);
  for (const auto& [name, t] : c.inputs) {
    const io::Array a = t.array();
    std::copy(a.data.begin(), a.data.end(), strict.input<std::byte>(name).begin());
  }
  Trainable optimizer(c.net->parameters(), rule);
  std::vector<double> losses;
  for (int step = 0; step < 3; ++step) {
    const Tensor loss = c.loss();
    loss.backward();
    optimizer.step();
    strict.run();
    losses.push_back(loss.item());
    EXPECT_EQ(static_cast<float>(losses.back()), strict.output<float>("loss")[0]) << "step " << step;
  }
  EXPECT_NE(losses[0], losses[1]);
  for (const auto& [name, t] : c.net->full_state()) {
    const auto bytes = strict.state()->bytes(strict.state()->find(name));
    EXPECT_TRUE(std::equal(bytes.begin(), bytes.end(), t.array().data.begin())) << name;
  }
  EXPECT_GT(c.net->full_state().size(), c.net->state_dict().size());  // counters of the masks
}

TEST(Models, StrictStepsWithDropout) {
  nn::manual_seed(9);
  const auto image = std::make_shared<EfficientNet>(EfficientNetOptions{.stages = {{1, 3, 1, 8, 8, 2}, {6, 3, 2, 8, 8, 2}}, .classes = 10});
  const Tensor x = floats("x", {4, 3, 16, 16}), t = whole("t", 0, 10, {4});
  expect_strict_equals_lazy({image, {{"x", x}, {"t", t}}, [=] { return nn::cross_entropy((*image)(x), t); }, {}});
  const auto text = std::make_shared<Gpt2>(Gpt2Options{.words = 50, .positions = 8, .depth = 2, .heads = 2, .dim = 16});
  const Tensor words = whole("x", 0, 50, {4, 8}), next = whole("t", 0, 50, {4, 8});
  expect_strict_equals_lazy({text, {{"x", words}, {"t", next}}, [=] { return nn::cross_entropy(transpose((*text)(words), 1, 2), next); }, {}});
}

// First values have the deviations that papers and libraries name, and biases are 0.
TEST(Models, FirstValues) {
  nn::manual_seed(21);
  const auto deviation_of = [](const nn::Module& net, const std::string& name) {
    for (const auto& [n, t] : net.named_parameters()) {
      if (n != name) continue;
      double squares = 0;
      const auto v = t.array().as<double>();
      for (const double x : v) squares += x * x;
      return std::sqrt(squares / static_cast<double>(v.size()));
    }
    ADD_FAILURE() << "no parameter " << name;
    return 0.0;
  };
  const auto expect_deviation = [&](const nn::Module& net, const std::string& name, double want) {
    EXPECT_NEAR(deviation_of(net, name), want, 0.05 * want) << name;
  };
  const ResNet resnet({.depths = {1, 1}, .width = 32});
  expect_deviation(resnet, "layer2.0.conv1.weight", std::sqrt(2.0 / (64 * 9)));  // fan out
  EXPECT_EQ(deviation_of(resnet, "bn1.bias"), 0);
  EXPECT_EQ(deviation_of(resnet, "bn1.weight"), 1);
  const DenseNet densenet({.growth = 16, .blocks = {1}, .first = 64});
  expect_deviation(densenet, "features.denseblock1.denselayer1.conv2.weight", std::sqrt(2.0 / (64 * 9)));  // fan in
  const MobileNetV2 mobile(MobileNetV2Options{.stages = {{6, 16, 1, 1}}});
  expect_deviation(mobile, "features.1.conv.0.0.weight", std::sqrt(2.0 / 192));
  expect_deviation(mobile, "classifier.1.weight", 0.01);
  EXPECT_EQ(deviation_of(mobile, "classifier.1.bias"), 0);
  const Gpt2 gpt({.words = 100, .positions = 64, .depth = 2, .heads = 2, .dim = 64});
  expect_deviation(gpt, "transformer.wte.weight", 0.02);
  expect_deviation(gpt, "transformer.h.1.attn.c_attn.weight", 0.02);
  expect_deviation(gpt, "transformer.h.1.mlp.c_proj.weight", 0.01);  // 0.02 / sqrt(2 depth)
  const Llama llama({.words = 100, .depth = 1, .heads = 4, .kv_heads = 2, .dim = 64, .hidden = 96});
  expect_deviation(llama, "model.layers.0.mlp.gate_proj.weight", 0.02);
  expect_deviation(llama, "lm_head.weight", 0.02);
  EXPECT_EQ(deviation_of(llama, "model.norm.weight"), 1);
  const Vit vit({.image = 16, .patch = 4, .depth = 1, .heads = 2, .dim = 64, .hidden = 64});
  expect_deviation(vit, "encoder.pos_embedding", 0.02);
  EXPECT_EQ(deviation_of(vit, "heads.head.weight"), 0);
  const Bert bert({.words = 200, .positions = 64, .depth = 1, .heads = 2, .dim = 64, .hidden = 64});
  expect_deviation(bert, "embeddings.word_embeddings.weight", 0.02);
  EXPECT_EQ(deviation_of(bert, "pooler.dense.bias"), 0);
  for (const float v : narrow(bert.named_parameters()[0].second, 0, 0, 1).to_vector<float>()) EXPECT_EQ(v, 0);  // padding
}

TEST(Models, Errors) {
  EXPECT_THROW(Mlp({.sizes = {3}}), Exception);
  EXPECT_THROW(ResNet({.depths = {}}), Exception);
  EXPECT_THROW(DenseNet({.blocks = {}}), Exception);
  EXPECT_THROW(EfficientNet(EfficientNetOptions{.stages = {}}), Exception);
  EXPECT_THROW(UNet({.depth = 0}), Exception);
  EXPECT_THROW(Vit({.image = 20, .patch = 16}), Exception);
  const nn::NoInit off;
  EXPECT_THROW(Gpt2({.heads = 7}), Exception);
  EXPECT_THROW(Llama({.heads = 32, .kv_heads = 5}), Exception);
  EXPECT_THROW(Bert({.heads = 5}), Exception);
  EXPECT_THROW((void)Vit(VitOptions{.depth = 1})(Tensor::zeros({1, 3, 32, 32})), Exception);
}

// Published sizes, counted without their weights.
TEST(Models, ParameterCounts) {
  const nn::NoInit off;
  std::map<std::string, int64_t> have;
  have["mlp"] = Mlp().parameter_count();
  have["lenet"] = LeNet().parameter_count();
  have["resnet18"] = ResNet(resnet18()).parameter_count();
  have["resnet50"] = ResNet(resnet50()).parameter_count();
  have["mobilenet_v2"] = MobileNetV2().parameter_count();
  have["efficientnet_b0"] = EfficientNet().parameter_count();
  have["densenet121"] = DenseNet().parameter_count();
  have["unet"] = UNet().parameter_count();
  have["vit_b_16"] = Vit().parameter_count();
  have["bert_base"] = Bert().parameter_count();
  have["gpt2"] = Gpt2().parameter_count();
  have["tiny_llama"] = Llama().parameter_count();
  have["lstm_lm"] = RecurrentLm().parameter_count();
  have["gru_lm"] = RecurrentLm({.gru = true}).parameter_count();
  have["vae"] = Vae().parameter_count();
  EXPECT_EQ(have, (goldens()["counts"].get<std::map<std::string, int64_t>>()));
  EXPECT_EQ(have["resnet50"], 25557032);  // torchvision's documentation
  EXPECT_EQ(have["gpt2"], 124439808);
}

}  // namespace
}  // namespace gf::test
