// Models that are tuned: a new head, first values from files, int8 in the training, a teacher; and what remains for inference. PyTorch's numbers
// are data/tuning.json (make_tuning_goldens.py).
#include <cmath>
#include <cstring>

#include "facade/convert.h"
#include "facade/import_resized.h"
#include "schema/ops/batch_norm.h"
#include "schema/ops/conv_integer.h"
#include "schema/ops/dequantize_linear.h"
#include "schema/ops/matmul.h"
#include "schema/ops/matmul_integer.h"
#include "schema/ops/quantize_linear.h"
#include "tests/support/test_data.h"
#include "tests/trainer/golden_json.h"
#include "trainer/checkpoint/weights.h"
#include "trainer/models/bert.h"
#include "trainer/models/small.h"
#include "trainer/nn/init.h"
#include "trainer/nn/losses.h"
#include "trainer/optim/by_name.h"
#include "trainer/step/globs.h"
#include "trainer/step/finished_model.h"
#include "trainer/step/prepare.h"
#include "trainer/step/training_model.h"

namespace gf::test {
namespace {

using nlohmann::json;

const json& goldens() {
  static const json all = golden_file("tuning.json");
  return all;
}

ir::Model import(const std::string& path, const std::vector<std::pair<std::string, std::pair<int64_t, int64_t>>>& dims = {}) {
  OnnxFile file{path, {}};
  for (const auto& [name, range] : dims) file.import.dims[name] = range;
  ConvertOptions options;
  options.optimize = 0;
  return convert_files({file}, options);
}
ir::Model digits(int64_t batch = 6) { return import(std::string(kSourceDir) + "/examples/digits/digits.onnx", {{"N", {batch, batch}}}); }

PassOptions passes(int level = 2) {
  PassOptions p;
  p.level = level;
  p.evaluator = make_evaluator(default_tables(false));
  return p;
}
PrepareOptions with(const std::string& optimizer) {
  PrepareOptions o;
  o.loss = "cross_entropy";
  o.optimizer = optim::by_name(optimizer);
  o.passes = passes();
  return o;
}
Model opened(ir::Model& graph) {
  ModelOptions how;
  how.threads = 1;
  return Model::from_bytes(emit(graph), how);
}
Model opened(ir::Model&& graph) { return opened(graph); }

// The formula of make_prepare_goldens.py.
void set_batch(Model& model, const std::string& entry, int64_t step, int64_t classes = 10) {
  const auto x = model.input<float>("image", entry);
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>((static_cast<int64_t>(i) * 37 + step * 11) % 101) / 101;
  if (entry == "main") return;
  const auto t = model.input<int64_t>("target", entry);
  for (size_t n = 0; n < t.size(); ++n) t[n] = (static_cast<int64_t>(n) * 3 + step) % classes;
}
double run(Model& model, const std::string& entry, int64_t step, int64_t classes = 10) {
  set_batch(model, entry, step, classes);
  model.run(entry);
  return static_cast<double>(model.output<float>("loss", entry)[0]);
}
std::vector<float> probabilities(Model& model, int64_t step) {
  set_batch(model, "main", step);
  model.run("main");
  const auto p = model.output<float>("probabilities");
  return {p.begin(), p.end()};
}
float worst(const std::vector<float>& a, const std::vector<float>& b) {
  EXPECT_EQ(a.size(), b.size());
  float most = 0;
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) most = std::max(most, std::fabs(a[i] - b[i]));
  return most;
}
template <class Op>
int count(const ir::Model& model) {
  int n = 0;
  for (const auto& e : model.entries)
    for (const auto& node : e->body.nodes) n += node->is<Op>() ? 1 : 0;
  return n;
}
/// The graph with the numbers of a training.
ir::Model trained(ir::Model& graph, Model& model) {
  ir::Model with_state = read_gf(emit(graph));
  take_state(with_state, *model.state());
  return with_state;
}

template <class F>
void expect_refused(F f, Error code, const std::string& part) {
  try {
    f();
    ADD_FAILURE() << "not refused: " << part;
  } catch (const Exception& e) {
    EXPECT_EQ(e.code(), code) << e.what();
    EXPECT_NE(std::string(e.what()).find(part), std::string::npos) << e.what();
  }
}

// --- int8

// The formula of make_tuning_goldens.py.
std::vector<float> formula(int64_t rows, int64_t cols, double scale, int64_t shift) {
  std::vector<float> v;
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < cols; ++c) v.push_back(static_cast<float>((static_cast<double>((r * 29 + c * 17 + r * c * 5 + shift) % 47) - 20.5) * scale));
  return v;
}

