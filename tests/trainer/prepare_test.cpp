// A model that was imported for inference, made ready to train: its losses are PyTorch's, what was to stay stays, and the errors say what to do.
#include "trainer/step/prepare.h"

#include <cmath>

#include "facade/convert.h"
#include "graph/ir/builder.h"
#include "schema/ops/identity.h"
#include "tests/trainer/golden_json.h"
#include "trainer/optim/by_name.h"
#include "trainer/optim/optimizers.h"

namespace gf::test {
namespace {

using nlohmann::json;

const json& goldens() {
  static const json all = golden_file("prepare.json");
  return all;
}

ir::Model digits(std::pair<int64_t, int64_t> batch) {
  OnnxFile file{std::string(kSourceDir) + "/examples/digits/digits.onnx", {}};
  file.import.dims["N"] = batch;
  ConvertOptions options;
  options.optimize = 0;
  return convert_files({file}, options);
}
PrepareOptions with(const std::string& optimizer) {
  PrepareOptions o;
  o.loss = "cross_entropy";
  o.optimizer = optim::by_name(optimizer);
  o.passes.evaluator = make_evaluator(default_tables(false));
  return o;
}

struct Prepared {
  PrepareReport report;
  Model model;
};
Prepared prepare(const PrepareOptions& options, std::pair<int64_t, int64_t> batch = {6, 6}) {
  ir::Model graph = digits(batch);
  PrepareReport report = prepare_training(graph, options);
  ModelOptions how;
  how.threads = 1;
  return {std::move(report), Model::from_bytes(emit(graph), how)};
}

// The formula of make_prepare_goldens.py.
void set_batch(Model& model, const std::string& entry, int64_t step, int64_t batch = 6) {
  const int64_t images[] = {batch, 1, 28, 28};
  model.set_shape("image", images, entry);
  const auto x = model.input<float>("image", entry);
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>((static_cast<int64_t>(i) * 37 + step * 11) % 101) / 101;
  if (entry == "main") return;
  model.set_shape("target", {images, 1}, entry);
  const auto t = model.input<int64_t>("target", entry);
  for (size_t n = 0; n < t.size(); ++n) t[n] = (static_cast<int64_t>(n) * 3 + step) % 10;
}
double run(Model& model, const std::string& entry, int64_t step, int64_t batch = 6) {
  set_batch(model, entry, step, batch);
  model.run(entry);
  return static_cast<double>(model.output<float>("loss", entry)[0]);
}

void expect_like_torch(Model& model, const char* name) {
  const json& want = goldens()["cases"][name];
  const auto near = [](double have, const json& value, const std::string& what) { EXPECT_NEAR(have, value.get<double>(), 2e-5 * std::max(1.0, value.get<double>())) << what; };
  const auto steps = goldens()["steps"].get<int64_t>();
  for (int64_t step = 0; step < steps; ++step) near(run(model, "train_step", step), want["losses"][static_cast<size_t>(step)], "step " + std::to_string(step));
  near(run(model, "evaluate", steps), want["evaluate_loss"], "evaluate");
  near(static_cast<double>(model.output<float>("accuracy", "evaluate")[0]), want["accuracy"], "accuracy");
  set_batch(model, "main", steps);
  model.run("main");
  for (size_t c = 0; c < 10; ++c) near(static_cast<double>(model.output<float>("probabilities")[c]), want["probabilities"][c], "main, class " + std::to_string(c));
}

// As in files whose writers name their outputs by a copy.
TEST(Prepare, FindsTheSoftmaxBehindACopy) {
  ir::Model graph = digits({6, 6});
  ir::Entry& entry = *graph.entries[0];
  ir::Builder b(entry, entry.body);
  const ir::ValueId copy = b.add<op::Identity>({entry.body.outputs[0]});
  entry.value(copy).name = "answers";
  entry.body.outputs[0] = copy;
  const PrepareReport report = prepare_training(graph, with("sgd"));
  ASSERT_EQ(report.notes.size(), 1U);
  EXPECT_NE(report.notes[0].find("'answers': softmax is part of cross_entropy"), std::string::npos) << report.notes[0];
}

TEST(Prepare, TrainsLikePyTorch) {
  Prepared p = prepare(with("adamw,lr=1e-3"));
  ASSERT_EQ(p.report.notes.size(), 1U);
  EXPECT_NE(p.report.notes[0].find("softmax is part of cross_entropy"), std::string::npos) << p.report.notes[0];
  EXPECT_EQ(p.report.trained, 12 * 9 + 24 + 24 * 12 * 9 + 48 + 11760 + 10);
  EXPECT_EQ(p.report.frozen, 0);
  expect_like_torch(p.model, "adamw");
}

TEST(Prepare, LastLayer) {
  PrepareOptions o = with("sgd,lr=0.05,momentum=0.9");
  o.last = 1;
  Prepared p = prepare(o);
  EXPECT_EQ(p.report.trained, 11770);
  expect_like_torch(p.model, "last");
}

TEST(Prepare, BiasesAlone) {
  PrepareOptions o = with("adam,lr=0.01");
  o.biases_only = true;
  Prepared p = prepare(o);
  EXPECT_EQ(p.report.trained, 10);  // those of batch normalisation are no biases of a product
  expect_like_torch(p.model, "biases");
}

void write_formula(Model& model, const std::string& name, int64_t rows, int64_t cols) {
  std::vector<float> values;
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < cols; ++c) values.push_back(static_cast<float>((r * 7 + c * 5) % 13 - 6) / 256);
  ASSERT_EQ(model.state()->write(name, values.data(), values.size() * sizeof(float)), Error::Ok) << name;
}

TEST(Prepare, Lora) {
  PrepareOptions o = with("sgd,lr=0.05");
  o.lora.weights = {"*fc*"};
  o.lora.rank = 3;
  Prepared p = prepare(o);
  EXPECT_EQ(p.report.trained, 3 * (1176 + 10));
  const double before = run(p.model, "evaluate", 0);
  {
    PrepareOptions plain = with("sgd");
    Prepared q = prepare(plain);
    EXPECT_EQ(run(q.model, "evaluate", 0), before);  // B is zero at first
  }
  write_formula(p.model, "net.fc.weight.lora_a", 1176, 3);
  write_formula(p.model, "net.fc.weight.lora_b", 3, 10);
  expect_like_torch(p.model, "lora");
}

// A batch that varies is one program, and gives what programs of fixed sizes give.
TEST(Prepare, BatchesThatVary) {
  Prepared any = prepare(with("sgd,lr=0.01"), {1, 8});
  for (const int64_t batch : {8, 3, 1}) {
    SCOPED_TRACE(batch);
    any.model.state()->reset();
    Prepared fixed = prepare(with("sgd,lr=0.01"), {batch, batch});
    for (int64_t step = 0; step < 3; ++step) {
      const double want = run(fixed.model, "train_step", step, batch);
      EXPECT_NEAR(run(any.model, "train_step", step, batch), want, 1e-6 * std::max(1.0, want));
    }
  }
}

TEST(Prepare, MemoryBudgetAndActivationsInBfloat16) {
  Prepared plain = prepare(with("sgd"), {32, 32});
  const MemoryNeeds before = plain.model.needs("train_step");
  const double exact = run(plain.model, "evaluate", 0, 32);
  PrepareOptions o = with("sgd");
  o.memory = (before.activation_bytes + before.scratch_bytes) * 9 / 10;
  Prepared tight = prepare(o, {32, 32});
  const MemoryNeeds after = tight.model.needs("train_step");
  EXPECT_LE(after.activation_bytes + after.scratch_bytes, *o.memory);
  ASSERT_TRUE(tight.report.fit.has_value());
  EXPECT_EQ(tight.report.fit->bytes, after.activation_bytes + after.scratch_bytes);
  for (int64_t step = 0; step < 2; ++step) EXPECT_EQ(run(tight.model, "train_step", step, 32), run(plain.model, "train_step", step, 32));
  PrepareOptions narrow = with("sgd");
  narrow.passes.kept = DType::BF16;
  Prepared half = prepare(narrow, {32, 32});
  EXPECT_LE(half.model.needs("train_step").activation_bytes, before.activation_bytes);
  EXPECT_NEAR(run(half.model, "train_step", 0, 32), exact, 0.01 * exact);  // rounded, and near
}

// --- errors

void expect_refused(const std::function<void(PrepareOptions&)>& change, Error code, const std::string& part) {
  PrepareOptions o = with("sgd");
  change(o);
  try {
    (void)prepare(o);
    ADD_FAILURE() << "not refused: " << part;
  } catch (const Exception& e) {
    EXPECT_EQ(e.code(), code) << e.what();
    EXPECT_NE(std::string(e.what()).find(part), std::string::npos) << e.what();
  }
}

TEST(Prepare, Errors) {
  expect_refused([](auto& o) { o.loss = "mean"; }, Error::InvalidArgument, "there is no loss 'mean'; there are: cross_entropy");
  expect_refused([](auto& o) { o.optimizer = nullptr; }, Error::InvalidArgument, "no optimizer");
  expect_refused([](auto& o) { o.entry = "decode"; }, Error::NotFound, "no entry 'decode'");
  expect_refused([](auto& o) { o.output = "scores"; }, Error::NotFound, "no output 'scores'; there are: probabilities");
  expect_refused([](auto& o) { o.trainable = {"*head*"}; }, Error::InvalidArgument, "no weight matches '*head*'; weights: net.conv1.weight");
  expect_refused([](auto& o) { o.trainable = {"net.conv*"}, o.biases_only = true; }, Error::InvalidArgument, "nothing is left to train");
  expect_refused([](auto& o) { o.lora.weights = {"*conv1*"}; }, Error::InvalidArgument, "no matrix matches");
  expect_refused([](auto& o) { o.lora.weights = {"*fc*"}, o.lora.rank = 0; }, Error::InvalidArgument, "rank of LoRA");
  expect_refused([](auto& o) { o.memory = 1000; }, Error::LimitExceeded, "the budget is 1000");
  expect_refused([](auto& o) { o.step.accumulate_entry = "main"; }, Error::InvalidArgument, "entry 'main' already");
}

TEST(OptimizerByName, SettingsAndErrors) {
  const auto sgd = std::dynamic_pointer_cast<optim::SGD>(optim::by_name("sgd,lr=0.5,momentum=0.9,nesterov=true"));
  ASSERT_NE(sgd, nullptr);
  EXPECT_EQ(sgd->settings().lr, 0.5);
  EXPECT_TRUE(sgd->settings().nesterov);
  const auto adam = std::dynamic_pointer_cast<optim::Adam>(optim::by_name("adamw,betas=0.8:0.95,eps=1e-6"));
  ASSERT_NE(adam, nullptr);
  EXPECT_EQ(adam->settings().betas[1], 0.95);
  EXPECT_EQ(adam->settings().weight_decay, 1e-2);
  for (const std::string& name : optim::optimizer_names()) EXPECT_NE(optim::by_name(name), nullptr) << name;
  const auto refused = [](const char* text, const char* part) {
    try {
      (void)optim::by_name(text);
      ADD_FAILURE() << text;
    } catch (const Exception& e) {
      EXPECT_NE(std::string(e.what()).find(part), std::string::npos) << e.what();
    }
  };
  refused("", "there is no optimizer ''; there are: sgd, adam");
  refused("adam,momentum=0.9", "there is no setting 'momentum'; there are: amsgrad, betas");
  refused("sgd,lr=fast", "lr is a number, not 'fast'");
  refused("sgd,lr=1,lr=2", "given twice");
  refused("sgd,lr", "not SETTING=VALUE");
  refused("adam,betas=0.9", "betas is 2 numbers");
  refused("sgd,nesterov=1", "nesterov is true or false");
  refused("sgd,lr=-1", "lr");
  refused("sgd,lr=nan", "lr");
}

}  // namespace
}  // namespace gf::test
