// RMSprop, Adagrad, Adadelta, Adafactor: a rate of its own for each element, from the squares of its gradients.
#include <cmath>
#include <limits>

#include "schema/ops/min.h"
#include "trainer/optim/optimizers.h"
#include "trainer/optim/words.h"

namespace gf::optim {
namespace {

constexpr Slot kRMSprop[] = {{"momentum_buffer"}, {"square_avg"}, {"grad_avg"}};
constexpr Slot kAdadelta[] = {{"square_avg"}, {"acc_delta"}};
constexpr Slot kFactored[] = {{"row_var", Slot::Shape::Rows}, {"col_var", Slot::Shape::Columns}};
constexpr Slot kVariance[] = {{"variance"}};

// To the next number of the type.
double distance_of_one(DType type) {
  switch (type) {
    case DType::F64: return std::numeric_limits<double>::epsilon();
    case DType::F16: return 0x1p-10;
    case DType::BF16: return 0x1p-7;
    default: return std::numeric_limits<float>::epsilon();
  }
}

}  // namespace

std::span<const Slot> RMSprop::slots(int) const {
  const size_t momentum = settings_.momentum != 0 ? 1 : 0, centered = settings_.centered ? 1 : 0;
  return std::span<const Slot>(kRMSprop).subspan(1 - momentum, momentum + 1 + centered);
}

Error RMSprop::update(Update& u) const {
  const auto& s = settings_;
  const int square_avg = s.momentum != 0 ? 1 : 0, grad_avg = square_avg + 1;
  const Var g = descent(u, s.maximize, s.weight_decay);
  Var v = u.slot(square_avg) * s.alpha + square(g) * (1 - s.alpha);
  u.set_slot(square_avg, v);
  if (s.centered) {
    const Var mean = lerp(u.slot(grad_avg), g, 1 - s.alpha);
    u.set_slot(grad_avg, mean);
    v = v - square(mean);
  }
  Var step = g / (u.sqrt(v) + s.eps);
  if (s.momentum != 0) {
    step = u.slot(0) * s.momentum + step;
    u.set_slot(0, step);
  }
  u.set_parameter(u.parameter() - step * u.number(u.learning_rate()));
  return u.error();
}

void RMSprop::check() const {
  const SettingCheck c(name());
  c.not_negative("lr", settings_.lr);
  c.not_negative("alpha", settings_.alpha);
  c.not_negative("eps", settings_.eps);
  c.not_negative("weight_decay", settings_.weight_decay);
  c.not_negative("momentum", settings_.momentum);
}

std::span<const Slot> Adagrad::slots(int) const { return {&slot_, 1}; }

Error Adagrad::update(Update& u) const {
  const auto& s = settings_;
  const Var g = descent(u, s.maximize, s.weight_decay), sum = u.slot(0) + square(g);
  u.set_slot(0, sum);
  Var rate = u.learning_rate();
  if (s.lr_decay != 0) rate = rate / (1 + (u.step() - 1) * s.lr_decay);
  u.set_parameter(u.parameter() - g * u.number(rate) / (u.sqrt(sum) + s.eps));
  return u.error();
}

void Adagrad::check() const {
  const SettingCheck c(name());
  c.not_negative("lr", settings_.lr);
  c.not_negative("lr_decay", settings_.lr_decay);
  c.not_negative("weight_decay", settings_.weight_decay);
  c.not_negative("initial_accumulator_value", settings_.initial_accumulator_value);
  c.not_negative("eps", settings_.eps);
}

std::span<const Slot> Adadelta::slots(int) const { return kAdadelta; }

Error Adadelta::update(Update& u) const {
  const auto& s = settings_;
  const Var g = descent(u, s.maximize, s.weight_decay);
  const Var v = u.slot(0) * s.rho + square(g) * (1 - s.rho);
  const Var step = u.sqrt(u.slot(1) + s.eps) / u.sqrt(v + s.eps) * g;
  u.set_slot(0, v);
  u.set_slot(1, u.slot(1) * s.rho + square(step) * (1 - s.rho));
  u.set_parameter(u.parameter() - step * u.number(u.learning_rate()));
  return u.error();
}

void Adadelta::check() const {
  const SettingCheck c(name());
  c.not_negative("lr", settings_.lr);
  c.require(settings_.rho >= 0 && settings_.rho <= 1, "rho", settings_.rho, "from 0 to 1");
  c.not_negative("eps", settings_.eps);
  c.not_negative("weight_decay", settings_.weight_decay);
}

std::span<const Slot> Adafactor::slots(int rank) const {
  return rank > 1 ? std::span<const Slot>(kFactored) : std::span<const Slot>(kVariance);
}

Error Adafactor::update(Update& u) const {
  const auto& s = settings_;
  const Var p = u.parameter(), g = descent(u, s.maximize);
  const double eps1 = s.eps1.value_or(distance_of_one(u.stored_type()));
  const Var t = u.step(), weight = u.number(u.pow(t, u.scalar(DType::F64, s.beta2_decay)));
  Var variance = square(g);
  const auto mean_into = [&](int slot, Var x) {
    const Var mean = u.slot(slot) + (x - u.slot(slot)) * weight;
    u.set_slot(slot, mean);
    return mean;
  };
  if (const int64_t rank = u.rank(p); rank > 1) {
    const int64_t last = rank - 1, before = rank - 2;
    const Var rows = mean_into(0, u.reduce_mean(variance, {&last, 1}));
    const Var columns = mean_into(1, u.reduce_mean(variance, {&before, 1}));
    variance = rows / max(u.reduce_mean(rows, {&before, 1}), eps1) * columns;
  } else {
    variance = mean_into(0, variance);
  }
  const Var step = g / u.sqrt(max(variance, eps1 * eps1));  // squared: the root keeps eps1's magnitude
  const Var rho = u.node<op::Min>({u.learning_rate(), u.reciprocal(u.sqrt(t))});
  const Var alpha = max(root_mean_square(p), s.eps2) * u.number(rho);
  const Var clip = max(root_mean_square(step) * (1 / s.d), 1.0);
  u.set_parameter(decayed_parameter(u, s.weight_decay) - step * (alpha / clip));
  return u.error();
}

void Adafactor::check() const {
  const SettingCheck c(name());
  const auto& s = settings_;
  c.not_negative("lr", s.lr);
  c.require(s.beta2_decay <= 0, "beta2_decay", s.beta2_decay, "at most 0");
  if (s.eps1) c.not_negative("eps1", *s.eps1);
  c.not_negative("eps2", s.eps2);
  c.require(s.d >= 1, "d", s.d, "at least 1");
  c.not_negative("weight_decay", s.weight_decay);
}

}  // namespace gf::optim