TEST(FakeQuantize, LayerLikePyTorch) {
  const Tensor x = Tensor::zeros({5, 6}), t = Tensor::zeros({5, 3}), w = Tensor::from(formula(3, 6, 0.0313, 3), {3, 6});
  ir::Model graph = trace({{"x", x}, {"t", t}}, {{"loss", nn::mse_loss(nn::linear(x, w), t)}}, {{"w", w}});
  ir::Entry& entry = *graph.entries[0];
  const FakeQuantized q = fake_quantize(graph, entry, {.weights = {}, .averaging = 0.25}, true);
  EXPECT_EQ(q.layers, 1);
  ir::ValueId weight = ir::kNoValue;
  for (size_t v = 0; v < entry.value_count(); ++v)
    if (entry.value(static_cast<ir::ValueId>(v)).name == "w") weight = static_cast<ir::ValueId>(v);
  const ir::ValueId wrt[] = {entry.body.inputs[0], weight};
  AutodiffOptions how;
  how.detours = q.detours;
  const auto gradients = backward(entry, entry.body.outputs[0], wrt, how);
  for (size_t i = 0; i < 2; ++i) {
    entry.body.outputs.push_back(gradients[i]);
    entry.value(gradients[i]).name = i == 0 ? "dx" : "dw";
  }
  PassOptions exact = passes();
  exact.exact = true;
  run_passes(graph, exact);
  Model model = opened(graph);
  const json& steps = goldens()["fake_quantised_layer"];
  int clipped = 0;
  for (size_t s = 0; s < steps.size(); ++s) {
    SCOPED_TRACE(s);
    const auto step = static_cast<int64_t>(s);
    const std::vector<float> in = formula(5, 6, step % 2 == 0 ? 0.11 : 0.173, step * 7), want = formula(5, 3, 0.05, step);
    std::copy(in.begin(), in.end(), model.input<float>("x").begin());
    std::copy(want.begin(), want.end(), model.input<float>("t").begin());
    model.run();
    EXPECT_NEAR(static_cast<double>(model.output<float>("loss")[0]), steps[s]["loss"].get<double>(), 2e-6);
    float low = 0, high = 0;
    ASSERT_EQ(model.state()->read("w.input_low", &low, sizeof low), Error::Ok);
    ASSERT_EQ(model.state()->read("w.input_high", &high, sizeof high), Error::Ok);
    EXPECT_NEAR(static_cast<double>(low), steps[s]["low"].get<double>(), 1e-6);
    EXPECT_NEAR(static_cast<double>(high), steps[s]["high"].get<double>(), 1e-6);
    const auto dx = model.output<float>("dx"), dw = model.output<float>("dw");
    for (size_t i = 0; i < dx.size(); ++i) {
      EXPECT_NEAR(static_cast<double>(dx[i]), steps[s]["dx"][i].get<double>(), 1e-6) << "dx " << i;
      clipped += dx[i] == 0 ? 1 : 0;
    }
    std::vector<float> weights(18);
    ASSERT_EQ(model.state()->read("w", weights.data(), 72), Error::Ok);
    for (size_t i = 0; i < dw.size(); ++i) {
      EXPECT_NEAR(static_cast<double>(dw[i]), steps[s]["dw"][i].get<double>(), 2e-6) << "dw " << i;
      weights[i] -= 0.1F * dw[i];
    }
    ASSERT_EQ(model.state()->write("w", weights.data(), 72), Error::Ok);
  }
  EXPECT_GT(clipped, 0);  // values outside the range were met
}

