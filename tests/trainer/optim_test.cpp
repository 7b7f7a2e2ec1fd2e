// Every optimizer against PyTorch's (or its paper's) in float64 and with parameters in bfloat16: data/optimizers.json and
// optimizers_bf16.json, made by make_optimizer_goldens.py. Settings, state and errors.
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "tests/support/paths.h"
#include "tests/trainer/update_support.h"
#include "trainer/optim/optimizers.h"

namespace gf::test {
namespace {

using namespace gf::optim;
using nlohmann::json;
using Vector = std::vector<double>;
using Vectors = std::vector<Vector>;

const json& goldens() {
  static const json all = json::parse(std::ifstream(std::string(kSourceDir) + "/tests/trainer/data/optimizers.json"));
  return all;
}
const json& bf16_goldens() {
  static const json all = json::parse(std::ifstream(std::string(kSourceDir) + "/tests/trainer/data/optimizers_bf16.json"));
  return all;
}
const json& case_of(const json& all, const std::string& name) {
  for (const json& c : all["cases"])
    if (c["name"] == name) return c;
  throw Exception(Error::NotFound, name);
}

std::set<std::string>& compared() {
  static std::set<std::string> names;
  return names;
}

template <class T>
void follow(const Optimizer& rule, const json& c, Tolerance tolerance) {
  SCOPED_TRACE(sizeof(T) == 8 ? "float64" : "float32");
  std::vector<size_t> chosen;
  std::vector<std::vector<int64_t>> shapes;
  for (const auto& [k, expected] : c["parameters"].items()) {
    chosen.push_back(std::stoul(k));
    shapes.push_back(goldens()["shapes"][chosen.back()]);
  }
  UpdateRun<T> run(rule, shapes);
  for (size_t k = 0; k < chosen.size(); ++k) run.set(run.name(k), goldens()["start"][chosen[k]]);
  const auto factors = goldens()["rate_factors"].get<Vector>();
  const auto expect = [&](size_t k, const std::string& what, const json& values) {
    EXPECT_TRUE(all_close(run.get(what), values.get<Vector>(), tolerance)) << what << " of shape " << goldens()["shapes"][chosen[k]];
  };
  for (size_t t = 1; t <= factors.size(); ++t) {
    Vectors gradients;
    for (const size_t k : chosen) gradients.push_back(goldens()["gradients"][t - 1][k]);
    run.step(rule.learning_rate() * factors[t - 1], static_cast<double>(t), gradients);
    for (size_t k = 0; k < chosen.size(); ++k) {
      const json& expected = c["parameters"][std::to_string(chosen[k])];
      if (expected.contains(std::to_string(t))) expect(k, run.name(k), expected[std::to_string(t)]);
    }
  }
  for (size_t k = 0; k < chosen.size(); ++k) {
    const json& state = c["parameters"][std::to_string(chosen[k])]["state"];
    EXPECT_EQ(run.slots(k).size(), state.size());
    for (const auto& [slot, values] : state.items()) expect(k, run.name(k, slot), values);
  }
}

// Parameters, moments and gradients in bfloat16, after 20 steps. A number in thirty may have been rounded the other way once, as that hangs on
// the last bit of float32 arithmetic; no more than that.
void follow_bf16(const Optimizer& rule, const json& c, bool fused) {
  SCOPED_TRACE(fused ? "bfloat16, fused" : "bfloat16");
  std::vector<size_t> chosen;
  std::vector<std::vector<int64_t>> shapes;
  for (const auto& [k, expected] : c["parameters"].items()) {
    chosen.push_back(std::stoul(k));
    shapes.push_back(goldens()["shapes"][chosen.back()]);
  }
  UpdateRun<BF16> run(rule, shapes, fused);
  for (size_t k = 0; k < chosen.size(); ++k) run.set(run.name(k), goldens()["start"][chosen[k]]);
  const auto factors = goldens()["rate_factors"].get<Vector>();
  for (size_t t = 1; t <= factors.size(); ++t) {
    Vectors gradients;
    for (const size_t k : chosen) gradients.push_back(goldens()["gradients"][t - 1][k]);
    run.step(rule.learning_rate() * factors[t - 1], static_cast<double>(t), gradients);
  }
  int count = 0, other = 0;
  const auto compare = [&](const std::string& what, const json& values) {
    const Vector have = run.get(what), want = values.get<Vector>();
    ASSERT_EQ(have.size(), want.size()) << what;
    for (size_t i = 0; i < want.size(); ++i) {
      ++count;
      if (std::fabs(have[i] - want[i]) > 1e-6 * std::fabs(want[i])) ++other;
    }
    EXPECT_TRUE(all_close(have, want, {.relative = 0x1p-7, .absolute = 0x1p-12})) << what;
  };
  for (size_t k = 0; k < chosen.size(); ++k) {
    const json& expected = c["parameters"][std::to_string(chosen[k])];
    compare(run.name(k), expected["end"]);
    for (const auto& [slot, values] : expected["state"].items()) compare(run.name(k, slot), values);
  }
  EXPECT_LE(other, count / 30) << "of " << count;
}

void expect_like_reference(const std::string& name, const Optimizer& rule) {
  SCOPED_TRACE(name);
  const json& c = case_of(goldens(), name);
  compared().insert(name);
  follow<double>(rule, c, {.relative = 1e-9, .absolute = 1e-12});
  follow<float>(rule, c, {.relative = 1e-6, .absolute = 1e-6});  // of sums as large as 10
  for (const bool fused : {false, true}) follow_bf16(rule, case_of(bf16_goldens(), name), fused);
}

TEST(Optimizers, Sgd) {
  expect_like_reference("sgd", SGD());
  expect_like_reference("sgd_momentum", SGD({.lr = 0.1, .momentum = 0.9}));
  expect_like_reference("sgd_dampening", SGD({.lr = 0.1, .momentum = 0.8, .dampening = 0.3, .weight_decay = 0.01}));
  expect_like_reference("sgd_nesterov", SGD({.lr = 0.1, .momentum = 0.9, .weight_decay = 0.1, .nesterov = true}));
  expect_like_reference("sgd_maximize", SGD({.lr = 0.1, .weight_decay = 0.1, .maximize = true}));
}

TEST(Optimizers, Adam) {
  expect_like_reference("adam", Adam());
  expect_like_reference("adam_l2", Adam({.lr = 0.1, .betas = {0.8, 0.95}, .eps = 1e-3, .weight_decay = 0.1}));
  expect_like_reference("adam_amsgrad", Adam({.lr = 0.1, .betas = {0.9, 0.7}, .amsgrad = true, .maximize = true}));
  expect_like_reference("adam_no_momentum", Adam({.lr = 0.1, .betas = {0, 0}}));
  expect_like_reference("adamw", AdamW());
  expect_like_reference("adamw", Adam({.weight_decay = 1e-2, .decoupled_weight_decay = true}));
  expect_like_reference("adamw_amsgrad",
                        AdamW({.lr = 0.1, .betas = {0.9, 0.7}, .weight_decay = 0.3, .amsgrad = true, .maximize = true}));
}

TEST(Optimizers, AdamaxNadamRadam) {
  expect_like_reference("adamax", Adamax());
  expect_like_reference("adamax_l2", Adamax({.lr = 0.1, .betas = {0.8, 0.9}, .eps = 1e-2, .weight_decay = 0.1, .maximize = true}));
  expect_like_reference("nadam", NAdam());
  expect_like_reference("nadam_l2", NAdam({.lr = 0.1, .betas = {0.8, 0.9}, .weight_decay = 0.1, .momentum_decay = 0.1, .maximize = true}));
  expect_like_reference("nadam_decoupled", NAdam({.lr = 0.1, .eps = 1e-2, .weight_decay = 0.1, .decoupled_weight_decay = true}));
  expect_like_reference("radam", RAdam());
  expect_like_reference("radam_l2", RAdam({.lr = 0.1, .betas = {0.8, 0.9}, .eps = 1e-2, .weight_decay = 0.1, .maximize = true}));
  expect_like_reference("radam_decoupled", RAdam({.lr = 0.1, .weight_decay = 0.1, .decoupled_weight_decay = true}));
  expect_like_reference("radam_never_rectified", RAdam({.lr = 0.1, .betas = {0.9, 0.6}}));
}

TEST(Optimizers, AdaptiveRates) {
  expect_like_reference("rmsprop", RMSprop());
  expect_like_reference("rmsprop_momentum", RMSprop({.alpha = 0.9, .eps = 1e-3, .momentum = 0.9}));
  expect_like_reference("rmsprop_centered", RMSprop({.alpha = 0.8, .weight_decay = 0.1, .centered = true}));
  expect_like_reference("rmsprop_all",
                        RMSprop({.alpha = 0.9, .weight_decay = 0.1, .momentum = 0.5, .centered = true, .maximize = true}));
  expect_like_reference("adagrad", Adagrad());
  expect_like_reference("adagrad_all", Adagrad({.lr = 0.1, .lr_decay = 0.1, .weight_decay = 0.1, .initial_accumulator_value = 0.5,
                                                .eps = 1e-3, .maximize = true}));
  expect_like_reference("adadelta", Adadelta());
  expect_like_reference("adadelta_l2", Adadelta({.lr = 0.5, .rho = 0.8, .eps = 1e-3, .weight_decay = 0.1, .maximize = true}));
}

TEST(Optimizers, Adafactor) {
  expect_like_reference("adafactor", Adafactor());
  expect_like_reference("adafactor_all", Adafactor({.lr = 0.5, .beta2_decay = -0.5, .eps1 = 1e-2, .eps2 = 2, .d = 1.5,
                                                    .weight_decay = 0.1, .maximize = true}));
}

TEST(Optimizers, Muon) {
  expect_like_reference("muon", Muon());
  expect_like_reference("muon_plain", Muon({.lr = 0.1, .weight_decay = 0, .momentum = 0.8, .nesterov = false,
                                            .ns_coefficients = {2, -1.5, 0.5}, .ns_steps = 3,
                                            .adjust_lr = MuonSettings::AdjustLr::MatchRmsAdamW}));
}

TEST(Optimizers, ByTheirPapers) {
  expect_like_reference("lion", Lion());
  expect_like_reference("lion_decay", Lion({.lr = 0.01, .betas = {0.8, 0.95}, .weight_decay = 0.5, .maximize = true}));
  expect_like_reference("lamb", LAMB());
  expect_like_reference("lamb_plain", LAMB({.lr = 0.1, .betas = {0.8, 0.9}, .eps = 1e-3, .weight_decay = 0, .maximize = true}));
  expect_like_reference("lars", LARS());
  expect_like_reference("lars_trust",
                        LARS({.lr = 0.5, .momentum = 0.5, .weight_decay = 0.1, .trust_coefficient = 0.1, .maximize = true}));
}

TEST(Optimizers, EveryCaseWasCompared) {
  const auto* all = testing::UnitTest::GetInstance();
  if (all->test_to_run_count() != all->total_test_count()) GTEST_SKIP() << "other tests of this group were filtered out";
  for (const json& c : goldens()["cases"]) EXPECT_TRUE(compared().contains(c["name"].get<std::string>())) << c["name"];
}

// All that touches as many elements as the parameter is cheap arithmetic, which a pass may fuse into one kernel.
TEST(Optimizers, RulesAreElementwise) {
  const std::set<std::string> cheap{"add", "sub", "mul", "div", "sqrt", "neg", "abs", "sign", "max"};
  const auto expect_elementwise = [&](const Optimizer& rule, int most) {
    SCOPED_TRACE(rule.name());
    const UpdateRun<float> run(rule, {{4, 3}});
    int count = 0;
    for (const auto& n : run.entry().body.nodes) {
      const auto is_whole = [&](ir::ValueId v) { return run.entry().value(v).shape.rank == 2; };
      if (std::none_of(n->inputs.begin(), n->inputs.end(), is_whole)) continue;
      EXPECT_TRUE(cheap.contains(n->def->info.name)) << n->def->info.name;
      ++count;
    }
    EXPECT_LE(count, most);
  };
  expect_elementwise(SGD(), 2);
  expect_elementwise(SGD({.momentum = 0.9, .dampening = 0.1, .weight_decay = 0.1}), 7);
  expect_elementwise(Adam(), 13);
  expect_elementwise(AdamW({.amsgrad = true}), 15);
  expect_elementwise(Adamax(), 10);
  expect_elementwise(NAdam(), 15);
  expect_elementwise(RAdam(), 13);
  expect_elementwise(RMSprop({.momentum = 0.9, .centered = true}), 16);
  expect_elementwise(Adagrad(), 7);
  expect_elementwise(Adadelta(), 16);
  expect_elementwise(Lion(), 9);
}

// One kernel, whatever is kept in 16 bits: nothing as large as the parameter is cast by itself.
TEST(Optimizers, UpdatesIn16BitsAreOneKernel) {
  const auto expect_one = [&](const auto& run, const std::string& what, int most = 1) {
    SCOPED_TRACE(what);
    int kernels = 0;
    for (const auto& n : run.entry().body.nodes) {
      if (run.entry().value(n->outputs[0]).shape.rank != 2) continue;
      EXPECT_STREQ(n->def->info.name, "pointwise");
      ++kernels;
    }
    EXPECT_LE(kernels, most);
  };
  const std::vector<std::vector<int64_t>> one = {{4, 3}};
  for (const std::optional<DType> state : {std::optional<DType>(), std::optional(DType::F32), std::optional(DType::BF16)}) {
    const std::string what = state ? dtype_name(*state) : "the parameter's type";
    expect_one(UpdateRun<BF16>(SGD({.momentum = 0.9, .weight_decay = 0.1, .nesterov = true, .state_dtype = state}), one, true), "SGD " + what);
    expect_one(UpdateRun<float>(SGD({.momentum = 0.9, .weight_decay = 0.1, .nesterov = true, .state_dtype = state}), one, true), "SGD of float32 " + what);
    expect_one(UpdateRun<BF16>(AdamW({.state_dtype = state}), one, true), "AdamW " + what);
    expect_one(UpdateRun<float>(AdamW({.state_dtype = state}), one, true), "AdamW of float32 " + what);
    expect_one(UpdateRun<float>(Adam({.weight_decay = 0.1, .amsgrad = true, .maximize = true, .state_dtype = state}), one, true), "AMSGrad of float32 " + what);
    expect_one(UpdateRun<float>(Lion({.weight_decay = 0.1, .state_dtype = state}), one, true), "Lion of float32 " + what, 2);  // its moment is not on the way to its parameter
  }
  expect_one(UpdateRun<BF16>(NAdam(), one, true), "NAdam");
  expect_one(UpdateRun<BF16>(RAdam(), one, true), "RAdam");
  expect_one(UpdateRun<BF16>(Adagrad(), one, true), "Adagrad");
}

// Root of the mean square that Adam keeps, beside that of float32, over steps with beta 0.999 of which the later gradients are ten times
// smaller.
template <class T>
Vector kept_beside_float32(const AdamSettings& settings, int64_t elements, int steps) {
  UpdateRun<T> kept{Adam(settings), {{elements}}, true};
  UpdateRun<float> wide{Adam(), {{elements}}};
  Random random(7);
  Vector scale;
  for (int64_t i = 0; i < elements; ++i) scale.push_back(std::exp(4 * random.unit() - 2));
  for (int t = 1; t <= steps; ++t) {
    Vector g;
    for (const double s : scale) g.push_back(static_cast<double>(to_f32(to_bf16(static_cast<float>((t <= steps / 3 ? 1 : 0.1) * s * (2 * random.unit() - 1))))));
    kept.step(0, t, {g});
    wide.step(0, t, {g});
  }
  Vector ratio = kept.get("0.exp_avg_sq");
  const Vector want = wide.get("0.exp_avg_sq");
  for (size_t i = 0; i < ratio.size(); ++i) ratio[i] = std::sqrt(ratio[i] / want[i]);
  return ratio;
}

TEST(Optimizers, MomentsInBfloat16FollowThoseInFloat32) {
  constexpr int64_t kElements = 256;
  constexpr int kSteps = 6000;
  double mean = 0;
  for (const double r : kept_beside_float32<float>({.state_dtype = DType::BF16}, kElements, kSteps)) {
    EXPECT_NEAR(r, 1, 0.1);
    mean += r / static_cast<double>(kElements);
  }
  EXPECT_NEAR(mean, 1, 0.02);
  // rounded to nearest, as PyTorch has it for parameters in bfloat16, they stand still where they were
  double still = 0;
  for (const double r : kept_beside_float32<BF16>({}, kElements, kSteps)) still += r / static_cast<double>(kElements);
  EXPECT_GT(still, 3);
}

void expect_error(const std::function<void()>& make, Error code, const std::string& text) {
  try {
    make();
    ADD_FAILURE() << "no error; expected: " << text;
  } catch (const Exception& e) {
    EXPECT_EQ(e.code(), code) << e.what();
    EXPECT_NE(std::string(e.what()).find(text), std::string::npos) << e.what();
  }
}

TEST(Optimizers, BadSettingsAreNamed) {
  const auto refused = [](const std::function<void()>& make, const std::string& text) {
    expect_error(make, Error::InvalidArgument, text);
  };
  const double nan = std::nan(""), inf = std::numeric_limits<double>::infinity();
  for (const double bad : {-1.0, nan, inf}) {
    refused([&] { SGD({.lr = bad}); }, "SGD: lr is ");
    refused([&] { Adam({.lr = bad}); }, "Adam: lr is ");
    refused([&] { AdamW({.lr = bad}); }, "AdamW: lr is ");
    refused([&] { Adamax({.lr = bad}); }, "Adamax: lr is ");
    refused([&] { NAdam({.lr = bad}); }, "NAdam: lr is ");
    refused([&] { RAdam({.lr = bad}); }, "RAdam: lr is ");
    refused([&] { RMSprop({.lr = bad}); }, "RMSprop: lr is ");
    refused([&] { Adagrad({.lr = bad}); }, "Adagrad: lr is ");
    refused([&] { Adadelta({.lr = bad}); }, "Adadelta: lr is ");
    refused([&] { Lion({.lr = bad}); }, "Lion: lr is ");
    refused([&] { LAMB({.lr = bad}); }, "LAMB: lr is ");
    refused([&] { LARS({.lr = bad}); }, "LARS: lr is ");
    refused([&] { Adafactor({.lr = bad}); }, "Adafactor: lr is ");
    refused([&] { Muon({.lr = bad}); }, "Muon: lr is ");
    refused([&] { SGD({.momentum = bad}); }, "momentum");
    refused([&] { SGD({.weight_decay = bad}); }, "weight_decay");
    refused([&] { Adam({.eps = bad}); }, "eps");
    refused([&] { Adam({.betas = {bad, 0.9}}); }, "betas[0]");
    refused([&] { AdamW({.betas = {0.9, bad}}); }, "betas[1]");
    refused([&] { NAdam({.momentum_decay = bad}); }, "momentum_decay");
    refused([&] { RMSprop({.alpha = bad}); }, "alpha");
    refused([&] { RMSprop({.momentum = bad}); }, "momentum");
    refused([&] { Adagrad({.lr_decay = bad}); }, "lr_decay");
    refused([&] { Adagrad({.initial_accumulator_value = bad}); }, "initial_accumulator_value");
    refused([&] { Adadelta({.rho = bad}); }, "rho");
    refused([&] { Lion({.betas = {0.9, bad}}); }, "betas[1]");
    refused([&] { LAMB({.eps = bad}); }, "eps");
    refused([&] { LARS({.trust_coefficient = bad}); }, "trust_coefficient");
    refused([&] { Adafactor({.eps1 = bad}); }, "eps1");
    refused([&] { Adafactor({.eps2 = bad}); }, "eps2");
    refused([&] { Adafactor({.d = bad}); }, "d is");
    refused([&] { Muon({.momentum = bad}); }, "momentum");
  }
  for (const double bad : {nan, inf}) {
    refused([&] { SGD({.dampening = bad}); }, "dampening");
    refused([&] { Muon({.ns_coefficients = {3, bad, 2}}); }, "ns_coefficients[1]");
  }
  refused([] { SGD({.momentum = 0.9, .state_dtype = DType::F16}); }, "SGD: state_dtype is float16");
  refused([] { AdamW({.state_dtype = DType::I8}); }, "AdamW: state_dtype is int8");
  refused([] { Lion({.state_dtype = DType::F64}); }, "Lion: state_dtype is float64");
  refused([] { Adam({.eps = -1e-9}); }, "eps is -1e-09; it must be finite and not negative");
  refused([] { Adam({.betas = {0.9, 1}}); }, "betas[1]");
  refused([] { Adafactor({.beta2_decay = 0.1}); }, "beta2_decay");
  refused([] { Muon({.ns_steps = 100}); }, "ns_steps");
  refused([] { SGD({.nesterov = true}); }, "nesterov");
  refused([] { SGD({.momentum = 0.9, .dampening = 0.1, .nesterov = true}); }, "nesterov");
}

struct OneUpdate {
  Net net;
  UpdateValues values;

