// LBFGS and averages of weights against PyTorch in float64 (data/lbfgs.json, made by make_lbfgs_goldens.py).
#include "trainer/optim/lbfgs.h"

#include <cmath>
#include <cstring>

#include "graph/emit/emit.h"
#include "graph/passes/pipeline.h"
#include "runtime/include/ghostflow/model.h"
#include "tests/support/expect_refused.h"
#include "tests/trainer/golden_cases.h"
#include "trainer/nn/functional.h"
#include "trainer/optim/optimizers.h"
#include "trainer/step/train_step.h"
#include "trainer/tensor/recording.h"
#include "trainer/tensor/trainable.h"

namespace gf::test {
namespace {

using optim::AveragedWeights;
using optim::AverageSettings;
using optim::LBFGS;
using optim::LbfgsSettings;
using nlohmann::json;

const std::vector<std::string> kNames = {"w1", "b1", "w2"};

const json& goldens() {
  static const json all = golden_file("lbfgs.json");
  return all;
}

struct Problem {
  Tensor x, target;
  std::vector<Tensor> parameters;

  explicit Problem(DType type = DType::F64) : x(of("x", type)), target(of("target", type)) {
    for (const std::string& name : kNames) parameters.push_back(of(goldens()["start"][name], type).set_requires_grad());
  }
  static Tensor of(const json& t, DType type) {
    const auto values = t["data"].get<std::vector<double>>();
    const auto shape = t["shape"].get<Shape64>();
    if (type == DType::F64) return Tensor::from(values, shape);
    return Tensor::from(std::vector<float>(values.begin(), values.end()), shape);
  }
  static Tensor of(const char* name, DType type) { return of(goldens()[name], type); }