TEST(FakeQuantize, DigitsTrainAndTheFileSaysTheSame) {
  PrepareOptions o = with("adamw,lr=1e-3");
  o.quantize.emplace();
  ir::Model graph = digits();
  const PrepareReport report = prepare_training(graph, o);
  EXPECT_NE(report.notes.back().find("3 layers compute as int8"), std::string::npos) << report.notes.back();
  Model model = opened(graph);
  const double first = run(model, "train_step", 0);
  for (int64_t step = 1; step < 30; ++step) (void)run(model, "train_step", step % 4);
  EXPECT_LT(run(model, "evaluate", 0), 0.5 * first);
  const std::vector<float> want = probabilities(model, 0);
  // bit for bit with nothing folded, near with all passes
  ir::Model plain = trained(graph, model), fast = trained(graph, model);
  make_inference_model(plain, {.entries = {}, .last_weights = false, .int8_weights = true, .passes = passes(0)});
  make_inference_model(fast, {.entries = {}, .last_weights = false, .int8_weights = true, .passes = passes()});
  ASSERT_EQ(fast.entries.size(), 1U);
  EXPECT_TRUE(fast.states.empty());
  EXPECT_EQ(count<op::QuantizeLinear>(fast), 3);    // what goes into each layer
  EXPECT_EQ(count<op::DequantizeLinear>(fast), 0);
  EXPECT_EQ(count<op::ConvInteger>(fast), 2);
  EXPECT_EQ(count<op::MatMulInteger>(fast), 1);
  ir::Model widened = trained(graph, model);        // as ONNX says it: weights are int8 in the file
  make_inference_model(widened, {.entries = {}, .last_weights = false, .int8_weights = true, .integer_products = false, .passes = passes()});
  EXPECT_EQ(count<op::QuantizeLinear>(widened), 3);
  EXPECT_EQ(count<op::DequantizeLinear>(widened), 6);
  ir::Model wide = trained(graph, model);
  make_inference_model(wide, {.entries = {}, .last_weights = false, .int8_weights = false, .passes = passes()});
  EXPECT_EQ(count<op::DequantizeLinear>(wide), 3);
  EXPECT_LT(4 * emit(fast).size(), 5 * (emit(wide).size() / 2));
  Model floats = opened(wide);
  EXPECT_LT(worst(probabilities(floats, 0), want), 1e-5F);
  Model a = opened(plain), b = opened(fast);
  EXPECT_EQ(probabilities(a, 0), want);
  EXPECT_LT(worst(probabilities(b, 0), want), 1e-5F);
  Model w = opened(widened);
  EXPECT_LT(worst(probabilities(w, 0), want), 1e-5F);
  // and as ONNX with QuantizeLinear
  TempFolder folder;
  const std::vector<std::byte> onnx = export_onnx(widened, {});
  folder.write("q.onnx", std::string(reinterpret_cast<const char*>(onnx.data()), onnx.size()));
  ir::Model again = import(folder.path("q.onnx").string(), {});
  EXPECT_EQ(count<op::QuantizeLinear>(again), 3);
  Model c = opened(again);
  EXPECT_LT(worst(probabilities(c, 0), want), 1e-5F);
}