  explicit OneUpdate(DType parameter = DType::F32, const std::vector<Dim>& dims = {2, 3}, DType scalars = DType::F64)
      : values{net.input("p", dims, parameter), net.input("g", dims, parameter), {}, net.input("lr", {}, scalars),
               net.input("t", {}, scalars)} {}
  void apply(const Optimizer& rule) {
    const int rank = net.b.rank(values.parameter);
    for (const Slot& s : rule.slots(rank)) values.slots.push_back(net.input(s.name, {2, 3}, slot_dtype(s, DType::F32)));
    GraphUpdate(net.entry, net.entry.body, OpTable{}, "fc.weight", values).apply(rule);
  }
};

TEST(Optimizers, UpdatesThatCannotBeAreErrors) {
  expect_error([] { OneUpdate(DType::F32, {4}).apply(Muon()); }, Error::Unsupported, "Muon, parameter 'fc.weight': Muon updates matrices");
  expect_error([] { OneUpdate(DType::I8).apply(SGD()); }, Error::TypeMismatch, "SGD, parameter 'fc.weight'");
  expect_error([] { OneUpdate(DType::I64).apply(SGD()); }, Error::TypeMismatch, "int64");
  expect_error([] { OneUpdate(DType::F32, {2, 3}, DType::F32).apply(SGD()); }, Error::TypeMismatch, "float64 scalars");
  expect_error([] { OneUpdate(DType::F32, {Dim(1, 8, 1), 3}).apply(SGD()); }, Error::ShapeMismatch, "not constant");
  expect_error(
      [] {
        OneUpdate u;
        u.values.gradient = u.net.input("other", {3, 2});
        u.apply(SGD());
      },
      Error::ShapeMismatch, "gradient");
}

// Mixed precision: gradients in 16 bits, the parameter in float32.
TEST(Optimizers, AGradientOfAnotherTypeIsCast) {
  OneUpdate u;
  u.values.gradient = u.net.input("half", {2, 3}, DType::F16);
  GraphUpdate update(u.net.entry, u.net.entry.body, OpTable{}, "p", u.values);
  update.apply(SGD());
  EXPECT_EQ(u.net.b.dtype(update.new_parameter()), DType::F32);
  EXPECT_EQ(count_of(op_counts(u.net.model), "cast"), 2) << "the gradient, and the learning rate";
}

}  // namespace
}  // namespace gf::test
