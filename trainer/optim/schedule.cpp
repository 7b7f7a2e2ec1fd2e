#include "trainer/optim/schedule.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "runtime/core/exception.h"
#include "trainer/optim/words.h"

namespace gf::optim {
namespace schedule {
namespace {

double half_cosine(double part) { return (1 + std::cos(std::numbers::pi * part)) / 2; }

void require_rising(const SettingCheck& c, const std::vector<int64_t>& milestones) {
  for (size_t k = 0; k < milestones.size(); ++k)
    c.require(milestones[k] >= 0 && (k == 0 || milestones[k] >= milestones[k - 1]), "milestones[" + std::to_string(k) + "]",
              static_cast<double>(milestones[k]), "not negative and not below the one before");
}
void at_least_one(const SettingCheck& c, const char* setting, int64_t value) {
  c.require(value >= 1, setting, static_cast<double>(value), "at least 1");
}

}  // namespace

Schedule step(const StepSettings& s) {
  const SettingCheck c("step schedule");
  at_least_one(c, "step_size", s.step_size);
  c.not_negative("gamma", s.gamma);
  return [s](double base, int64_t t) { return base * std::pow(s.gamma, t / s.step_size); };
}

Schedule multi_step(const MultiStepSettings& s) {
  const SettingCheck c("multi_step schedule");
  require_rising(c, s.milestones);
  c.not_negative("gamma", s.gamma);
  return [s](double base, int64_t t) {
    const auto reached = std::upper_bound(s.milestones.begin(), s.milestones.end(), t) - s.milestones.begin();
    return base * std::pow(s.gamma, reached);
  };
}

Schedule constant(const ConstantSettings& s) {
  const SettingCheck c("constant schedule");
  c.require(s.factor >= 0 && s.factor <= 1, "factor", s.factor, "from 0 to 1");
  c.not_negative("total_iters", static_cast<double>(s.total_iters));
  return [s](double base, int64_t t) { return t < s.total_iters ? base * s.factor : base; };
}

Schedule linear(const LinearSettings& s) {
  const SettingCheck c("linear schedule");
  c.require(s.start_factor > 0 && s.start_factor <= 1, "start_factor", s.start_factor, "above 0 and at most 1");
  c.require(s.end_factor >= 0 && s.end_factor <= 1, "end_factor", s.end_factor, "from 0 to 1");
  at_least_one(c, "total_iters", s.total_iters);
  return [s](double base, int64_t t) {
    const double part = static_cast<double>(std::min(t, s.total_iters)) / static_cast<double>(s.total_iters);
    return base * (s.start_factor + (s.end_factor - s.start_factor) * part);
  };
}

Schedule exponential(const ExponentialSettings& s) {
  SettingCheck("exponential schedule").not_negative("gamma", s.gamma);
  return [s](double base, int64_t t) { return base * std::pow(s.gamma, t); };
}

Schedule polynomial(const PolynomialSettings& s) {
  const SettingCheck c("polynomial schedule");
  at_least_one(c, "total_iters", s.total_iters);
  c.not_negative("power", s.power);
  return [s](double base, int64_t t) {
    const double part = static_cast<double>(std::min(t, s.total_iters)) / static_cast<double>(s.total_iters);
    return base * std::pow(1 - part, s.power);
  };
}

Schedule cosine(const CosineSettings& s) {
  const SettingCheck c("cosine schedule");
  at_least_one(c, "t_max", s.t_max);
  c.not_negative("eta_min", s.eta_min);
  return [s](double base, int64_t t) {
    return s.eta_min + (base - s.eta_min) * half_cosine(static_cast<double>(t) / static_cast<double>(s.t_max));
  };
}

Schedule cosine_warm_restarts(const CosineWarmRestartsSettings& s) {
  const SettingCheck c("cosine_warm_restarts schedule");
  at_least_one(c, "t_0", s.t_0);
  at_least_one(c, "t_mult", s.t_mult);
  c.not_negative("eta_min", s.eta_min);
  return [s](double base, int64_t t) {
    int64_t round = s.t_0;
    if (s.t_mult == 1) t %= round;
    while (t >= round) {
      t -= round;
      if (round > t / s.t_mult) {  // the last round; longer than t, perhaps longer than an int64 counts
        const double length = static_cast<double>(round) * static_cast<double>(s.t_mult);
        return s.eta_min + (base - s.eta_min) * half_cosine(static_cast<double>(t) / length);
      }
      round *= s.t_mult;
    }
    return s.eta_min + (base - s.eta_min) * half_cosine(static_cast<double>(t) / static_cast<double>(round));
  };
}

Schedule one_cycle(const OneCycleSettings& s) {
  const SettingCheck c("one_cycle schedule");
  c.require(s.max_lr > 0, "max_lr", s.max_lr, "finite and above 0");
  at_least_one(c, "total_steps", s.total_steps);
  c.require(s.pct_start >= 0 && s.pct_start <= 1, "pct_start", s.pct_start, "from 0 to 1");
  c.require(s.div_factor > 0, "div_factor", s.div_factor, "finite and above 0");
  c.require(s.final_div_factor > 0, "final_div_factor", s.final_div_factor, "finite and above 0");
  struct Phase {
    double end, from, to;
  };
  const double steps = static_cast<double>(s.total_steps), start = s.max_lr / s.div_factor, end = start / s.final_div_factor;
  std::vector<Phase> phases{{s.pct_start * steps - 1, start, s.max_lr}};
  if (s.three_phase) phases.push_back({2 * s.pct_start * steps - 2, s.max_lr, start});
  phases.push_back({steps - 1, phases.back().to, end});
  return [s, phases](double, int64_t t) {
    if (t > s.total_steps)
      throw Exception(Error::InvalidArgument, "one_cycle schedule: step " + std::to_string(t) + " is after total_steps, " +
                                                  std::to_string(s.total_steps));
    const double now = std::min(static_cast<double>(t), phases.back().end);  // PyTorch goes on past the end for one step
    double begin = 0;
    for (const Phase& p : phases) {
      if (now <= p.end || &p == &phases.back()) {
        const double part = p.end > begin ? (now - begin) / (p.end - begin) : 1;
        const double left = s.anneal_strategy == OneCycleSettings::Anneal::Cos ? half_cosine(part) : 1 - part;
        return p.to + (p.from - p.to) * left;
      }
      begin = p.end;
    }
    return phases.back().to;
  };
}

Schedule wsd(const WsdSettings& s) {
  const SettingCheck c("wsd schedule");
  c.not_negative("warmup_steps", static_cast<double>(s.warmup_steps));
  c.not_negative("stable_steps", static_cast<double>(s.stable_steps));
  at_least_one(c, "decay_steps", s.decay_steps);
  c.require(s.min_factor >= 0 && s.min_factor <= 1, "min_factor", s.min_factor, "from 0 to 1");
  return [s](double base, int64_t t) {
    const int64_t decay_start = s.warmup_steps + s.stable_steps;
    double part = 1;
    if (t < s.warmup_steps) {
      part = static_cast<double>(t) / static_cast<double>(s.warmup_steps);
    } else if (t >= decay_start) {
      const double x = std::min(static_cast<double>(t - decay_start) / static_cast<double>(s.decay_steps), 1.0);
      switch (s.decay) {
        case WsdSettings::Decay::Linear: part = 1 - x; break;
        case WsdSettings::Decay::Cosine: part = half_cosine(x); break;
        case WsdSettings::Decay::OneMinusSqrt: part = 1 - std::sqrt(x); break;
      }
    }
    return base * (s.min_factor + (1 - s.min_factor) * part);
  };
}

Schedule lambda(std::function<double(int64_t)> factor) {
  if (!factor) SettingCheck("lambda schedule").refuse("the function is empty");
  return [factor = std::move(factor)](double base, int64_t t) { return base * factor(t); };
}

Schedule sequential(std::vector<Schedule> parts, std::vector<int64_t> milestones) {
  const SettingCheck c("sequential schedule");
  if (parts.empty() || milestones.size() != parts.size() - 1)
    c.refuse("there are " + std::to_string(milestones.size()) + " milestones for " + std::to_string(parts.size()) +
             " parts; there must be one less than parts");
  require_rising(c, milestones);
  return [parts = std::move(parts), milestones = std::move(milestones)](double base, int64_t t) {
    const auto k = static_cast<size_t>(std::upper_bound(milestones.begin(), milestones.end(), t) - milestones.begin());
    return parts[k](base, k == 0 ? t : t - milestones[k - 1]);
  };
}

Schedule chained(std::vector<Schedule> parts) {
  if (parts.empty()) SettingCheck("chained schedule").refuse("there are no parts");
  return [parts = std::move(parts)](double base, int64_t t) {
    for (const Schedule& part : parts) base = part(base, t);
    return base;
  };
}

}  // namespace schedule

namespace {

const std::vector<double>& entry_of(const char* who, const ScheduleState& state, const char* name, size_t count) {
  const auto it = state.find(name);
  if (it == state.end() || it->second.size() != count)
    SettingCheck(who).refuse("the state to restore has no entry '" + std::string(name) + "' of " + std::to_string(count) +
                             (count == 1 ? " number" : " numbers"));
  return it->second;
}
int64_t count_of(const char* who, const ScheduleState& state, const char* name) {
  const double value = entry_of(who, state, name, 1)[0];
  SettingCheck(who).require(value >= 0 && value <= 0x1p53 && value == std::floor(value), name, value, "a whole number");
  return static_cast<int64_t>(value);
}
void require_rates(const char* who, const std::vector<double>& rates) {
  for (size_t k = 0; k < rates.size(); ++k)
    SettingCheck(who).not_negative(("lr of group " + std::to_string(k)).c_str(), rates[k]);
}

}  // namespace

Scheduler::Scheduler(Schedule schedule, std::vector<double> bases) : schedule_(std::move(schedule)), bases_(std::move(bases)) {
  if (!schedule_) SettingCheck("Scheduler").refuse("the schedule is empty");
  require_rates("Scheduler", bases_);
}

ScheduleState Scheduler::state() const { return {{"bases", bases_}, {"steps", {static_cast<double>(t_)}}}; }

void Scheduler::restore(const ScheduleState& state) {
  const auto& bases = entry_of("Scheduler", state, "bases", bases_.size());
  require_rates("Scheduler", bases);
  t_ = count_of("Scheduler", state, "steps");
  bases_ = bases;
}

Plateau::Plateau(const PlateauSettings& s, std::vector<double> rates)
    : settings_(s), rates_(std::move(rates)),
      best_((s.mode == PlateauSettings::Mode::Min ? 1 : -1) * std::numeric_limits<double>::infinity()) {
  const SettingCheck c("Plateau");
  c.require(s.factor >= 0 && s.factor < 1, "factor", s.factor, "at least 0 and below 1");
  c.not_negative("patience", static_cast<double>(s.patience));
  c.not_negative("threshold", s.threshold);
  c.not_negative("cooldown", static_cast<double>(s.cooldown));
  c.not_negative("min_lr", s.min_lr);
  c.not_negative("eps", s.eps);
  require_rates("Plateau", rates_);
}

void Plateau::step(double metric) {
  const bool rel = settings_.threshold_mode == PlateauSettings::ThresholdMode::Rel;
  const bool min = settings_.mode == PlateauSettings::Mode::Min;
  const double by = min ? -settings_.threshold : settings_.threshold, bar = rel ? best_ * (1 + by) : best_ + by;
  const bool better = min ? metric < bar : metric > bar;
  if (better) best_ = metric;
  bad_ = better ? 0 : bad_ + 1;
  if (cooldown_ > 0) {
    --cooldown_;
    bad_ = 0;
  }
  if (bad_ <= settings_.patience) return;
  for (double& rate : rates_) {
    const double reduced = std::max(rate * settings_.factor, settings_.min_lr);
    if (rate - reduced > settings_.eps) rate = reduced;
  }
  cooldown_ = settings_.cooldown;
  bad_ = 0;
}

ScheduleState Plateau::state() const {
  return {{"rates", rates_}, {"best", {best_}}, {"bad", {static_cast<double>(bad_)}}, {"cooldown", {static_cast<double>(cooldown_)}}};
}

void Plateau::restore(const ScheduleState& state) {
  const auto& rates = entry_of("Plateau", state, "rates", rates_.size());
  require_rates("Plateau", rates);
  const double best = entry_of("Plateau", state, "best", 1)[0];
  const int64_t bad = count_of("Plateau", state, "bad");
  cooldown_ = count_of("Plateau", state, "cooldown");
  bad_ = bad;
  best_ = best;
  rates_ = rates;
}

}  // namespace gf::optim