TEST(FakeQuantize, OfModulesOverOneState) {
  nn::manual_seed(3);
  models::Mlp net({.sizes = {8, 16, 4}});
  TrainingModelOptions o;
  o.shape = {8};
  o.batch = 5;
  o.evaluate_batch = 5;
  o.main_batch = 2;
  o.loss = "cross_entropy";
  o.optimizer = optim::by_name("sgd,lr=0.1");
  o.quantize.emplace();
  o.passes = passes();
  ir::Model graph = training_model(net, o);
  int ranges = 0;
  for (const ir::StateVar& s : graph.states) ranges += s.name.ends_with(".input_low") ? 1 : 0;
  EXPECT_EQ(ranges, 2);
  Model model = opened(graph);
  EXPECT_EQ(model.input<float>("x", "main").size(), 16U);
  double first = 0, last = 0;
  for (int step = 0; step < 60; ++step) {
    const auto x = model.input<float>("x", "train_step");
    for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>((static_cast<int>(i) * 37) % 19) / 10 - 1;
    const auto t = model.input<int64_t>("target", "train_step");
    for (size_t n = 0; n < t.size(); ++n) t[n] = static_cast<int64_t>(n) % 4;
    model.run("train_step");
    last = static_cast<double>(model.output<float>("loss", "train_step")[0]);
    if (step == 0) first = last;
  }
  EXPECT_LT(last, 0.5 * first);
  expect_refused([&] { o.quantize->weights = {"*head*"}; (void)training_model(net, o); }, Error::InvalidArgument, "no layer matches *head*; weights of layers: ");
  expect_refused([&] { o.quantize = FakeQuantizeOptions{.weights = {}, .averaging = 0}; (void)training_model(net, o); }, Error::InvalidArgument, "averaging is above 0");
}

// --- distillation

TEST(Distillation, LossLikePyTorch) {
  for (const json& c : goldens()["distillation"]) {
    const auto rows = c["rows"].get<int64_t>(), cols = c["cols"].get<int64_t>();
    Tensor s = Tensor::from(formula(rows, cols, 0.21, 1), {rows, cols});
    const Tensor t = Tensor::from(formula(rows, cols, 0.33, 9), {rows, cols});
    std::vector<int64_t> target;
    for (int64_t r = 0; r < rows; ++r) target.push_back((r * 3 + 1) % cols);
    s.set_requires_grad();
    const Tensor loss = nn::distillation_loss(s, t, Tensor::from(target, {rows}), c["temperature"].get<double>(), c["alpha"].get<double>());
    loss.backward();
    EXPECT_NEAR(loss.item(), c["loss"].get<double>(), 1e-5 * std::max(1.0, c["loss"].get<double>()));
    const std::vector<float> gradient = s.grad().to_vector<float>();
    for (size_t i = 0; i < gradient.size(); ++i) EXPECT_NEAR(static_cast<double>(gradient[i]), c["gradient"][i].get<double>(), 2e-6) << i;
  }
  const Tensor s = Tensor::zeros({2, 3}), target = Tensor::zeros({2}, DType::I64);
  expect_refused([&] { (void)nn::distillation_loss(s, Tensor::zeros({2, 4}), target); }, Error::ShapeMismatch, "the student scores [2, 3], the teacher [2, 4]");
  expect_refused([&] { (void)nn::distillation_loss(s, s, target, 0); }, Error::InvalidArgument, "temperature");
  expect_refused([&] { (void)nn::distillation_loss(s, s, target, 1, 2); }, Error::InvalidArgument, "alpha");
}

void halve_last_layer(ir::Model& model) {
  for (size_t v = 0; v < model.entries[0]->value_count(); ++v) {
    ir::Value& x = model.entries[0]->value(static_cast<ir::ValueId>(v));
    if (x.name != "net.fc.weight") continue;
    std::vector<float> w = ir::constant_floats(*x.constant).value();
    for (float& f : w) f *= 0.5F;
    x.constant = ir::make_floats(w, x.constant->dims);
  }
}

TEST(Distillation, DigitsLearnLikePyTorch) {
  const ir::Model teacher = digits();
  ir::Model student = digits();
  halve_last_layer(student);
  PrepareOptions o = with("sgd,lr=0.02");
  o.teacher = Teacher{.model = &teacher, .entry = "main", .output = {}, .temperature = 3, .alpha = 0.25};
  const PrepareReport report = prepare_training(student, o);
  EXPECT_EQ(report.trained, 12 * 9 + 24 + 24 * 12 * 9 + 48 + 11760 + 10);  // not the teacher's
  Model model = opened(student);
  const json& want = goldens()["digits_with_teacher"];
  for (size_t s = 0; s < want.size(); ++s) EXPECT_NEAR(run(model, "train_step", static_cast<int64_t>(s)), want[s].get<double>(), 2e-5 * std::max(1.0, want[s].get<double>())) << s;
}

