// Learning rates over time, on the host: a Schedule is a function of the step, equal to PyTorch 2.13's scheduler of like name; a
// Scheduler counts the steps for the groups of an optimizer; Plateau listens to a metric. Plain values, copied freely.
// Factories throw gf::Exception (InvalidArgument) with the name of a setting that is out of range.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace gf::optim {

/// The learning rate of step t (0 is the first) of a group whose optimizer was given `base`.
using Schedule = std::function<double(double base, int64_t t)>;

namespace schedule {

struct StepSettings {
  int64_t step_size = 1;
  double gamma = 0.1;
};
/// StepLR: base * gamma^(t / step_size), rounded down.
Schedule step(const StepSettings& settings);

struct MultiStepSettings {
  std::vector<int64_t> milestones = {};  ///< rising
  double gamma = 0.1;
};
/// MultiStepLR: base times gamma for each milestone reached.
Schedule multi_step(const MultiStepSettings& settings);

struct ConstantSettings {
  double factor = 1.0 / 3;
  int64_t total_iters = 5;
};
/// ConstantLR: base * factor before total_iters, then base.
Schedule constant(const ConstantSettings& settings = {});

struct LinearSettings {
  double start_factor = 1.0 / 3;     ///< above 0, at most 1
  double end_factor = 1;             ///< from 0 to 1
  int64_t total_iters = 5;
};
/// LinearLR, the linear warm-up: the factor moves from start to end within total_iters.
Schedule linear(const LinearSettings& settings = {});

struct ExponentialSettings {
  double gamma = 0.1;
};
/// ExponentialLR: base * gamma^t.
Schedule exponential(const ExponentialSettings& settings);

struct PolynomialSettings {
  int64_t total_iters = 5;
  double power = 1;
};
/// PolynomialLR: base * (1 - t / total_iters)^power, 0 at the end.
Schedule polynomial(const PolynomialSettings& settings = {});

struct CosineSettings {
  int64_t t_max = 1;
  double eta_min = 0;
};
/// CosineAnnealingLR: eta_min + (base - eta_min) * (1 + cos(pi * t / t_max)) / 2; rises again after t_max.
Schedule cosine(const CosineSettings& settings);

struct CosineWarmRestartsSettings {
  int64_t t_0 = 1;                   ///< steps of the first round
  int64_t t_mult = 1;                ///< each round is so many times longer
  double eta_min = 0;
};
/// CosineAnnealingWarmRestarts.
Schedule cosine_warm_restarts(const CosineWarmRestartsSettings& settings);

struct OneCycleSettings {
  enum class Anneal : uint8_t { Cos, Linear };
  double max_lr = 0;
  int64_t total_steps = 0;
  double pct_start = 0.3;            ///< part of the steps in which the rate rises
  Anneal anneal_strategy = Anneal::Cos;
  double div_factor = 25;            ///< it starts at max_lr / div_factor
  double final_div_factor = 1e4;     ///< and ends at that / final_div_factor
  bool three_phase = false;
};
/// OneCycleLR with cycle_momentum off; `base` plays no part. Throws InvalidArgument for steps after total_steps.
Schedule one_cycle(const OneCycleSettings& settings);

struct WsdSettings {
  enum class Decay : uint8_t { Linear, Cosine, OneMinusSqrt };
  int64_t warmup_steps = 0;
  int64_t stable_steps = 0;
  int64_t decay_steps = 1;
  double min_factor = 0;             ///< of base: where warm-up starts and decay ends, from 0 to 1
  Decay decay = Decay::Linear;
};
/// Warm-up, stable, decay (Hu et al. 2024, "MiniCPM", arXiv 2404.06395; 1 - sqrt: Haegele et al. 2024, arXiv 2405.18392):
/// rises by base / warmup_steps a step, stays, falls within decay_steps along 1 - x, (1 + cos(pi x)) / 2 or 1 - sqrt(x).
Schedule wsd(const WsdSettings& settings);

/// LambdaLR: base * factor(t).
Schedule lambda(std::function<double(int64_t t)> factor);

/// SequentialLR: parts[i] from milestones[i - 1] on, each counting from 0. One milestone less than parts, rising.
Schedule sequential(std::vector<Schedule> parts, std::vector<int64_t> milestones);

/// ChainedScheduler: each part takes for its base what the part before gives, so that factors multiply. (PyTorch multiplies step by
/// step; the same, unless a part adds: cosine with an eta_min above 0.)
Schedule chained(std::vector<Schedule> parts);

}  // namespace schedule

/// What a Scheduler or Plateau knows, for a checkpoint.
using ScheduleState = std::map<std::string, std::vector<double>>;

/// Counts steps: learning_rate() before, step() after each step (or epoch) of training.
class Scheduler {
 public:
  /// `bases`: learning rates of the optimizer's groups, finite and not negative.
  Scheduler(Schedule schedule, std::vector<double> bases);

  double learning_rate(size_t group = 0) const { return schedule_(bases_.at(group), t_); }
  int64_t steps() const { return t_; }
  void step() { ++t_; }
  ScheduleState state() const;
  /// Takes up a state of a Scheduler with as many groups; its bases count. Throws InvalidArgument.
  void restore(const ScheduleState& state);

 private:
  Schedule schedule_;
  std::vector<double> bases_;
  int64_t t_ = 0;
};

struct PlateauSettings {
  enum class Mode : uint8_t { Min, Max };
  enum class ThresholdMode : uint8_t { Rel, Abs };
  Mode mode = Mode::Min;
  double factor = 0.1;               ///< below 1
  int64_t patience = 10;             ///< so many steps without a better metric are borne
  double threshold = 1e-4;           ///< what counts as better
  ThresholdMode threshold_mode = ThresholdMode::Rel;
  int64_t cooldown = 0;              ///< steps after a reduction in which none are counted
  double min_lr = 0;
  double eps = 1e-8;                 ///< smaller reductions are left out
};
/// ReduceLROnPlateau: the rates times `factor` when a metric has stopped getting better. NaN is never better.
class Plateau {
 public:
  Plateau(const PlateauSettings& settings, std::vector<double> rates);

  double learning_rate(size_t group = 0) const { return rates_.at(group); }
  /// After a step (or epoch) that ended with this metric.
  void step(double metric);
  ScheduleState state() const;
  void restore(const ScheduleState& state);  ///< throws InvalidArgument

 private:
  PlateauSettings settings_;
  std::vector<double> rates_;
  double best_;
  int64_t bad_ = 0, cooldown_ = 0;
};

}  // namespace gf::optim
