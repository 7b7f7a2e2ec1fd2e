// Schedules against PyTorch's schedulers (data/schedules.json, made by make_schedule_goldens.py); their state and their errors.
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "runtime/core/exception.h"
#include "tests/support/compare.h"
#include "tests/support/paths.h"
#include "trainer/optim/schedule.h"

namespace gf::test {
namespace {

using namespace gf::optim;
using nlohmann::json;
using Vector = std::vector<double>;
constexpr Tolerance kClose{.relative = 1e-12, .absolute = 1e-15};

const json& goldens() {
  static const json all = json::parse(std::ifstream(std::string(kSourceDir) + "/tests/trainer/data/schedules.json"));
  return all;
}
Vector bases() { return goldens()["bases"]; }

std::set<std::string>& compared() {
  static std::set<std::string> names{"bases", "metrics"};
  return names;
}

void expect_rates(const std::string& name, const std::vector<Vector>& rates) {
  SCOPED_TRACE(name);
  ASSERT_TRUE(goldens().contains(name));
  compared().insert(name);
  for (size_t g = 0; g < rates.size(); ++g) EXPECT_TRUE(all_close(rates[g], goldens()[name][g].get<Vector>(), kClose)) << "group " << g;
}

void expect_like_torch(const std::string& name, const Schedule& schedule) {
  Scheduler s(schedule, bases());
  std::vector<Vector> rates(bases().size());
  for (size_t t = 0; t < goldens()[name][0].size(); ++t, s.step())
    for (size_t g = 0; g < rates.size(); ++g) rates[g].push_back(s.learning_rate(g));
  expect_rates(name, rates);
}

void expect_like_torch(const std::string& name, const PlateauSettings& settings) {
  Plateau plateau(settings, bases());
  std::vector<Vector> rates(bases().size());
  for (const json& metric : goldens()["metrics"]) {
    for (size_t g = 0; g < rates.size(); ++g) rates[g].push_back(plateau.learning_rate(g));
    plateau.step(metric.is_null() ? std::nan("") : metric.get<double>());
  }
  expect_rates(name, rates);
}

TEST(Schedules, Factors) {
  expect_like_torch("step", schedule::step({.step_size = 7}));
  expect_like_torch("step_gamma", schedule::step({.step_size = 4, .gamma = 0.7}));
  expect_like_torch("multi_step", schedule::multi_step({.milestones = {3, 4, 11}}));
  expect_like_torch("constant", schedule::constant());
  expect_like_torch("constant_half", schedule::constant({.factor = 0.5, .total_iters = 9}));
  expect_like_torch("linear", schedule::linear());
  expect_like_torch("linear_down", schedule::linear({.start_factor = 0.9, .end_factor = 0.1, .total_iters = 12}));
  expect_like_torch("exponential", schedule::exponential({.gamma = 0.8}));
  expect_like_torch("polynomial", schedule::polynomial());
  expect_like_torch("polynomial_square", schedule::polynomial({.total_iters = 15, .power = 2}));
  expect_like_torch("lambda", schedule::lambda([](int64_t t) { return 1 / (1 + static_cast<double>(t)); }));
}

TEST(Schedules, Cosines) {
  expect_like_torch("cosine", schedule::cosine({.t_max = 25}));
  expect_like_torch("cosine_rises", schedule::cosine({.t_max = 9, .eta_min = 1e-3}));
  expect_like_torch("cosine_warm_restarts", schedule::cosine_warm_restarts({.t_0 = 6}));
  expect_like_torch("cosine_warm_restarts_longer", schedule::cosine_warm_restarts({.t_0 = 3, .t_mult = 2, .eta_min = 1e-3}));
}

// A round that no int64 counts: the rate stays that of the round's first part.
TEST(Schedules, WarmRestartsOfAnyLength) {
  const Schedule s = schedule::cosine_warm_restarts({.t_0 = int64_t{1} << 40, .t_mult = int64_t{1} << 40});
  EXPECT_DOUBLE_EQ(s(0.5, int64_t{1} << 40), 0.5);
  EXPECT_DOUBLE_EQ(s(0.5, int64_t{1} << 62), 0.5 * (1 + std::cos(M_PI * 0x1p-18)) / 2);
}

TEST(Schedules, OneCycle) {
  using Anneal = schedule::OneCycleSettings::Anneal;
  expect_like_torch("one_cycle", schedule::one_cycle({.max_lr = 0.5, .total_steps = 26}));
  expect_like_torch("one_cycle_linear",
                    schedule::one_cycle({.max_lr = 0.5, .total_steps = 26, .pct_start = 0.4, .anneal_strategy = Anneal::Linear,
                                         .div_factor = 10, .final_div_factor = 100, .three_phase = true}));
  expect_like_torch("one_cycle_at_once", schedule::one_cycle({.max_lr = 0.5, .total_steps = 26, .pct_start = 0}));
}

TEST(Schedules, Wsd) {
  using Decay = schedule::WsdSettings::Decay;
  const auto make = [](double low, Decay decay) {
    return schedule::wsd({.warmup_steps = 6, .stable_steps = 9, .decay_steps = 8, .min_factor = low, .decay = decay});
  };
  expect_like_torch("wsd_linear", make(0, Decay::Linear));
  expect_like_torch("wsd_cosine", make(0.1, Decay::Cosine));
  expect_like_torch("wsd_sqrt", make(0.05, Decay::OneMinusSqrt));
}

TEST(Schedules, Chains) {
  const Schedule warm_up = schedule::linear({.start_factor = 0.1, .total_iters = 5});
  expect_like_torch("sequential", schedule::sequential({warm_up, schedule::cosine({.t_max = 10, .eta_min = 1e-3}),
                                                        schedule::exponential({.gamma = 0.9})}, {5, 15}));
  expect_like_torch("chained", schedule::chained({warm_up, schedule::cosine({.t_max = 25}), schedule::step({.step_size = 8, .gamma = 0.5})}));
}

TEST(Schedules, Plateaus) {
  using Mode = PlateauSettings::Mode;
  using Threshold = PlateauSettings::ThresholdMode;
  expect_like_torch("plateau", {.patience = 2});
  expect_like_torch("plateau_max", {.mode = Mode::Max, .factor = 0.5, .patience = 1, .threshold = 0.2, .threshold_mode = Threshold::Abs,
                                    .cooldown = 3, .min_lr = 0.004});
  expect_like_torch("plateau_max_rel", {.mode = Mode::Max, .factor = 0.9, .patience = 0, .eps = 1e-3});
  expect_like_torch("plateau_min_abs", {.patience = 1, .threshold = 1, .threshold_mode = Threshold::Abs});
}

TEST(Schedules, EveryCaseWasCompared) {
  const auto* all = testing::UnitTest::GetInstance();
  if (all->test_to_run_count() != all->total_test_count()) GTEST_SKIP() << "other tests of this group were filtered out";
  for (const auto& [name, values] : goldens().items()) EXPECT_TRUE(compared().contains(name)) << name;
}

template <class S>
void expect_continues(S a, S b, const std::function<void(S&)>& step) {
  for (int t = 0; t < 7; ++t) step(a);
  b.restore(a.state());
  for (int t = 0; t < 9; ++t, step(a), step(b))
    for (size_t g = 0; g < 2; ++g) EXPECT_EQ(a.learning_rate(g), b.learning_rate(g)) << t;
}

TEST(Schedules, StateIsSavedAndRestored) {
  const Schedule s = schedule::cosine({.t_max = 20});
  expect_continues<Scheduler>({s, bases()}, {s, {1, 1}}, [](Scheduler& x) { x.step(); });
  const PlateauSettings settings{.factor = 0.5, .patience = 2, .cooldown = 2};
  expect_continues<Plateau>({settings, bases()}, {settings, {1, 1}}, [](Plateau& x) { x.step(3); });
}

void refused(const std::function<void()>& make, const std::string& text) {
  try {
    make();
    ADD_FAILURE() << "no error; expected: " << text;
  } catch (const Exception& e) {
    EXPECT_EQ(e.code(), Error::InvalidArgument);
    EXPECT_NE(std::string(e.what()).find(text), std::string::npos) << e.what();
  }
}

TEST(Schedules, BadSettingsAreNamed) {
  const double nan = std::nan("");
  refused([] { schedule::step({.step_size = 0}); }, "step_size");
  refused([&] { schedule::step({.step_size = 1, .gamma = nan}); }, "gamma");
  refused([] { schedule::multi_step({.milestones = {4, 3}}); }, "milestones[1]");
  refused([] { schedule::constant({.factor = 1.5}); }, "factor");
  refused([] { schedule::constant({.total_iters = -1}); }, "total_iters");
  refused([] { schedule::linear({.start_factor = 0}); }, "start_factor");
  refused([] { schedule::linear({.end_factor = 2}); }, "end_factor");
  refused([] { schedule::linear({.total_iters = 0}); }, "total_iters");
  refused([] { schedule::exponential({.gamma = -1}); }, "gamma");
  refused([&] { schedule::polynomial({.power = nan}); }, "power");
  refused([] { schedule::cosine({.t_max = 0}); }, "t_max");
  refused([&] { schedule::cosine({.t_max = 1, .eta_min = nan}); }, "eta_min");
  refused([] { schedule::cosine_warm_restarts({.t_0 = 0}); }, "t_0");
  refused([] { schedule::cosine_warm_restarts({.t_mult = 0}); }, "t_mult");
  refused([] { schedule::one_cycle({.total_steps = 5}); }, "max_lr");
  refused([] { schedule::one_cycle({.max_lr = 1}); }, "total_steps");
  refused([] { schedule::one_cycle({.max_lr = 1, .total_steps = 5, .pct_start = 2}); }, "pct_start");
  refused([] { schedule::one_cycle({.max_lr = 1, .total_steps = 5})(1, 6); }, "step 6 is after total_steps");
  refused([] { schedule::wsd({.decay_steps = 0}); }, "decay_steps");
  refused([] { schedule::wsd({.min_factor = -1}); }, "min_factor");
  refused([] { schedule::lambda({}); }, "empty");
  refused([] { schedule::sequential({schedule::constant()}, {3}); }, "1 milestones for 1 parts");
  refused([] { schedule::chained({}); }, "no parts");
  refused([&] { Scheduler(schedule::constant(), {0.1, nan}); }, "lr of group 1");
  refused([] { Scheduler({}, {0.1}); }, "empty");
  refused([] { Plateau({.factor = 1}, {0.1}); }, "factor");
  refused([] { Plateau({.patience = -1}, {0.1}); }, "patience");
  refused([] { Scheduler(schedule::constant(), {0.1}).restore({{"bases", {0.1, 0.2}}, {"steps", {1}}}); }, "'bases' of 1 number");
  refused([] { Scheduler(schedule::constant(), {0.1}).restore({{"bases", {0.1}}, {"steps", {1.5}}}); }, "steps is 1.5");
  refused([] { Plateau({}, {0.1}).restore({{"rates", {0.1}}}); }, "'best'");
}

}  // namespace
}  // namespace gf::test
