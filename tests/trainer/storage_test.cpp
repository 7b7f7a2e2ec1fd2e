// What a step keeps: moments of optimizers and weights in 16 bits, and tables (embeddings) that get their rows in place.
#include <cmath>

#include "tests/support/heap_counter.h"
#include "tests/trainer/step_nets.h"
#include "trainer/nn/layers.h"

namespace gf::test {
namespace {

constexpr auto kBf16 = std::optional(DType::BF16);

uint64_t state_bytes(const Loaded& l) {
  uint64_t sum = 0;
  for (int k = 0; k < l.state->count(); ++k) sum += l.state->bytes(k).size();
  return sum;
}
std::span<float> floats(Loaded& l, const std::string& name) {
  const auto b = l.state->bytes(l.state->find(name));
  return {reinterpret_cast<float*>(b.data()), b.size() / sizeof(float)};
}
TrainStepOptions options_with(void (*set)(TrainStepOptions&)) {
  TrainStepOptions o;
  set(o);
  return o;
}
float loss_of(const Session& s) { return *s.output(0).as<const float>(); }

// --- moments in 16 bits

struct Kept {
  std::string name;
  Rule wide, narrow;
  uint64_t slots;
};
std::vector<Kept> kept_rules() {
  using namespace optim;
  return {{"SGD", std::make_shared<SGD>(SgdSettings{.lr = 0.05, .momentum = 0.9}), std::make_shared<SGD>(SgdSettings{.lr = 0.05, .momentum = 0.9, .state_dtype = kBf16}), 1},
          {"AdamW", std::make_shared<AdamW>(AdamWSettings{.lr = 3e-3}), std::make_shared<AdamW>(AdamWSettings{.lr = 3e-3, .state_dtype = kBf16}), 2},
          {"AMSGrad", std::make_shared<Adam>(AdamSettings{.lr = 3e-3, .amsgrad = true}), std::make_shared<Adam>(AdamSettings{.lr = 3e-3, .amsgrad = true, .state_dtype = kBf16}), 3},
          {"Lion", std::make_shared<Lion>(LionSettings{.lr = 1e-3}), std::make_shared<Lion>(LionSettings{.lr = 1e-3, .state_dtype = kBf16}), 1}};
}

// And no more activations but for the number that dithers them.
TEST(Moments, In16BitsTakeHalfTheMemory) {
  for (const StepNet& c : plain_nets())
    for (const Kept& k : kept_rules()) {
      SCOPED_TRACE(c.name + ", " + k.name);
      ir::Model wide = optimised_step(c, 4, k.wide), narrow = optimised_step(c, 4, k.narrow);
      Loaded a(emit(wide), Loaded::with(), default_tables(false)), b(emit(narrow), Loaded::with(), default_tables(false));
      uint64_t parameters = 0;
      for (const auto& [name, p] : c.make(4).net->named_parameters()) parameters += static_cast<uint64_t>(p.numel());
      EXPECT_EQ(state_bytes(a) - state_bytes(b), 2 * k.slots * parameters);
      EXPECT_LE(Running(b).needs.activation_bytes, Running(a).needs.activation_bytes + 128);
      std::printf("%-10s %-8s State %8llu -> %8llu bytes\n", c.name.c_str(), k.name.c_str(), static_cast<unsigned long long>(state_bytes(a)), static_cast<unsigned long long>(state_bytes(b)));
    }
}

// Eight batches that come again, as a language model learns them by heart: in the end the mean loss over all of them is what it is with
// moments in float32, within a twentieth. (Adam with beta 0.999, of which rounding to nearest keeps the largest squares that it ever saw.) Lion, whose
// steps of one size never settle: within a hundredth of the loss at the start.
float trained(const StepNet& c, const Rule& rule, uint64_t steps) {
  ir::Model graph = optimised_step(c, 4, rule);
  Loaded l(emit(graph), Loaded::with(), default_tables(false));
  Running r(l);
  float sum = 0;
  for (uint64_t step = 0; step < steps; ++step) {
    set_batch(r.session, c, step % 8 + 1);
    run_or_throw(r.session);
    if (step + 8 >= steps) sum += loss_of(r.session) / 8;
  }
  return sum;
}
TEST(Moments, In16BitsLearnAsWell) {
  for (const StepNet& c : plain_nets())
    for (const Kept& k : kept_rules()) {
      if (c.name == "lenet" || (c.name == "mlp" && k.name == "Lion")) continue;  // time
      SCOPED_TRACE(c.name + ", " + k.name);
      const float first = trained(c, k.wide, 8), wide = trained(c, k.wide, 800), narrow = trained(c, k.narrow, 800);
      std::printf("%-10s %-8s loss %.4f, after 800 steps %.4f, with moments in 16 bits %.4f\n", c.name.c_str(), k.name.c_str(), static_cast<double>(first), static_cast<double>(wide), static_cast<double>(narrow));
      EXPECT_LT(wide, 0.95F * first);
      EXPECT_LT(std::fabs(narrow - wide), k.name == "Lion" ? 0.01F * first : 0.05F * wide);
    }
}

// --- weights in 16 bits

// tanh(x w1 + b1) w2 + b2 with cross entropy in float32, all else in bfloat16.
struct Bf16Net : Net {
  ir::ValueId loss = ir::kNoValue;

