// A NaN is planted; the report has to name the node that made it, or the input or State that held it, and nothing may have changed.
#include <cmath>
#include <limits>

#include "graph/ir/copy.h"
#include "tests/trainer/step_nets.h"
#include "trainer/nn/containers.h"
#include "trainer/nn/layers.h"
#include "trainer/step/non_finite.h"
#include "trainer/tensor/functions.h"
#include "trainer/tensor/recording.h"
#include "trainer/tensor/trainable.h"

namespace gf::test {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN(), kInfinity = std::numeric_limits<float>::infinity();

TrainStepOptions stopping() {
  TrainStepOptions o;
  o.stop_if_not_finite = true;
  return o;
}

std::shared_ptr<nn::Module> function(std::function<Tensor(const Tensor&)> f) { return std::make_shared<nn::Lambda>(std::move(f)); }

// Perceptron with something of the test's in the middle: "0" linear 4 -> 3, "1" a block of "0" the middle, "1" linear 3 -> 2.
std::shared_ptr<nn::Sequential> perceptron(std::function<Tensor(const Tensor&)> middle) {
  nn::manual_seed(3);
  const auto block = std::make_shared<nn::Sequential>(
      std::initializer_list<std::shared_ptr<nn::Module>>{function(std::move(middle)), std::make_shared<nn::Linear>(3, 2)});
  return std::make_shared<nn::Sequential>(std::initializer_list<std::shared_ptr<nn::Module>>{std::make_shared<nn::Linear>(4, 3), block});
}

const std::vector<float> kData = {0.5f, -1, 2, 0.25f, 1, 3, -0.5f, 1.5f};

// A train step of it in a file, and the graph it was made from.
struct Strict {
  std::shared_ptr<nn::Sequential> net;
  ir::Model graph;
  std::optional<Model> model;

