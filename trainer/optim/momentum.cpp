// SGD, LARS, Lion, Muon: a moving sum of the gradient.
#include <algorithm>
#include <cmath>

#include "trainer/optim/optimizers.h"
#include "trainer/optim/words.h"

namespace gf::optim {
namespace {

constexpr Slot kMomentumBuffer[] = {{"momentum_buffer"}};
constexpr Slot kExpAvg[] = {{"exp_avg"}};

/// The nearest orthogonal matrix, roughly: x = a * x + (b * A + c * A^2) x with A = x x^T, as often as ns_steps says.
Var nearly_orthogonal(Var x, const MuonSettings& s, bool tall) {
  Formula& f = *x.formula;
  const auto [a, b, c] = s.ns_coefficients;
  if (tall) x = f.swap_last_axes(x);
  x = x / max(norm(x), s.eps);
  for (int k = 0; k < s.ns_steps; ++k) {
    const Var gram = f.matmul(x, f.swap_last_axes(x));
    x = x * a + f.matmul(gram * b + f.matmul(gram, gram) * c, x);
  }
  return tall ? f.swap_last_axes(x) : x;
}

}  // namespace

std::span<const Slot> SGD::slots(int) const {
  return settings_.momentum != 0 ? std::span<const Slot>(kMomentumBuffer) : std::span<const Slot>();
}

Error SGD::update(Update& u) const {
  const auto& s = settings_;
  Var step = descent(u, s.maximize, s.weight_decay);
  if (s.momentum != 0) {
    Var part = step;
    if (s.dampening != 0) {  // the first buffer is the gradient itself
      const Var first = u.equal(u.step(), u.scalar(DType::F64, 1));
      part = step * u.number(u.where(first, u.scalar(DType::F64, 1), u.scalar(DType::F64, 1 - s.dampening)));
    }
    const Var buffer = u.slot(0) * s.momentum + part;
    u.set_slot(0, buffer);
    step = s.nesterov ? step + buffer * s.momentum : buffer;
  }
  u.set_parameter(u.parameter() - step * u.number(u.learning_rate()));
  return u.error();
}

void SGD::check() const {
  const SettingCheck c(name());
  const auto& s = settings_;
  c.not_negative("lr", s.lr);
  c.not_negative("momentum", s.momentum);
  c.require(true, "dampening", s.dampening, "finite");
  c.not_negative("weight_decay", s.weight_decay);
  c.state_dtype(s.state_dtype);
  if (s.nesterov && (s.momentum == 0 || s.dampening != 0)) c.refuse("nesterov needs a momentum above 0 and a dampening of 0");
}

std::span<const Slot> LARS::slots(int) const { return kMomentumBuffer; }

Error LARS::update(Update& u) const {
  const auto& s = settings_;
  const Var g = descent(u, s.maximize), p = u.parameter();
  const Var p_norm = norm(p), g_norm = norm(g);
  const Var ratio = p_norm * s.trust_coefficient / (g_norm + p_norm * s.weight_decay);
  const Var rate = u.number(u.learning_rate()) * trust_ratio(p_norm, g_norm, ratio);
  const Var buffer = u.slot(0) * s.momentum + (g + p * s.weight_decay) * rate;
  u.set_slot(0, buffer);
  u.set_parameter(p - buffer);
  return u.error();
}

void LARS::check() const {
  const SettingCheck c(name());
  c.not_negative("lr", settings_.lr);
  c.not_negative("momentum", settings_.momentum);
  c.not_negative("weight_decay", settings_.weight_decay);
  c.not_negative("trust_coefficient", settings_.trust_coefficient);
}

std::span<const Slot> Lion::slots(int) const { return kExpAvg; }

Error Lion::update(Update& u) const {
  const auto& s = settings_;
  const Var g = descent(u, s.maximize), m = u.slot(0);
  const Var direction = sign(lerp(m, g, 1 - s.betas[0]));
  u.set_slot(0, lerp(m, g, 1 - s.betas[1]));
  u.set_parameter(decayed_parameter(u, s.weight_decay) - direction * u.number(u.learning_rate()));
  return u.error();
}

void Lion::check() const {
  const SettingCheck c(name());
  c.not_negative("lr", settings_.lr);
  c.betas(settings_.betas);
  c.not_negative("weight_decay", settings_.weight_decay);
  c.state_dtype(settings_.state_dtype);
}

std::span<const Slot> Muon::slots(int) const { return kMomentumBuffer; }

Error Muon::update(Update& u) const {
  const auto& s = settings_;
  const DimShape& shape = u.shape(u.parameter());
  if (shape.rank != 2) return u.fail(Error::Unsupported, "Muon updates matrices; put parameters of another rank in another group");
  const auto rows = static_cast<double>(shape[0].lo), columns = static_cast<double>(shape[1].lo);
  const Var g = u.gradient(), buffer = lerp(u.slot(0), g, 1 - s.momentum);
  u.set_slot(0, buffer);
  const Var step = nearly_orthogonal(s.nesterov ? lerp(g, buffer, s.momentum) : buffer, s, rows > columns);
  const double adjust = s.adjust_lr == MuonSettings::AdjustLr::Original
                            ? std::sqrt(std::max(1.0, rows / std::max(columns, 1.0)))
                            : 0.2 * std::sqrt(std::max(rows, columns));
  u.set_parameter(decayed_parameter(u, s.weight_decay) - step * u.number(u.learning_rate() * adjust));
  return u.error();
}

void Muon::check() const {
  const SettingCheck c(name());
  const auto& s = settings_;
  c.not_negative("lr", s.lr);
  c.not_negative("weight_decay", s.weight_decay);
  c.not_negative("momentum", s.momentum);
  for (size_t k = 0; k < s.ns_coefficients.size(); ++k)
    c.require(true, "ns_coefficients[" + std::to_string(k) + "]", s.ns_coefficients[k], "finite");
  c.not_negative("eps", s.eps);
  c.require(s.ns_steps >= 0 && s.ns_steps < 100, "ns_steps", s.ns_steps, "at least 0 and below 100");
}

}  // namespace gf::optim