  Tensor loss() const {
    Tensor l = nn::mse_loss(matmul(tanh(matmul(x, parameters[0]) + parameters[1]), parameters[2]), target);
    for (const Tensor& p : parameters) l = l + sum(p * p) / 64;
    return l;
  }
  LBFGS::Closure closure() const {
    return [this] {
      Tensor l = loss();
      l.backward();
      return l;
    };
  }
  void expect(const json& want, double tolerance, const std::vector<Tensor>& have) const {
    for (size_t k = 0; k < kNames.size(); ++k) {
      const auto a = have[k].to_vector<double>(), b = want[kNames[k]]["data"].get<std::vector<double>>();
      ASSERT_EQ(a.size(), b.size());
      for (size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], tolerance) << kNames[k] << "[" << i << "]";
    }
  }
};

const json& case_of(const char* list, const std::string& name) {
  for (const json& c : goldens()[list])
    if (c["name"] == name) return c;
  throw std::runtime_error("no case " + name);
}

void expect_like_torch(const std::string& name, const LbfgsSettings& settings) {
  SCOPED_TRACE(name);
  const json& c = case_of("cases", name);
  const Problem p;
  LBFGS optimizer(p.parameters, settings);
  for (const json& want : c["losses"]) EXPECT_NEAR(optimizer.step(p.closure()), want.get<double>(), 1e-5);
  p.expect(c["parameters"], 1e-5, p.parameters);
  EXPECT_EQ(optimizer.iterations(), c["iterations"].get<int64_t>());
  EXPECT_EQ(optimizer.evaluations(), c["evaluations"].get<int64_t>());
}

TEST(Lbfgs, LikeTorch) {
  const auto wolfe = LbfgsSettings::LineSearch::StrongWolfe;
  expect_like_torch("plain", {.lr = 0.1, .max_iter = 3});
  expect_like_torch("defaults", {});
  expect_like_torch("few_evaluations", {.lr = 0.5, .max_iter = 4, .max_eval = 3, .history_size = 4});
  expect_like_torch("strong_wolfe", {.max_iter = 2, .line_search = wolfe});
  expect_like_torch("strong_wolfe_short", {.lr = 8, .max_iter = 3, .max_eval = 6, .history_size = 3, .line_search = wolfe});
  expect_like_torch("strong_wolfe_defaults", {.line_search = wolfe});
}

// float32 parameters, one program for every evaluation, and zero_grad() in the closure changes nothing.
TEST(Lbfgs, OneProgram) {
  const Problem p(DType::F32), other(DType::F32);
  LBFGS optimizer(p.parameters, {.line_search = LbfgsSettings::LineSearch::StrongWolfe}), twin(other.parameters, {.line_search = LbfgsSettings::LineSearch::StrongWolfe});
  const int64_t before = lazy::compiled_programs();
  const double first = optimizer.step(p.closure());
  for (int i = 0; i < 4; ++i) optimizer.step(p.closure());
  EXPECT_LE(lazy::compiled_programs(), before + 1);
  EXPECT_GT(optimizer.evaluations(), 10);
  EXPECT_LT(p.loss().item(), 0.6 * first);
  const auto cleared = [&] {
    for (Tensor t : other.parameters) t.zero_grad();
    return other.closure()();
  };
  for (int i = 0; i < 5; ++i) twin.step(cleared);
  for (size_t k = 0; k < kNames.size(); ++k) EXPECT_EQ(p.parameters[k].array(), other.parameters[k].array());
}

TEST(Lbfgs, AClosureThatThrowsChangesNothing) {
  const Problem p, other;
  LBFGS optimizer(p.parameters, {.max_iter = 3}), twin(other.parameters, {.max_iter = 3});
  int calls = 0;
  const auto throws = [&]() -> Tensor {
    if (++calls == 3) throw Exception(Error::IoError, "the data ended");
    return p.closure()();
  };
  expect_refused(Error::IoError, "the data ended", [&] { optimizer.step(throws); });
  p.expect(goldens()["start"], 0, p.parameters);
  EXPECT_EQ(optimizer.step(p.closure()), twin.step(other.closure()));
  for (size_t k = 0; k < kNames.size(); ++k) EXPECT_EQ(p.parameters[k].array(), other.parameters[k].array());
}

TEST(Lbfgs, Errors) {
  const Problem p;
  const auto refused = [&](const std::string& text, const LbfgsSettings& settings) {
    expect_refused(Error::InvalidArgument, text, [&] { LBFGS wrong(p.parameters, settings); });
  };
  refused("LBFGS: lr is -1; it must be finite and not negative", {.lr = -1});
  refused("LBFGS: max_iter is 0; it must be from 1 on", {.max_iter = 0});
  refused("LBFGS: max_eval is 0", {.max_eval = 0});
  refused("LBFGS: tolerance_grad is nan", {.tolerance_grad = std::nan("")});
  refused("LBFGS: history_size is 0", {.history_size = 0});
  expect_refused(Error::InvalidArgument, "LBFGS: there are no parameters", [] { LBFGS wrong({}); });
  expect_refused(Error::InvalidArgument, "LBFGS: a parameter is given twice", [&] { LBFGS wrong({p.parameters[0], p.parameters[0]}); });
  expect_refused(Error::InvalidArgument, "LBFGS: a parameter requires no gradients", [&] { LBFGS wrong({p.x}); });
  expect_refused(Error::TypeMismatch, "LBFGS: a parameter is float16", [&] { LBFGS wrong({Tensor::zeros({2}, DType::F16).set_requires_grad()}); });
}

// --- averages of weights

struct AverageCase {
  const char* name;
  AverageSettings settings;
  int64_t from = 1, every = 1;
};
const std::vector<AverageCase>& average_cases() {
  using Kind = AverageSettings::Kind;
  static const std::vector<AverageCase> cases = {
      {"ema", {.decay = 0.75}}, {"swa", {.kind = Kind::Swa}}, {"swa_late", {.kind = Kind::Swa}, 3, 2}, {"ema_late", {.decay = 0.5}, 3, 2}};
  return cases;
}
std::shared_ptr<const optim::Optimizer> sgd() { return std::make_shared<optim::SGD>(optim::SgdSettings{.lr = 0.5}); }

TEST(Averages, LazyLikeTorch) {
  for (const AverageCase& a : average_cases()) {
    SCOPED_TRACE(a.name);
    const Problem p;
    Trainable optimizer(p.parameters, sgd());
    AveragedWeights averages(p.parameters, a.settings);
    for (int64_t step = 1; step < 8; ++step) {
      p.loss().backward();
      optimizer.step();
      if (step >= a.from && (step - a.from) % a.every == 0) averages.update();
    }
    p.expect(case_of("averages", a.name)["averages"], 1e-9, averages.averages());
    // exchanged for an evaluation, and back
    const auto weights = p.parameters[0].array(), means = averages.averages()[0].array();
    averages.swap();
    EXPECT_EQ(p.parameters[0].array(), means);
    EXPECT_EQ(averages.averages()[0].array(), weights);
    averages.swap();
    EXPECT_EQ(p.parameters[0].array(), weights);
  }
}

// Averages are computed by the programs of the steps: no others, and no more of them with time.
TEST(Averages, BelongToTheStep) {
  const Problem p;
  Trainable optimizer(p.parameters, sgd());
  AveragedWeights averages(p.parameters, {.kind = AverageSettings::Kind::Swa});
  int64_t compiled = 0;
  for (int step = 0; step < 30; ++step) {
    p.loss().backward();
    optimizer.step();
    averages.update();
    if (step == 2) compiled = lazy::compiled_programs();
  }
  EXPECT_EQ(lazy::compiled_programs(), compiled);
}

TEST(Averages, StrictLikeTorch) {
  for (const AverageCase& a : average_cases()) {
    SCOPED_TRACE(a.name);
    const Problem p;
    NamedTensors parameters;
    for (size_t k = 0; k < kNames.size(); ++k) parameters.emplace_back(kNames[k], p.parameters[k]);
    ir::Model model = trace({{"x", p.x}, {"target", p.target}}, {{"loss", p.loss()}}, parameters);
    TrainStepOptions options;
    options.averages = a.settings;
    options.average_from = a.from;
    options.average_every = a.every;
    add_train_step(model, *model.entries[0], model.entries[0]->body.outputs[0], {{kNames, sgd()}}, options);
    PassOptions passes;
    passes.exact = true;
    run_passes(model, passes);
    Model run = Model::from_bytes(emit(model), {});
    for (const char* name : {"x", "target"}) {
      const io::Array given = (name[0] == 'x' ? p.x : p.target).array();
      std::memcpy(run.input<std::byte>(name).data(), given.data.data(), given.data.size());
    }
    for (int step = 1; step < 8; ++step) run.run();
    std::vector<Tensor> averages;
    for (const Tensor& t : p.parameters) {
      const auto bytes = run.state()->bytes(run.state()->find(slot_state(kNames[averages.size()], kAverageSlot)));
      averages.push_back(Tensor::from_array(io::Array::from_bytes(DType::F64, t.shape(), bytes)));
    }
    p.expect(case_of("averages", a.name)["averages"], 1e-9, averages);
  }
}

TEST(Averages, Errors) {
  const Problem p;
  expect_refused(Error::InvalidArgument, "decay is 1.5; it must be from 0 to 1", [&] { AveragedWeights wrong(p.parameters, {.decay = 1.5}); });
  expect_refused(Error::InvalidArgument, "there are no weights", [] { AveragedWeights wrong({}); });
  expect_refused(Error::TypeMismatch, "a weight is int64", [] { AveragedWeights wrong({Tensor::zeros({2}, DType::I64)}); });
  AveragedWeights none(p.parameters);
  expect_refused(Error::WrongPhase, "before the first update()", [&] { none.swap(); });
  ir::Model model = trace({}, {{"loss", p.loss()}}, {{"w1", p.parameters[0]}});
  TrainStepOptions options;
  options.averages = AverageSettings{};
  options.average_every = 0;
  expect_refused(Error::InvalidArgument, "average_every count steps",
                 [&] { add_train_step(model, *model.entries[0], model.entries[0]->body.outputs[0], {{{"w1"}, sgd()}}, options); });
}

}  // namespace
}  // namespace gf::test