  explicit Strict(std::function<Tensor(const Tensor&)> middle, const TrainStepOptions& options = stopping()) : net(perceptron(std::move(middle))) {
    const Tensor x = Tensor::from<float>(kData, {2, 4});
    graph = trace_call({{"x", x}}, net->full_state(), [&] { return NamedTensors{{"loss", sum((*net)(x))}}; });
    std::vector<std::string> names;
    for (const auto& [name, p] : net->named_parameters()) names.push_back(name);
    add_train_step(graph, *graph.entries[0], graph.entries[0]->body.outputs[0], {{names, momentum()}}, options);
    ir::Model optimised = ir::copy(graph);
    run_passes(optimised, step_passes());
    model.emplace(Model::from_bytes(emit(optimised)));
    std::copy(kData.begin(), kData.end(), model->input<float>("x").begin());
  }
  std::span<float> state(const char* name) const {
    const auto b = const_cast<Model&>(*model).state()->bytes(const_cast<Model&>(*model).state()->find(name));
    return {reinterpret_cast<float*>(b.data()), b.size() / sizeof(float)};
  }
  std::vector<std::byte> all() {
    std::vector<std::byte> bits;
    append_state(bits, *model->state());
    return bits;
  }
  /// Runs, which has to fail; the report; State is what it was, after the run and after the search.
  NonFiniteReport fail() {
    const auto before = all();
    try {
      model->run();
      ADD_FAILURE() << "the step ended well";
    } catch (const Exception& e) {
      EXPECT_EQ(e.code(), Error::NonFinite) << e.what();
    }
    NonFiniteReport report = find_non_finite(graph, "main", *model);
    EXPECT_TRUE(all() == before);
    // the file alone tells where it begins too, though not inside of fused nodes
    const NonFiniteReport fused = find_non_finite(*model);
    EXPECT_TRUE(all() == before);
    EXPECT_EQ(fused.first.has_value(), report.first.has_value());
    EXPECT_EQ(fused.given.size(), report.given.size());
    return report;
  }
};

void expect_has(const std::string& text, const std::vector<std::string>& parts) {
  for (const std::string& part : parts) EXPECT_NE(text.find(part), std::string::npos) << "'" << part << "' is not in: " << text;
}

Tensor through_log(const Tensor& x) { return log(relu(x)); }  // -infinity where x is not positive

TEST(NonFinite, AZeroUnderALogarithm) {
  Strict s(through_log);
  const auto w = s.state("0.weight"), b = s.state("0.bias");
  std::fill(w.begin(), w.end(), 0.0f);
  b[0] = 1, b[1] = -1, b[2] = 2;  // the middle one is not positive
  const NonFiniteReport r = s.fail();
  ASSERT_TRUE(r.first.has_value());
  EXPECT_TRUE(r.given.empty());
  EXPECT_EQ(r.first->op, "log");
  EXPECT_EQ(r.first->place, "1.0: log");
  EXPECT_EQ(r.first->result.infinite_count, 2);  // one in each of two rows
  EXPECT_EQ(r.first->result.nan_count, 0);
  EXPECT_EQ(r.first->result.count, 6);
  EXPECT_EQ(r.first->result.first, 1);
  EXPECT_EQ(r.first->result.first_value, -static_cast<double>(kInfinity));
  ASSERT_EQ(r.first->operands.size(), 1U);
  EXPECT_EQ(r.first->operands[0].least, 0);
  EXPECT_EQ(r.first->operands[0].greatest, 2);
  expect_has(r.text(), {"First made by log in '1.0: log'", "float32 [2, 3]: 2 infinite of 6 elements, the first (-infinity) at [0, 1]", "operand 0, float32 [2, 3]: 0 to 2"});
}

TEST(NonFinite, ZeroByZero) {
  Strict s([](const Tensor& x) { return x / x; });
  const auto w = s.state("0.weight"), b = s.state("0.bias");
  std::fill(w.begin(), w.end(), 0.0f);
  b[0] = 1, b[1] = 2, b[2] = 0;
  const NonFiniteReport r = s.fail();
  ASSERT_TRUE(r.first.has_value());
  EXPECT_EQ(r.first->op, "div");
  EXPECT_EQ(r.first->place.substr(0, 5), "1.0: ");
  EXPECT_EQ(r.first->result.nan_count, 2);
  EXPECT_EQ(r.first->result.first, 2);
}

TEST(NonFinite, InTheData) {
  Strict s([](const Tensor& x) { return relu(x); });
  s.model->input<float>("x")[5] = kNan;
  const NonFiniteReport r = s.fail();
  EXPECT_FALSE(r.first.has_value());
  ASSERT_EQ(r.given.size(), 1U);
  EXPECT_EQ(r.given[0].what, "input 'x'");
  EXPECT_EQ(r.given[0].nan_count, 1);
  EXPECT_EQ(r.given[0].first, 5);
  expect_has(r.text(), {"Bad before the run: input 'x', float32 [2, 4]: 1 NaN of 8 elements, the first (NaN) at [1, 1]"});
}

TEST(NonFinite, InAWeight) {
  Strict s([](const Tensor& x) { return relu(x); });
  s.state("1.1.weight")[4] = kInfinity;
  s.state("0.bias")[1] = kNan;
  const NonFiniteReport r = s.fail();
  EXPECT_FALSE(r.first.has_value());
  ASSERT_EQ(r.given.size(), 2U);
  EXPECT_EQ(r.given[0].what, "State '0.bias'");  // NaN first
  EXPECT_EQ(r.given[1].what, "State '1.1.weight'");
  EXPECT_EQ(r.given[1].infinite_count, 1);
  EXPECT_EQ(r.given[1].first, 4);
}

// The loss is finite: w * 1e-30 * 1e-8 * 1e30 * 1e8; its gradient is 1e8, 1e38, 1e30 behind those, and with a seed of 1e5 the second is beyond
// float32.
TEST(NonFinite, OverflowOfTheBackwardPart) {
  Strict s([](const Tensor& x) { return x * 1e-30 * 1e-8 * 1e30 * 1e8; });
  const auto w = s.state("1.1.weight");
  std::fill(w.begin(), w.end(), 1e5f);
  const NonFiniteReport r = s.fail();
  EXPECT_TRUE(std::isfinite(s.model->output<float>("loss")[0]));
  EXPECT_TRUE(r.given.empty());
  ASSERT_TRUE(r.first.has_value());
  EXPECT_EQ(r.first->op, "mul");
  EXPECT_EQ(r.first->place.substr(0, 17), "gradient of 1.0: ");
  EXPECT_EQ(r.first->result.infinite_count, 6);
  double most = 0;
  for (const ElementReport& o : r.first->operands) most = std::max(most, o.greatest);
  EXPECT_NEAR(most, 1e30, 1e24);  // times the gradient of 2e13
}

// -infinity of a mask is made to be there: it leads to finite results and is not blamed, also not when something else is wrong.
TEST(NonFinite, MasksAreNotBlamed) {
  const auto masked = [](const Tensor& x) {
    const Tensor hidden = Tensor::from<float>({0, -kInfinity, 0}, {3});
    return log(relu(softmax(x + hidden, 1) - 1e-3)) ;
  };
  Strict s(masked);
  const NonFiniteReport r = s.fail();
  EXPECT_TRUE(r.given.empty()) << r.text();
  ASSERT_TRUE(r.first.has_value());
  EXPECT_EQ(r.first->op, "log");
  EXPECT_EQ(r.first->result.first, 1);
}

// A row that is hidden whole: the infinities were given, the first NaN is softmax's.
TEST(NonFinite, NanOutOfInfinities) {
  Strict s([](const Tensor& x) { return softmax(x + Tensor::from<float>({-kInfinity, -kInfinity, -kInfinity}, {3}), 1); });
  const NonFiniteReport r = s.fail();
  EXPECT_FALSE(r.first.has_value());
  ASSERT_TRUE(r.first_nan.has_value());
  EXPECT_EQ(r.first_nan->op, "softmax");
  ASSERT_FALSE(r.given.empty());
  EXPECT_EQ(r.given[0].what, "a constant");
}

// Nobody checks: the search runs the step, and takes it back.
TEST(NonFinite, WithoutACheck) {
  Strict s(through_log, {});
  const auto before = s.all();
  EXPECT_FALSE(find_non_finite(s.graph, "main", *s.model).first_nan.has_value());
  EXPECT_TRUE(s.all() == before);
  s.model->input<float>("x")[2] = kNan;
  for (const NonFiniteReport& r : {find_non_finite(s.graph, "main", *s.model), find_non_finite(*s.model)}) {
    ASSERT_FALSE(r.given.empty());
    EXPECT_EQ(r.given[0].what, "input 'x'");
  }
  EXPECT_TRUE(s.all() == before);
}

TEST(NonFinite, NothingToFind) {
  Strict s([](const Tensor& x) { return relu(x); });
  const auto before = s.all();
  for (const NonFiniteReport& r : {find_non_finite(s.graph, "main", *s.model), find_non_finite(*s.model)}) {
    EXPECT_FALSE(r.found());
    EXPECT_EQ(r.text(), "");
  }
  EXPECT_TRUE(s.all() == before);
  EXPECT_NO_THROW(s.model->run());
  EXPECT_FALSE(s.all() == before);
}

// Each net, NaN in one element of each weight in turn: that State is named.
TEST(NonFinite, EveryWeightOfEveryNet) {
  for (const StepNet& c : all_nets()) {
    SCOPED_TRACE(c.name);
    const ir::Model graph = step_graph(c, 2, momentum(), stopping());
    ir::Model optimised = ir::copy(graph);
    run_passes(optimised, step_passes());
    const Loaded loaded(emit(optimised), Loaded::with(), default_tables(false));
    Running running(const_cast<Loaded&>(loaded));
    Session& session = running.session;
    set_batch(session, c, 1);
    const State& state = *loaded.state;
    int stopped = 0;
    for (int k = 0; k < state.count(); ++k) {
      const PortInfo port = loaded.program->state(k);
      const std::string name(port.name);
      if (port.dtype != DType::F32 || port.rank < 2 || name.ends_with(".momentum_buffer")) continue;
      auto* const at = reinterpret_cast<float*>(state.bytes(k).data());
      const float was = at[0];
      at[0] = kNan;
      if (session.run() == Error::NonFinite) {  // else no row of this batch reads it: an embedding's
        ++stopped;
        const NonFiniteReport r = find_non_finite(graph, "main", session, &state);
        ASSERT_EQ(r.given.size(), 1U) << name;
        EXPECT_EQ(r.given[0].what, "State '" + name + "'");
        EXPECT_FALSE(r.first.has_value()) << r.text();
      }
      at[0] = was;
      if (stopped == 3) break;
    }
    EXPECT_GT(stopped, 0);
  }
}

// --- lazy

std::vector<std::vector<float>> values(const nn::Module& net) {
  std::vector<std::vector<float>> all;
  for (const auto& [name, p] : net.named_parameters()) all.push_back(p.to_vector<float>());
  return all;
}

TEST(NonFinite, LazyStepsStopAndSayWhere) {
  for (const bool looks : {false, true}) {
    SCOPED_TRACE(looks);
    const auto net = perceptron([](const Tensor& x) { return log(x * x); });
    Trainable optimizer(net->parameters(), momentum());
    optimizer.set_not_finite(NotFinite::Stop);
    const Tensor x = Tensor::zeros({2, 4});
    const auto step = [&](std::vector<float> data) {
      Tensor(x).assign(io::Array::from(data, {2, 4}));
      const Tensor loss = sum((*net)(x));
      loss.backward();
      if (looks) (void)loss.item();
      optimizer.step();
    };
    step(kData);
    step(kData);
    const auto before = values(*net);
    const int64_t programs = lazy::compiled_programs();
    const auto fails = [&](const std::function<void()>& f) -> NonFiniteReport {
      try {
        f();
      } catch (const NonFiniteError& e) {
        EXPECT_EQ(std::string(e.what()).find("step(): "), 0U) << e.what();
        expect_has(e.what(), {e.report().text()});
        EXPECT_EQ(values(*net), before);
        EXPECT_EQ(optimizer.steps(), 2);
        return e.report();
      }
      ADD_FAILURE() << "nothing was thrown";
      return {};
    };
    std::vector<float> bad = kData;
    bad[6] = kNan;
    const NonFiniteReport given = fails([&] { step(bad); });
    EXPECT_FALSE(given.first.has_value());
    ASSERT_EQ(given.given.size(), 1U);
    EXPECT_EQ(given.given[0].what.substr(0, 5), "input");
    EXPECT_EQ(given.given[0].first, 6);
    EXPECT_EQ(lazy::compiled_programs(), programs);
    optimizer.zero_grad();
    step(kData);  // as if nothing had been
    EXPECT_EQ(optimizer.steps(), 3);
  }
}

TEST(NonFinite, LazyNamesTheModuleAndTheParameter) {
  for (const bool looks : {false, true}) {
    const auto net = perceptron(through_log);
    Tensor w = net->named_parameters()[0].second, b = net->named_parameters()[1].second;
    w.assign(io::Array::from<float>(std::vector<float>(12, 0), {3, 4}));
    b.assign(io::Array::from<float>({1, 2, -1}, {3}));
    Trainable optimizer(net->parameters(), momentum());
    optimizer.set_not_finite(NotFinite::Stop);
    const Tensor x = Tensor::from<float>(kData, {2, 4});
    const auto report = [&]() -> NonFiniteReport {
      const Tensor loss = sum((*net)(x));
      loss.backward();
      if (looks) (void)loss.item();
      try {
        optimizer.step();
      } catch (const NonFiniteError& e) {
        return e.report();
      }
      ADD_FAILURE() << "nothing was thrown";
      return {};
    };
    NonFiniteReport r = report();
    ASSERT_TRUE(r.first.has_value()) << r.text();
    EXPECT_EQ(r.first->place, "1.0: log");
    EXPECT_EQ(r.first->result.first, 2);
    optimizer.zero_grad();
    b.assign(io::Array::from<float>({1, kNan, 1}, {3}));
    r = report();
    ASSERT_EQ(r.given.size(), 1U) << r.text();
    EXPECT_EQ(r.given[0].what, "State '0.bias'");
  }
}

TEST(NonFinite, LazyStepsAreSkipped) {
  const auto net = perceptron([](const Tensor& x) { return tanh(x); });
  Trainable optimizer(net->parameters(), momentum());
  optimizer.set_not_finite(NotFinite::Skip);
  const auto step = [&](std::vector<float> data) {
    const Tensor loss = sum((*net)(Tensor::from<float>(data, {2, 4})));
    loss.backward();
    optimizer.step();
  };
  step(kData);
  const auto before = values(*net);
  std::vector<float> bad = kData;
  bad[0] = kInfinity, bad[4] = -kInfinity, bad[1] = kNan;
  step(bad);
  step(bad);
  EXPECT_EQ(values(*net), before);
  EXPECT_EQ(optimizer.steps(), 1);
  EXPECT_EQ(optimizer.skipped(), 2);
  step(kData);  // the bad gradients are used up
  EXPECT_EQ(optimizer.steps(), 2);
  for (const auto& v : values(*net))
    for (const float f : v) EXPECT_TRUE(std::isfinite(f));
  EXPECT_NE(values(*net), before);
}

}  // namespace
}  // namespace gf::test
