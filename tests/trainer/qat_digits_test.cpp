// LeNet trained on the real digits as int8 will compute, and exported: the file runs on integer kernels, tells the digits apart as well as the float
// evaluation that was trained, and about as well as a net trained in float.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <set>

#include "facade/convert.h"
#include "tests/support/test_data.h"
#include "trainer/data/transforms.h"
#include "trainer/data/vision.h"
#include "trainer/loop/trainer.h"
#include "trainer/models/small.h"
#include "trainer/nn/init.h"
#include "trainer/optim/by_name.h"
#include "trainer/step/finished_model.h"
#include "trainer/step/training_model.h"

namespace gf::test {
namespace {

constexpr int64_t kBatch = 250, kSteps = 900;

PassOptions passes() {
  PassOptions p;
  p.evaluator = make_evaluator(default_tables(false));
  return p;
}

struct Trained {
  ir::Model graph;          // with the numbers of the training
  double accuracy = 0;      // of evaluate
};
Trained train(bool quantised) {
  using namespace data;
  nn::manual_seed(4);
  models::LeNet net;
  TrainingModelOptions o;
  o.shape = {1, 28, 28};
  o.batch = 64;
  o.evaluate_batch = kBatch;
  o.loss = "cross_entropy";
  o.optimizer = optim::by_name("adam,lr=2e-3");
  o.passes = passes();
  if (quantised) o.quantize.emplace();
  ir::Model graph = training_model(net, o);
  ModelOptions how;
  how.threads = 1;
  Trainer trainer(Model::from_bytes(emit(graph), how));
  const std::string folder = data_path("mnist").string();
  DataLoader digits(MNIST::in_folder(folder, true, {.transform = transforms(ToFloat())}), {.batch_size = 64, .shuffle = true, .drop_last = true, .seed = 2});
  DataLoader unseen(MNIST::in_folder(folder, false, {.transform = transforms(ToFloat())}), {.batch_size = kBatch});
  FitSettings s;
  s.steps = kSteps;
  s.schedule = optim::schedule::cosine({.t_max = kSteps});
  const FitResult r = trainer.fit(digits, &unseen, s);
  Trained t{read_gf(emit(graph)), 0};
  take_state(t.graph, *trainer.model().state());
  for (const auto& [name, value] : r.validation)
    if (name == "accuracy") t.accuracy = value;
  return t;
}

struct Answers {
  std::vector<float> scores;
  int64_t right = 0;
};
Answers answers(Model& model) {
  using namespace data;
  DataLoader unseen(MNIST::in_folder(data_path("mnist").string(), false, {.transform = transforms(ToFloat())}), {.batch_size = kBatch});
  Answers a;
  for (const Batch& batch : unseen) {
    std::memcpy(model.input<float>("x").data(), batch["image"].data.data(), batch["image"].data.size());
    model.run();
    const auto y = model.output<float>(model.session("main").output_name(0));
    const auto labels = batch["label"].as<int64_t>();
    for (size_t i = 0; i < labels.size(); ++i) {
      const auto row = y.begin() + static_cast<std::ptrdiff_t>(10 * i);
      a.right += std::max_element(row, row + 10) - row == labels[i] ? 1 : 0;
    }
    a.scores.insert(a.scores.end(), y.begin(), y.end());
  }
  return a;
}

TEST(QatDigits, TheInt8FileIsAsGoodAsWhatWasTrained) {
  GF_SKIP_WITHOUT_DATA("mnist/train-images-idx3-ubyte.gz");
  Trained plain = train(false), quantised = train(true);
  EXPECT_GT(plain.accuracy, 0.97);
  EXPECT_GT(quantised.accuracy, plain.accuracy - 0.005);

  ir::Model integers = read_gf(emit(quantised.graph)), floats = read_gf(emit(quantised.graph)), unquantised = read_gf(emit(plain.graph));
  InferenceOptions use;
  use.passes = passes();
  make_inference_model(integers, use);
  make_inference_model(unquantised, use);
  use.int8_weights = false;
  make_inference_model(floats, use);
  const std::vector<std::byte> small = emit(integers), large = emit(unquantised);
  EXPECT_LT(3 * small.size(), large.size());
  ModelOptions how;
  how.xnnpack = false;
  how.threads = 1;
  Model a = Model::from_bytes(small, how), b = Model::from_bytes(emit(floats), how);

  int products = 0;
  std::set<std::string> kernels;
  const Session& s = a.session("main");
  for (int i = 0; i < s.node_count(); ++i) {
    products += std::string(s.node(i).op).ends_with("_integer") ? 1 : 0;
    kernels.insert(s.node(i).kernel);
  }
  EXPECT_EQ(products, 5);
  EXPECT_FALSE(kernels.contains("matmul_f32_simd") || kernels.contains("conv_f32_simd"));
  const bool vectors = isa_allows(a.isa(), Isa::Avx2);
  EXPECT_TRUE(!vectors || (kernels.contains("conv_integer_simd") && kernels.contains("matmul_integer_simd")));

  // Sums of integers are exact, those of floats are not: here and there an input of a later layer is rounded to the next of its 256 values.
  const Answers have = answers(a), want = answers(b);
  ASSERT_EQ(have.scores.size(), want.scores.size());
  double worst = 0, squares = 0, differences = 0;
  for (size_t i = 0; i < have.scores.size(); ++i) {
    const double d = static_cast<double>(have.scores[i]) - static_cast<double>(want.scores[i]);
    worst = std::max(worst, std::fabs(d));
    differences += d * d;
    squares += static_cast<double>(want.scores[i]) * static_cast<double>(want.scores[i]);
  }
  RecordProperty("float_accuracy", std::to_string(plain.accuracy));
  RecordProperty("quantised_accuracy", std::to_string(quantised.accuracy));
  RecordProperty("int8_right", std::to_string(have.right));
  RecordProperty("worst", std::to_string(worst));
  RecordProperty("relative", std::to_string(std::sqrt(differences / squares)));
  EXPECT_LT(std::sqrt(differences / squares), 1e-3);
  EXPECT_LE(std::abs(have.right - want.right), 1);
  EXPECT_NEAR(static_cast<double>(have.right) / 3000, quantised.accuracy, 1.5 / 3000);
}

}  // namespace
}  // namespace gf::test