TEST(Distillation, ModulesAndErrors) {
  ir::Model teacher = digits();
  nn::manual_seed(1);
  models::Mlp net({.sizes = {784, 12, 10}});
  TrainingModelOptions o;
  o.input = "image";
  o.shape = {1, 28, 28};
  o.batch = 6;
  o.loss = "cross_entropy";
  o.optimizer = optim::by_name("adam,lr=0.01");
  o.teacher = Teacher{.model = &teacher, .entry = "main", .output = {}, .temperature = 2, .alpha = 0};
  o.passes = passes();
  Model model = opened(training_model(net, o));
  const double first = run(model, "train_step", 0);
  for (int64_t step = 0; step < 40; ++step) (void)run(model, "train_step", step % 3);
  const double last = run(model, "train_step", 0);
  EXPECT_LT(last, 0.2 * first);  // only the teacher's scores count: the labels of the formula are noise
  EXPECT_LT(last, 0.5);

  const auto prepare = [&](const std::function<void(PrepareOptions&)>& change) {
    ir::Model student = digits();
    PrepareOptions p = with("sgd");
    p.teacher = Teacher{.model = &teacher, .entry = "main", .output = {}, .temperature = 2, .alpha = 0.5};
    change(p);
    (void)prepare_training(student, p);
  };
  expect_refused([&] { prepare([](auto& p) { p.teacher->entry = "decode"; }); }, Error::NotFound, "the teacher has no entry 'decode'");
  expect_refused([&] { prepare([](auto& p) { p.teacher->output = "scores"; }); }, Error::NotFound, "the teacher has no output 'scores'");
  expect_refused([&] { prepare([](auto& p) { p.loss = "mse"; }); }, Error::InvalidArgument, "not with mse");
  expect_refused([&] { prepare([](auto& p) { p.head.outputs = 4; }); }, Error::ShapeMismatch, "the teacher's scores float32 [6, 10]");
}

// --- heads

TEST(Head, DigitsForFiveClasses) {
  ir::Model graph = digits();
  PrepareOptions o = with("adam,lr=1e-3");
  o.head = {.outputs = 5, .weight = {}, .seed = 3};
  o.trainable = {"net.fc.*"};
  const PrepareReport report = prepare_training(graph, o);
  EXPECT_NE(report.notes[0].find("has 5 outputs instead of 10 (net.fc.weight, net.fc.bias)"), std::string::npos) << report.notes[0];
  EXPECT_EQ(report.trained, 5 * 1176 + 5);
  Model model = opened(graph);
  EXPECT_EQ(model.output_view("probabilities").shape[1], 5);
  std::vector<float> w(5 * 1176);
  ASSERT_EQ(model.state()->read("net.fc.weight", w.data(), w.size() * sizeof(float)), Error::Ok);
  float most = 0;
  double sum = 0;
  for (const float f : w) most = std::max(most, std::fabs(f)), sum += static_cast<double>(f);
  EXPECT_LE(static_cast<double>(most), 1 / std::sqrt(1176.0));
  EXPECT_GT(static_cast<double>(most), 0.99 / std::sqrt(1176.0));
  EXPECT_LT(std::fabs(sum), 3 * std::sqrt(5 * 1176.0 / 3) / std::sqrt(1176.0));
  const double first = run(model, "evaluate", 0, 5);
  EXPECT_NEAR(first, std::log(5.0), 0.6);
  for (int64_t step = 0; step < 30; ++step) (void)run(model, "train_step", step % 3, 5);
  EXPECT_LT(run(model, "evaluate", 0, 5), 0.7 * first);
}