  Bf16Net() {
    const auto x = input("x", {32, 16}, DType::BF16), t = input("t", {32}, DType::I64);
    const auto h = b.add<op::Tanh>({b.add<op::Add>({b.add<op::MatMul>({x, weight("w1", {16, 24})}), weight("b1", {24})})});
    const auto scores = b.add<op::Add>({b.add<op::MatMul>({h, weight("w2", {24, 4})}), weight("b2", {4})});
    loss = b.add<op::SoftmaxCrossEntropyLoss>({b.cast(scores, DType::F32), t});
    output("loss", loss);
  }
  ir::ValueId weight(const std::string& name, const std::vector<int64_t>& dims) {
    std::vector<float> v = random_vector<float>(static_cast<size_t>(dims.size() == 2 ? dims[0] * dims[1] : dims[0]), seed++, -0.3F, 0.3F);
    std::vector<std::byte> bytes(2 * v.size());
    for (size_t i = 0; i < v.size(); ++i) reinterpret_cast<BF16*>(bytes.data())[i] = to_bf16(v[i]);
    return entry.add_constant(ir::make_constant(DType::BF16, dims, std::move(bytes)), name);
  }
};

TEST(Weights, In16BitsTrainWithEveryRule) {
  using namespace optim;
  const std::vector<std::pair<Rule, bool>> rules = {
      {std::make_shared<SGD>(SgdSettings{.lr = 0.5}), true}, {std::make_shared<SGD>(SgdSettings{.lr = 0.2, .momentum = 0.9, .weight_decay = 1e-3}), true},
      {std::make_shared<Adam>(AdamSettings{.lr = 0.02}), true}, {std::make_shared<AdamW>(AdamWSettings{.lr = 0.02, .state_dtype = DType::F32}), false},
      {std::make_shared<Adamax>(AdamaxSettings{.lr = 0.02}), true}, {std::make_shared<NAdam>(NAdamSettings{.lr = 0.02}), true},
      {std::make_shared<RAdam>(RAdamSettings{.lr = 0.05}), true}, {std::make_shared<RMSprop>(RMSpropSettings{.lr = 0.01}), true},
      {std::make_shared<Adagrad>(AdagradSettings{.lr = 0.1}), true}, {std::make_shared<Adadelta>(AdadeltaSettings{.lr = 20}), true},
      {std::make_shared<Adafactor>(AdafactorSettings{.lr = 0.05}), true}, {std::make_shared<Lion>(LionSettings{.lr = 0.01}), true},
      {std::make_shared<LAMB>(LambSettings{.lr = 0.05}), true}, {std::make_shared<LARS>(LarsSettings{.lr = 1, .trust_coefficient = 0.1}), true}};
  for (const auto& [rule, all_narrow] : rules) {
    SCOPED_TRACE(rule->name());
    Bf16Net n;
    const std::vector<std::string> names = weight_names(n.model);
    ASSERT_EQ(names.size(), 4U);
    make_parameters(n.model, names);
    add_train_step(n.model, n.entry, n.loss, {{names, rule}}, options_with([](TrainStepOptions& o) { o.clip_norm = 10; }));
    run_passes(n.model, step_passes());
    Loaded l(emit(n.model), Loaded::with(), default_tables(false));
    for (int k = 0; k < l.state->count(); ++k) {
      const auto s = l.program->state(k);
      if (all_narrow && l.state->bytes(k).size() > 8) {
        EXPECT_EQ(s.dtype, DType::BF16) << s.name;
      }
    }
    Running r(l);
    float first = 0, last = 0;
    for (uint64_t step = 0; step < 60; ++step) {
      Random random(5);
      for (int64_t i = 0; i < 32; ++i) {
        const int64_t label = random.integer(0, 3);
        r.session.input(1).as<int64_t>()[i] = label;
        for (int64_t j = 0; j < 16; ++j)
          r.session.input(0).as<BF16>()[i * 16 + j] = to_bf16(static_cast<float>(random.unit() + (j == label ? 1 : 0)));
      }
      run_or_throw(r.session);
      last = loss_of(r.session);
      if (step == 0) first = last;
    }
    EXPECT_LT(last, 0.7F * first);
  }
}

// --- rows in place

constexpr int64_t kRows = 4096, kDim = 16;
constexpr uint64_t kTableBytes = kRows * kDim * sizeof(float);

// The mean of some rows says the class.
StepNet table_net(std::optional<int64_t> padding = {}, int64_t words = kRows) {
  return {"table", words, [padding](int64_t n) {
            const auto table = std::make_shared<nn::Embedding>(kRows, kDim, padding);
            const std::shared_ptr<nn::Module> net(new nn::Sequential{table, std::make_shared<nn::Lambda>([](const Tensor& x) { return mean(x, {1}); }), std::make_shared<nn::Linear>(kDim, 8)});
            const Tensor x = Tensor::zeros({n, 12}, DType::I64), t = Tensor::zeros({n}, DType::I64);
            return Training{net, {{"x", x}, {"t", t}}, [=] { return nn::cross_entropy((*net)(x), t); }};
          }};
}
// Few words, so that many stand several times in a batch, from both ends of the table; labels are below 8.
void set_words(Session& s, uint64_t seed, int64_t most = 40) {
  Random random(seed);
  for (int64_t k = 0; k < s.input(0).count(); ++k) s.input(0).as<int64_t>()[k] = k % 3 == 0 ? -1 - random.integer(0, most) : random.integer(0, most);
  for (int64_t k = 0; k < s.input(1).count(); ++k) s.input(1).as<int64_t>()[k] = random.integer(0, 7);
}
Rule plain_sgd() { return std::make_shared<optim::SGD>(optim::SgdSettings{.lr = 0.5}); }

// The table after ten steps, as the graph was written and after the passes.
void expect_same_table(const StepNet& c, const Rule& rule, const TrainStepOptions& options, bool in_place) {
  ir::Model dense = step_graph(c, 8, rule, options), fast = optimised_step(c, 8, rule, options);
  Loaded a(emit(dense), Loaded::with(), default_tables(false)), b(emit(fast), Loaded::with(), default_tables(false));
  Running plain(a), quick(b);
  const std::vector<float> before(floats(b, "0.weight").begin(), floats(b, "0.weight").end());
  for (uint64_t step = 0; step < 10; ++step) {
    set_words(plain.session, step);
    set_words(quick.session, step);
    run_or_throw(plain.session);
    run_or_throw(quick.session);
    EXPECT_NEAR(loss_of(quick.session), loss_of(plain.session), 1e-6F);
  }
  const auto want = floats(a, "0.weight"), have = floats(b, "0.weight");
  size_t moved = 0;
  for (size_t i = 0; i < want.size(); ++i) {
    ASSERT_NEAR(have[i], want[i], 2e-6F) << i;
    moved += have[i] != before[i] ? 1U : 0U;
  }
  EXPECT_GT(moved, 20U * kDim);
  EXPECT_LE(moved, 82U * kDim) << "rows that were read";
  if (in_place) {
    EXPECT_LT(quick.needs.activation_bytes, kTableBytes / 4);
  } else {
    EXPECT_GE(quick.needs.activation_bytes, kTableBytes);
  }
  EXPECT_GE(plain.needs.activation_bytes, kTableBytes);
}

TEST(Rows, PlainDescentAddsThemInPlace) {
  expect_same_table(table_net(), plain_sgd(), {}, true);
  expect_same_table(table_net(), std::make_shared<optim::SGD>(optim::SgdSettings{.lr = 0.02, .maximize = true}), {}, true);
}

// Lazy programs are compiled without an evaluator: nothing folds the zeros.
TEST(Rows, InPlaceWithoutAnEvaluatorToo) {
  ir::Model graph = step_graph(table_net(), 8, plain_sgd());
  PassOptions passes;
  passes.exact = true;
  run_passes(graph, passes);
  Loaded l(emit(graph), Loaded::with(), default_tables(false));
  EXPECT_LT(Running(l).needs.activation_bytes, kTableBytes / 4);
}

// The padding's row is read, and stays as it was.
TEST(Rows, ThoseOfPaddingStay) {
  const StepNet c = table_net(3);
  expect_same_table(c, plain_sgd(), {}, true);
  ir::Model graph = optimised_step(c, 8, plain_sgd());
  Loaded l(emit(graph), Loaded::with(), default_tables(false));
  Running r(l);
  set_words(r.session, 1, 5);
  run_or_throw(r.session);
  for (int64_t k = 0; k < kDim; ++k) EXPECT_EQ(floats(l, "0.weight")[static_cast<size_t>(3 * kDim + k)], 0);
  EXPECT_NE(floats(l, "0.weight")[static_cast<size_t>(4 * kDim)], 0);
}

// What looks at the whole gradient, or at every row, has it whole: with the results of before.
TEST(Rows, OtherwiseTheGradientIsDense) {
  expect_same_table(table_net(), plain_sgd(), options_with([](TrainStepOptions& o) { o.clip_norm = 0.01; }), false);
  expect_same_table(table_net(), plain_sgd(), options_with([](TrainStepOptions& o) { o.clip_value = 1e-3; }), false);
  expect_same_table(table_net(), plain_sgd(), options_with([](TrainStepOptions& o) { o.stop_if_not_finite = true; }), false);
  expect_same_table(table_net(), plain_sgd(), options_with([](TrainStepOptions& o) { o.skip_if_not_finite = true; }), false);
  expect_same_table(table_net(), plain_sgd(), options_with([](TrainStepOptions& o) { o.accumulate_entry = "accumulate"; }), false);
  expect_same_table(table_net(), momentum(), {}, false);
}

TEST(Rows, AnIndexOutsideStopsTheStepInTime) {
  ir::Model graph = optimised_step(table_net(), 8, plain_sgd());
  Loaded l(emit(graph), Loaded::with(), default_tables(false));
  Running r(l);
  std::vector<std::byte> before, after;
  append_state(before, *l.state);
  for (const int64_t bad : {kRows, -kRows - 1}) {
    set_words(r.session, 1);
    r.session.input(0).as<int64_t>()[17] = bad;
    ErrorDetail detail;
    EXPECT_EQ(r.session.run(&detail), Error::IndexOutOfRange);
  }
  append_state(after, *l.state);
  EXPECT_TRUE(before == after);
}

TEST(Rows, NoHeapAndAnyNumberOfThreads) {
  ir::Model graph = optimised_step(table_net(), 64, plain_sgd());
  const auto file = emit(graph);
  std::vector<std::vector<std::byte>> ends;
  for (const int threads : {1, 2, 4}) {
    Threads pool(threads);
    Loaded l(file, Loaded::with(pool.parallel()), default_tables(false));
    Running r(l);
    set_words(r.session, 1, 1500);
    run_or_throw(r.session);
    if (heap_counter_works()) {
      bool ok = true;
      const HeapCounts counts = count_heap_calls([&] {
        for (int step = 0; step < 5; ++step) ok = ok && r.session.run(nullptr) == Error::Ok;
      });
      EXPECT_TRUE(ok);
      EXPECT_EQ(counts.calls(), 0U);
    } else {
      for (int step = 0; step < 5; ++step) run_or_throw(r.session);
    }
    append_state(ends.emplace_back(), *l.state);
  }
  EXPECT_TRUE(ends[0] == ends[1] && ends[0] == ends[2]);
}

// A table that is a matrix too: the rows go into the gradient of the matrix, for every rule. And nothing of the step waits for the rows'
// indices any more: with Adam the weights of the layers are replaced as soon as their gradients are there.
TEST(Rows, OfATableThatIsAMatrixTooJoinItsGradient) {
  for (const StepNet& c : plain_nets()) {
    if (c.name != "char_gpt") continue;
    ir::Model graph = optimised_step(c, 4, adamw());
    int of_zeros = 0, of_sums = 0;
    size_t rows_at = 0, writes_before = 0, writes = 0;
    const ir::Entry& e = *graph.entries[0];
    for (size_t i = 0; i < e.body.nodes.size(); ++i) {
      const ir::Node& n = *e.body.nodes[i];
      if (n.is<op::AddRows>() && e.value(n.outputs[0]).shape[0].lo == 50) {
        (e.value(n.inputs[0]).is_constant() ? of_zeros : of_sums) += 1;
        rows_at = i;
      }
    }
    for (size_t i = 0; i < e.body.nodes.size(); ++i)
      if (e.body.nodes[i]->writes_state >= 0) {
        ++writes;
        writes_before += i < rows_at ? 1U : 0U;
      }
    EXPECT_EQ(of_zeros, 0);
    EXPECT_EQ(of_sums, 1);
    EXPECT_GT(writes_before, writes / 2);
  }
}

}  // namespace
}  // namespace gf::test
