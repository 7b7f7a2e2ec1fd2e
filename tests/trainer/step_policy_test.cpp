// Gradient accumulation in the strict way, and what a step does when its loss or a gradient is not finite.
#include <cmath>
#include <limits>

#include "tests/trainer/step_nets.h"
#include "trainer/tensor/trainable.h"

namespace gf::test {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// A file with its State, and a session per entry.
struct Stepper {
  Loaded loaded;
  std::vector<std::unique_ptr<Running>> sessions;

  explicit Stepper(ir::Model graph) : loaded(emit(graph), Loaded::with(), default_tables(false)) {
    for (int e = 0; e < loaded.program->entry_count(); ++e) sessions.push_back(std::make_unique<Running>(loaded, loaded.program->entry_name(e)));
  }
  Session& session(const char* entry = "main") {
    for (size_t e = 0; e < sessions.size(); ++e)
      if (loaded.program->entry_name(static_cast<int>(e)) == entry) return sessions[e]->session;
    throw Exception(Error::NotFound, entry);
  }
  void run(const StepNet& c, uint64_t seed, int64_t first = 0, const char* entry = "main") {
    set_batch(session(entry), c, seed, first);
    run_or_throw(session(entry));
  }
  std::span<std::byte> bytes(const std::string& name) {
    const int k = loaded.state->find(name);
    if (k < 0) throw Exception(Error::NotFound, name);
    return loaded.state->bytes(k);
  }
  std::span<float> floats(const std::string& name) {
    const auto b = bytes(name);
    return {reinterpret_cast<float*>(b.data()), b.size() / sizeof(float)};
  }
  double number(const char* name) {
    double v = 0;
    std::memcpy(&v, bytes(name).data(), sizeof v);
    return v;
  }
  float loss(const char* entry = "main") { return session(entry).output(0).as<const float>()[0]; }
  /// Names and bytes, but for those that are named.
  std::map<std::string, std::vector<std::byte>> all(const std::set<std::string>& without = {}) {
    std::map<std::string, std::vector<std::byte>> states;
    for (int k = 0; k < loaded.state->count(); ++k) {
      const std::string name(loaded.program->state(k).name);
      if (!without.contains(name)) states[name] = {loaded.state->bytes(k).begin(), loaded.state->bytes(k).end()};
    }
    return states;
  }
};

// --- accumulation

constexpr const char* kAccumulate = "accumulate";
TrainStepOptions accumulating() {
  TrainStepOptions o;
  o.accumulate_entry = kAccumulate;
  return o;
}

void expect_close(std::span<const float> have, std::span<const float> want, const std::string& what) {
  ASSERT_EQ(have.size(), want.size()) << what;
  float most = 0;
  for (const float v : want) most = std::max(most, std::fabs(v));
  for (size_t i = 0; i < want.size(); ++i) ASSERT_NEAR(have[i], want[i], 1e-6f * most) << what << "[" << i << "]";
}

TEST(Accumulation, PiecesOfABatchAreTheBatch) {
  constexpr int64_t kBatch = 8, kPieces = 4;
  for (const StepNet& c : plain_nets()) {
    SCOPED_TRACE(c.name);
    for (const double clip : {0.0, 0.5}) {
      TrainStepOptions whole_options, options = accumulating();
      whole_options.clip_norm = options.clip_norm = clip;
      Stepper whole(optimised_step(c, kBatch, momentum(), whole_options)), pieces(optimised_step(c, kBatch / kPieces, momentum(), options));
      for (uint64_t step = 1; step <= 3; ++step) {
        whole.run(c, step);
        double loss = 0;
        for (int64_t k = 0; k < kPieces; ++k) {
          EXPECT_EQ(pieces.number(kAddedState), static_cast<double>(k));
          const char* entry = k + 1 < kPieces ? kAccumulate : "main";
          pieces.run(c, step, k * kBatch / kPieces, entry);
          loss += static_cast<double>(pieces.loss(entry)) / kPieces;
        }
        EXPECT_NEAR(loss, static_cast<double>(whole.loss()), 1e-6 * loss) << "step " << step;
        EXPECT_EQ(pieces.number(kAddedState), 0);
        EXPECT_EQ(pieces.number(kStepState), static_cast<double>(step));
      }
      for (const auto& [name, bytes] : whole.all({kStepState, learning_rate_state(0)})) expect_close(pieces.floats(name), whole.floats(name), name);
    }
  }
}

// The lazy rule, "gradients add up until a step", gives the same.
TEST(Accumulation, LikeLazySums) {
  for (const StepNet& c : plain_nets()) {
    SCOPED_TRACE(c.name);
    Stepper strict(optimised_step(c, 2, momentum(), accumulating()));
    nn::manual_seed(11);
    const Training t = c.make(2);
    Trainable optimizer(t.net->parameters(), momentum());
    for (uint64_t step = 1; step <= 3; ++step) {
      for (int64_t k = 0; k < 4; ++k) {
        const char* entry = k < 3 ? kAccumulate : "main";
        strict.run(c, step, 2 * k, entry);
        for (const auto& [name, x] : t.inputs) {
          const TensorView v = strict.session(entry).input(strict.session(entry).find_input(name));
          io::Array a = x.array();
          std::memcpy(a.data.data(), v.data, a.data.size());
          Tensor(x).assign(std::move(a));
        }
        (t.loss() / 4.0).backward();
      }
      optimizer.step();
    }
    for (const auto& [name, p] : t.net->named_parameters()) expect_close(strict.floats(name), p.to_vector<float>(), name);
  }
}

// Nobody need use it: without runs of the other entry a step is what it is without the option, bit for bit.
TEST(Accumulation, UnusedItChangesNothing) {
  for (const StepNet& c : all_nets()) {
    SCOPED_TRACE(c.name);
    Stepper plain(optimised_step(c, 4, adamw())), other(optimised_step(c, 4, adamw(), accumulating()));
    for (uint64_t step = 1; step <= 3; ++step)
      for (Stepper* s : {&plain, &other}) s->run(c, step);
    const auto have = other.all();
    for (const auto& [name, bytes] : plain.all()) EXPECT_TRUE(have.at(name) == bytes) << name;
  }
}

// Sums are written in place, as parameters are: a copy is left where the number of the step, or of what was added, is written.
TEST(Accumulation, SumsAreInPlace) {
  const StepNet c = plain_nets()[0];
  Stepper plain(optimised_step(c, 4, momentum())), s(optimised_step(c, 4, momentum(), accumulating()));
  const auto copies = [](const Session& session) {
    int count = 0;
    for (int i = 0; i < session.node_count(); ++i) count += std::string_view(session.node(i).op) == "identity" ? 1 : 0;
    return count;
  };
  EXPECT_EQ(copies(s.session(kAccumulate)), copies(plain.session()));
}

TEST(Accumulation, RunningStatisticsGoOn) {
  for (const StepNet& c : all_nets()) {
    if (c.name != "resnet") continue;
    Stepper s(optimised_step(c, 4, momentum(), accumulating()));
    const auto before = s.all();
    s.run(c, 1, 0, kAccumulate);
    int statistics = 0;
    for (const auto& [name, bytes] : s.all()) {
      const bool running = name.find("running_") != std::string::npos;
      statistics += running ? 1 : 0;
      EXPECT_EQ(bytes != before.at(name), running || name == kAddedState || name.ends_with(".gradient")) << name;
    }
    EXPECT_GT(statistics, 0);
  }
}

TEST(Accumulation, Errors) {
  TrainStepOptions taken, both;
  taken.accumulate_entry = "main";
  both.stop_if_not_finite = both.skip_if_not_finite = true;
  for (const auto& [options, text] : {std::pair{taken, "an entry 'main' already"}, std::pair{both, "either stops or is skipped"}}) {
    try {
      (void)step_graph(plain_nets()[0], 2, momentum(), options);
      ADD_FAILURE() << "nothing was thrown: " << text;
    } catch (const Exception& e) {
      EXPECT_EQ(e.code(), Error::InvalidArgument);
      EXPECT_NE(std::string(e.what()).find(text), std::string::npos) << e.what();
    }
  }
}

// --- not finite

TrainStepOptions stopping() {
  TrainStepOptions o;
  o.stop_if_not_finite = true;
  return o;
}
TrainStepOptions skipping() {
  TrainStepOptions o;
  o.skip_if_not_finite = true;
  return o;
}
float& first_float_input(Session& s) {
  for (int i = 0; i < s.input_count(); ++i)
    if (s.input(i).dtype == DType::F32) return s.input(i).as<float>()[3];
  throw Exception(Error::NotFound, "no float input");
}
void expect_stops(Session& s, const std::string& text) {
  ErrorDetail detail;
  EXPECT_EQ(s.run(&detail), Error::NonFinite);
  EXPECT_NE(std::string(detail.text).find(text), std::string::npos) << detail.text;
}

// NaN in the data, in a weight, and weights that a learning rate made infinite.
TEST(NotFinite, StopsAndSaysWhere) {
  for (const StepNet& c : all_nets()) {
    SCOPED_TRACE(c.name);
    Stepper s(optimised_step(c, 4, momentum(), stopping()));
    s.run(c, 1);
    auto before = s.all();
    const bool images = c.whole <= 10;
    if (images) {
      set_batch(s.session(), c, 2);
      first_float_input(s.session()) = kNan;
      expect_stops(s.session(), "'the loss'");
      EXPECT_TRUE(s.all() == before);
    }
    s.run(c, 2);  // as if nothing had been
    const double infinite = std::numeric_limits<double>::infinity();
    ASSERT_EQ(s.loaded.state->write(learning_rate_state(0), &infinite, sizeof infinite), Error::Ok);
    s.run(c, 3);
    before = s.all();
    expect_stops(s.session(), "'the loss'");
    EXPECT_TRUE(s.all() == before);
  }
}

// loss = sum(a x) + sum(sqrt(b)) is finite where b is 0; its gradient by b is not.
struct Root : Net {
  ir::ValueId loss;
  Root() {
    const auto x = input("x", {4});
    const auto a = weight("a", 1), b0 = weight("b", 4);
    loss = b.add<op::Add>({b.add<op::ReduceSum>({b.add<op::Mul>({a, x})}, {.keepdims = false}), b.add<op::ReduceSum>({b.add<op::Sqrt>({b0})}, {.keepdims = false})});
    output("loss", loss);
  }
  ir::ValueId weight(const std::string& name, float v) { return entry.add_constant(ir::make_floats(std::vector<float>(4, v), {4}), name); }
};
Stepper root_step(const TrainStepOptions& options) {
  Root n;
  make_parameters(n.model, {"a", "b"});
  add_train_step(n.model, n.entry, n.loss, {{{"a", "b"}, momentum()}}, options);
  run_passes(n.model, step_passes());
  return Stepper(std::move(n.model));
}
const StepNet kRoot{"root", 2, {}};

TEST(NotFinite, TheGradientIsNamed) {
  for (const char* name : {"a", "b"}) {
    Stepper s = root_step(stopping());
    s.run(kRoot, 1);
    set_batch(s.session(), kRoot, 2);
    const std::string which = name;
    if (which == "b") s.floats("b")[2] = 0;
    else s.session().input(0).as<float>()[1] = std::numeric_limits<float>::infinity(), s.floats("a")[1] = 0;
    const auto before = s.all();
    expect_stops(s.session(), which == "b" ? "'gradient of b'" : "'the loss'");  // 0 * infinity
    EXPECT_TRUE(s.all() == before);
  }
}

TEST(NotFinite, SkippedStepsAreCounted) {
  for (const StepNet& c : all_nets()) {
    SCOPED_TRACE(c.name);
    Stepper s(optimised_step(c, 4, adamw(), skipping())), clean(optimised_step(c, 4, adamw()));
    for (Stepper* k : {&s, &clean}) k->run(c, 1);
    const std::set<std::string> not_in_clean = {kSkippedState};
    EXPECT_TRUE(s.all(not_in_clean) == clean.all());  // good steps are what they are without the option
    EXPECT_EQ(s.number(kSkippedState), 0);
    std::set<std::string> moves = {kSkippedState};
    for (const auto& [name, bytes] : s.all())
      if (name.ends_with("draws")) moves.insert(name);
    if (c.whole <= 10) {  // images
      const auto before = s.all(moves);
      set_batch(s.session(), c, 2);
      first_float_input(s.session()) = kNan;
      run_or_throw(s.session());
      EXPECT_TRUE(std::isnan(s.loss()));
      EXPECT_TRUE(s.all(moves) == before);
      EXPECT_EQ(s.number(kSkippedState), 1);
      if (moves.size() == 1) {  // no draws: it goes on as if the batch had not been
        for (Stepper* k : {&s, &clean}) k->run(c, 3);
        EXPECT_TRUE(s.all(not_in_clean) == clean.all());
      }
    }
    const double skipped = s.number(kSkippedState), infinite = std::numeric_limits<double>::infinity();
    ASSERT_EQ(s.loaded.state->write(learning_rate_state(0), &infinite, sizeof infinite), Error::Ok);
    s.run(c, 4);
    const auto before = s.all(moves);
    for (uint64_t k = 5; k < 8; ++k) s.run(c, k);  // every weight is gone
    EXPECT_TRUE(s.all(moves) == before);
    EXPECT_EQ(s.number(kSkippedState), skipped + 3);
  }
}

TEST(NotFinite, AnInfiniteGradientIsSkipped) {
  Stepper s = root_step(skipping());
  s.floats("b")[2] = 0;
  const auto before = s.all({kSkippedState});
  s.run(kRoot, 1);
  EXPECT_TRUE(std::isfinite(s.loss()));
  EXPECT_TRUE(s.all({kSkippedState}) == before);
  EXPECT_EQ(s.number(kSkippedState), 1);
}

// A bad piece of a batch adds nothing: the mean is over the others.
TEST(NotFinite, ABadPieceIsLeftOut) {
  const StepNet c = plain_nets()[1];
  for (const bool stop : {false, true}) {
    TrainStepOptions options = stop ? stopping() : skipping();
    options.accumulate_entry = kAccumulate;
    Stepper s(optimised_step(c, 2, momentum(), options)), clean(optimised_step(c, 2, momentum(), options));
    for (Stepper* k : {&s, &clean}) k->run(c, 1, 0, kAccumulate);
    set_batch(s.session(kAccumulate), c, 1, 2);
    first_float_input(s.session(kAccumulate)) = kNan;
    if (stop) expect_stops(s.session(kAccumulate), "'the loss'");
    else run_or_throw(s.session(kAccumulate));
    EXPECT_EQ(s.number(kAddedState), 1);
    for (Stepper* k : {&s, &clean}) k->run(c, 1, 4);
    EXPECT_EQ(s.number(kAddedState), 0);
    const std::set<std::string> counts = {kSkippedState};
    EXPECT_TRUE(s.all(counts) == clean.all(counts));
    if (!stop) {
      EXPECT_EQ(s.number(kSkippedState), 1);
    }
  }
}

// --- scaled losses

TrainStepOptions scaling(const LossScale& scale) {
  TrainStepOptions o;
  o.loss_scale = scale;
  return o;
}

// A power of two changes no bit of what a step does.
TEST(LossScaling, GoodStepsAreThoseWithoutIt) {
  for (const StepNet& c : all_nets()) {
    SCOPED_TRACE(c.name);
    Stepper s(optimised_step(c, 4, adamw(), scaling({.initial = 1024}))), clean(optimised_step(c, 4, adamw()));
    for (uint64_t step = 1; step < 4; ++step)
      for (Stepper* k : {&s, &clean}) k->run(c, step);
    EXPECT_TRUE(s.all({kSkippedState, kLossScaleState, kGoodStepsState}) == clean.all());
    EXPECT_EQ(s.number(kSkippedState), 0);
    EXPECT_EQ(s.number(kGoodStepsState), 3);
  }
}

// torch.amp.GradScaler's rule: `interval` good steps in a row raise the scale, one that overflows lowers it and counts anew.
TEST(LossScaling, TheScaleAdapts) {
  const StepNet c = plain_nets()[0];
  Stepper s(optimised_step(c, 4, momentum(), scaling({.initial = 8, .growth = 4, .backoff = 0.25, .interval = 2})));
  const auto step = [&](uint64_t seed, bool good, double scale, double in_a_row) {
    set_batch(s.session(), c, seed);
    if (!good) first_float_input(s.session()) = kNan;
    run_or_throw(s.session());
    EXPECT_EQ(s.number(kLossScaleState), scale) << seed;
    EXPECT_EQ(s.number(kGoodStepsState), in_a_row) << seed;
  };
  step(1, true, 8, 1);
  step(2, true, 32, 0);
  step(3, true, 32, 1);
  step(4, false, 8, 0);
  step(5, true, 8, 1);
  step(6, true, 32, 0);
  EXPECT_EQ(s.number(kSkippedState), 1);
}

// Beyond float32 every gradient overflows: steps are skipped until the scale fits, then it learns.
TEST(LossScaling, ComesDownUntilItFits) {
  const StepNet c = plain_nets()[0];
  Stepper s(optimised_step(c, 4, momentum(), scaling({.initial = std::ldexp(1.0, 130)})));
  const std::set<std::string> moves = {kSkippedState, kLossScaleState, kGoodStepsState};
  const auto before = s.all(moves);
  for (uint64_t step = 1; step < 4; ++step) s.run(c, step);
  EXPECT_TRUE(s.all(moves) == before);
  EXPECT_EQ(s.number(kSkippedState), 3);
  EXPECT_EQ(s.number(kLossScaleState), std::ldexp(1.0, 127));
  for (uint64_t step = 4; step < 24; ++step) s.run(c, step);
  EXPECT_FALSE(s.all(moves) == before);
  EXPECT_LT(s.number(kSkippedState), 20);
}

// A piece of a batch that overflows lowers the scale and adds nothing.
TEST(LossScaling, OfPieces) {
  const StepNet c = plain_nets()[0];
  TrainStepOptions options = scaling({.initial = 1024}), plain;
  options.accumulate_entry = plain.accumulate_entry = kAccumulate;
  Stepper s(optimised_step(c, 2, momentum(), options)), clean(optimised_step(c, 2, momentum(), plain));
  set_batch(s.session(kAccumulate), c, 9);
  first_float_input(s.session(kAccumulate)) = kNan;
  run_or_throw(s.session(kAccumulate));
  EXPECT_EQ(s.number(kLossScaleState), 512);
  for (Stepper* k : {&s, &clean}) {
    k->run(c, 1, 0, kAccumulate);
    k->run(c, 1, 2);
  }
  EXPECT_TRUE(s.all({kSkippedState, kLossScaleState, kGoodStepsState}) == clean.all());
  EXPECT_EQ(s.number(kGoodStepsState), 1);
}

TEST(LossScaling, Errors) {
  TrainStepOptions both = scaling({});
  both.stop_if_not_finite = true;
  for (const auto& [options, text] : {std::pair{both, "either stops or is skipped"}, std::pair{scaling({.initial = 0}), "initial is above 0"},
                                      std::pair{scaling({.backoff = 2}), "backoff above 0 and at most 1"}, std::pair{scaling({.interval = 0}), "interval 1 or more"}}) {
    try {
      (void)step_graph(plain_nets()[0], 2, momentum(), options);
      ADD_FAILURE() << "nothing was thrown: " << text;
    } catch (const Exception& e) {
      EXPECT_EQ(e.code(), Error::InvalidArgument);
      EXPECT_NE(std::string(e.what()).find(text), std::string::npos) << e.what();
    }
  }
}

}  // namespace
}  // namespace gf::test