TEST(Head, Errors) {
  const auto head = [](int64_t outputs, const std::string& weight) {
    ir::Model graph = digits();
    (void)replace_head(*graph.entries[0], 0, {.outputs = outputs, .weight = weight, .seed = 0});
  };
  expect_refused([&] { head(0, ""); }, Error::InvalidArgument, "1 or more outputs, not 0");
  expect_refused([&] { head(3, "net.head"); }, Error::NotFound, "has the weight 'net.head'; layers: ");
  expect_refused([&] { head(3, "net.conv2.weight"); }, Error::Unsupported, "BatchNorm");
}

// SqueezeNet's last layer is a convolution whose scores are averaged, in float16.
TEST(Head, SqueezeNet) {
  GF_SKIP_WITHOUT_DATA("models/squeezenet");
  const std::string path = data_path("models/squeezenet/SqueezeNet_fp16.onnx").string();
  constexpr int64_t kFeatures = 1235496 - 513000;  // SqueezeNet 1.1 has 1,235,496 numbers, of which its layer of 1,000 classes 513,000
  const ir::Model probe = import(path, {});
  const std::string input = probe.entries[0]->value(probe.entries[0]->body.inputs[0]).name;
  for (const std::string how : {"last", "all", "quantised"}) {
    if (how != "last" && test_tier() < 1) continue;  // in ./tests/run.sh --all
    SCOPED_TRACE(how);
    ir::Model graph = import_resized(path, {.entry = "main", .batch = {1, 4}, .example = {3, 64, 64}});
    PrepareOptions o = with("sgd,lr=0.01,momentum=0.9");
    o.head = {.outputs = 3, .weight = {}, .seed = 1};
    if (how == "last") o.last = 1;
    if (how == "quantised") o.quantize.emplace();
    const PrepareReport report = prepare_training(graph, o);
    EXPECT_NE(listed(report.notes).find("softmax is part of cross_entropy"), std::string::npos) << listed(report.notes);
    const bool head_alone = o.last == 1;
    EXPECT_EQ(report.trained, head_alone ? 3 * 512 + 3 : 3 * 512 + 3 + kFeatures);
    Model model = opened(graph);
    const auto step = [&] {
      const int64_t pictures[] = {4, 3, 64, 64};
      model.set_shape(input, pictures, "train_step");
      const int64_t classes[] = {4, 1, 1};
      model.set_shape("target", classes, "train_step");
      const auto x = model.input<float>(input, "train_step");
      for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>((i * 7919 + i / 4096 * 31) % 257) / 128 - 1;
      const auto t = model.input<int64_t>("target", "train_step");
      for (size_t n = 0; n < 4; ++n) t[n] = static_cast<int64_t>(n % 3);
      model.run("train_step");
      return static_cast<double>(model.output<float>("loss", "train_step")[0]);
    };
    const double first = step();
    for (int i = 0; i < 6; ++i) (void)step();
    EXPECT_LT(step(), first);
  }
}

// --- an encoder that was exported elsewhere

ir::Model encoder(TempFolder& folder) {
  nn::manual_seed(5);
  models::BertClassifier net({.words = 40, .positions = 12, .depth = 2, .heads = 2, .dim = 16, .hidden = 32, .dropout = 0}, 7);
  net.eval();
  const Tensor words = Tensor::zeros({4, 6}, DType::I64);
  ir::Model traced = trace_call({{"words", words}}, net.full_state(), [&] { return NamedTensors{{"scores", net(words)}}; }, {.name = "main", .frozen = true});
  const std::vector<std::byte> onnx = export_onnx(traced, {});
  folder.write("encoder.onnx", std::string(reinterpret_cast<const char*>(onnx.data()), onnx.size()));
  return import(folder.path("encoder.onnx").string(), {});
}
double learn_words(Model& model, int steps) {
  double loss = 0;
  for (int s = 0; s < steps; ++s) {
    const auto x = model.input<int64_t>("words", "train_step");
    for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<int64_t>(1 + (i * i * 7 + i * 3) % 38);
    const auto t = model.input<int64_t>("target", "train_step");
    for (size_t n = 0; n < t.size(); ++n) t[n] = static_cast<int64_t>(n % 3);
    model.run("train_step");
    loss = static_cast<double>(model.output<float>("loss", "train_step")[0]);
  }
  return loss;
}

TEST(Tuning, EncoderWithHeadAndLora) {
  TempFolder folder;
  for (const bool lora : {false, true}) {
    SCOPED_TRACE(lora);
    ir::Model graph = encoder(folder);
    PrepareOptions o = with("adam,lr=0.02");
    o.head = {.outputs = 3, .weight = {}, .seed = 1};
    if (lora) {
      o.lora.weights = {"*query*", "*value*"};
      o.lora.rank = 2;
    }
    o.trainable = {"*classifier*"};
    const PrepareReport report = prepare_training(graph, o);
    EXPECT_EQ(report.trained, 3 * 16 + 3 + (lora ? 2 * 2 * 2 * (16 + 16) : 0));
    Model model = opened(graph);
    const double first = learn_words(model, 1);
    EXPECT_LT(learn_words(model, 60), (lora ? 0.3 : 0.8) * first);  // features of random weights tell little
    // for inference: products of LoRA are in the weights
    std::copy_n(model.input<int64_t>("words", "train_step").begin(), 24, model.input<int64_t>("words").begin());
    model.run();
    const auto scores = model.output<float>("scores");
    const std::vector<float> want(scores.begin(), scores.end());
    ir::Model small = trained(graph, model);
    const int products = count<op::MatMul>(small) / 3;
    make_inference_model(small, {.entries = {}, .last_weights = false, .int8_weights = true, .passes = passes()});
    EXPECT_LE(count<op::MatMul>(small) + (lora ? 8 : 0), products);
    Model used = opened(small);
    std::copy_n(model.input<int64_t>("words", "train_step").begin(), 24, used.input<int64_t>("words").begin());
    used.run();
    const auto have = used.output<float>("scores");
    EXPECT_LT(worst({have.begin(), have.end()}, want), 2e-5F);
  }
}

// --- inference

TEST(InferenceModel, BatchNormsAreFolded) {
  PrepareOptions o = with("adam,lr=1e-3");
  o.step.averages = optim::AverageSettings{.decay = 0.5};
  ir::Model graph = digits();
  (void)prepare_training(graph, o);
  Model model = opened(graph);
  for (int64_t step = 0; step < 5; ++step) (void)run(model, "train_step", step);
  const std::vector<float> want = probabilities(model, 7);
  ir::Model fast = trained(graph, model), exact = trained(graph, model), last = trained(graph, model);
  EXPECT_GT(count<op::BatchNorm>(fast), 0);
  make_inference_model(fast, {.entries = {}, .last_weights = false, .int8_weights = true, .passes = passes()});
  EXPECT_EQ(count<op::BatchNorm>(fast), 0);
  EXPECT_EQ(fast.entries.size(), 1U);
  EXPECT_TRUE(fast.states.empty());
  make_inference_model(exact, {.entries = {}, .last_weights = false, .int8_weights = true, .passes = passes(0)});
  make_inference_model(last, {.entries = {}, .last_weights = true, .int8_weights = true, .passes = passes()});
  Model a = opened(fast), b = opened(exact), c = opened(last);
  EXPECT_LT(worst(probabilities(a, 7), want), 1e-5F);
  EXPECT_EQ(probabilities(b, 7), want);
  for (const std::string& name : weight_names(exact)) EXPECT_FALSE(name.ends_with(".average")) << name;
  // the weights of the last step, put where the averages were
  for (const auto& s : graph.states) {
    if (!s.name.ends_with(".average")) continue;
    std::vector<std::byte> bytes(static_cast<size_t>(s.initial != nullptr ? s.initial->dense_bytes() : 0));
    uint64_t size = sizeof(float);
    for (const int64_t d : s.dims) size *= static_cast<uint64_t>(d);
    bytes.resize(size);
    ASSERT_EQ(model.state()->read(s.name.substr(0, s.name.size() - 8), bytes.data(), bytes.size()), Error::Ok);
    ASSERT_EQ(model.state()->write(s.name, bytes.data(), bytes.size()), Error::Ok);
  }
  const std::vector<float> with_last = probabilities(model, 7);
  EXPECT_LT(worst(probabilities(c, 7), with_last), 1e-5F);
  EXPECT_GT(worst(with_last, want), 1e-6F);

  ir::Model wrong = trained(graph, model);
  expect_refused([&] { make_inference_model(wrong, {.entries = {"decode"}, .last_weights = false, .int8_weights = true, .passes = passes()}); }, Error::NotFound, "no entry 'decode'; there are: main, train_step, evaluate");
  ir::Model none = digits();
  expect_refused([&] { make_inference_model(none, {.entries = {}, .last_weights = true, .int8_weights = true, .passes = passes()}); }, Error::WrongPhase, "kept no averages");
}

// --- first values

TEST(StartWeights, FromArraysOfOtherWidths) {
  std::vector<io::NamedArray> arrays;
  {
    const ir::Model from = digits();
    const ir::Entry& e = *from.entries[0];
    for (const std::string& name : weight_names(from))
      for (size_t v = 0; v < e.value_count(); ++v)
        if (const ir::Value& x = e.value(static_cast<ir::ValueId>(v)); x.name == name && x.is_constant()) arrays.push_back({name, io::Array::from_bytes(x.dtype, x.constant->dims, x.constant->dense())});
  }
  ir::Model plain = digits(), half = digits();
  halve_last_layer(half);
  const auto prepared = [&](ir::Model graph, const std::vector<io::NamedArray>& weights, bool partial, std::vector<std::string>* notes = nullptr, int64_t head = 0) {
    PrepareOptions o = with("sgd,lr=0.01");
    o.weights = StartWeights{weights, "w.npz", partial};
    o.head.outputs = head;
    PrepareReport r = prepare_training(graph, o);
    if (notes != nullptr) *notes = r.notes;
    return opened(graph);
  };
  ir::Model reference = digits();
  (void)prepare_training(reference, with("sgd,lr=0.01"));
  Model want = opened(reference), have = prepared(std::move(half), arrays, false);
  EXPECT_EQ(run(have, "evaluate", 2), run(want, "evaluate", 2));
  // float64 narrows to the same numbers
  std::vector<io::NamedArray> wide;
  for (const auto& [name, a] : arrays) wide.push_back({name, io::Array::from(a.as<double>(), a.shape)});
  Model narrowed = prepared(digits(), wide, false);
  EXPECT_EQ(run(narrowed, "evaluate", 2), run(want, "evaluate", 2));

  std::vector<io::NamedArray> fewer = arrays;
  std::erase_if(fewer, [](const auto& a) { return a.name == "net.fc.bias"; });
  fewer.push_back({"other", io::Array::zeros(DType::F32, {3})});
  expect_refused([&] { (void)prepared(digits(), fewer, false); }, Error::NotFound, "w.npz does not fit");
  expect_refused([&] { (void)prepared(digits(), fewer, false); }, Error::NotFound, "net.fc.bias");
  std::vector<std::string> notes;
  (void)prepared(digits(), fewer, true, &notes);
  EXPECT_EQ(notes[0], "w.npz lacks net.fc.bias: as they were");
  EXPECT_EQ(notes[1], "the model lacks other of w.npz");
  std::vector<io::NamedArray> bent = arrays;
  for (auto& [name, a] : bent)
    if (name == "net.fc.weight") a = io::Array::zeros(DType::F32, {1176, 10});
  expect_refused([&] { (void)prepared(digits(), bent, true); }, Error::ShapeMismatch, "net.fc.weight");
  // a new head begins anew, the rest is taken
  (void)prepared(digits(), arrays, false, &notes, 4);
}

}  // namespace
}  // namespace gf::test
