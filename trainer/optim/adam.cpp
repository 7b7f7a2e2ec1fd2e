// The Adam family: moving averages of the gradient and of its square, with their bias taken out.
#include "trainer/optim/optimizers.h"
#include "trainer/optim/words.h"

namespace gf::optim {
namespace {

constexpr Slot kAdam[] = {{"exp_avg"}, {"exp_avg_sq"}, {.name = "max_exp_avg_sq", .moving_sum = false}};
constexpr Slot kAdamax[] = {{"exp_avg"}, {"exp_inf"}};
constexpr Slot kNAdam[] = {{"exp_avg"}, {"exp_avg_sq"}, {.name = "mu_product", .shape = Slot::Shape::Number, .initial = 1}};
constexpr auto kMoments = std::span<const Slot>(kAdam).first(2);

struct Moments {
  Var first, second;
};
/// Slots 0 and 1 after this gradient.
Moments moments(Update& u, Var g, const std::array<double, 2>& betas) {
  const Moments m{lerp(u.slot(0), g, 1 - betas[0]), u.slot(1) * betas[1] + square(g) * (1 - betas[1])};
  u.set_slot(0, m.first);
  u.set_slot(1, m.second);
  return m;
}
/// sqrt(v / (1 - b2^t)) + eps
Var denominator(Update& u, Var v, double beta2, double eps) {
  return u.sqrt(v) * u.number(u.reciprocal(u.sqrt(bias_correction(u, beta2)))) + eps;
}

template <class S>
SettingCheck check_adam(const char* name, const S& s) {
  const SettingCheck c(name);
  c.not_negative("lr", s.lr);
  c.betas(s.betas);
  c.not_negative("eps", s.eps);
  c.not_negative("weight_decay", s.weight_decay);
  return c;
}

}  // namespace

std::span<const Slot> Adam::slots(int) const { return settings_.amsgrad ? std::span<const Slot>(kAdam) : kMoments; }

Error Adam::update(Update& u) const {
  const auto& s = settings_;
  const double decay = s.decoupled_weight_decay ? s.weight_decay : 0, l2 = s.weight_decay - decay;
  auto [m, v] = moments(u, descent(u, s.maximize, l2), s.betas);
  if (s.amsgrad) {
    v = max(u.slot(2), v);
    u.set_slot(2, v);
  }
  const Var rate = u.number(u.learning_rate() / bias_correction(u, s.betas[0]));
  u.set_parameter(decayed_parameter(u, decay) - m * rate / denominator(u, v, s.betas[1], s.eps));
  return u.error();
}

void Adam::check() const { check_adam(name(), settings_).state_dtype(settings_.state_dtype); }

std::span<const Slot> Adamax::slots(int) const { return kAdamax; }

Error Adamax::update(Update& u) const {
  const auto& s = settings_;
  const Var g = descent(u, s.maximize, s.weight_decay);
  const Var m = lerp(u.slot(0), g, 1 - s.betas[0]), largest = max(u.slot(1) * s.betas[1], abs(g) + s.eps);
  u.set_slot(0, m);
  u.set_slot(1, largest);
  u.set_parameter(u.parameter() - m * u.number(u.learning_rate() / bias_correction(u, s.betas[0])) / largest);
  return u.error();
}

void Adamax::check() const { check_adam(name(), settings_); }

std::span<const Slot> NAdam::slots(int) const { return kNAdam; }

Error NAdam::update(Update& u) const {
  const auto& s = settings_;
  const double decay = s.decoupled_weight_decay ? s.weight_decay : 0, l2 = s.weight_decay - decay;
  const Var g = descent(u, s.maximize, l2);
  const auto [m, v] = moments(u, g, s.betas);
  const auto mu_at = [&](Var t) { return one_minus(power(0.96, t * s.momentum_decay) * 0.5) * s.betas[0]; };
  const Var mu = mu_at(u.step()), mu_next = mu_at(u.step() + 1);
  const Var product = u.slot(2) * mu;
  u.set_slot(2, product);
  const Var g_rate = u.number(u.learning_rate() * one_minus(mu) / one_minus(product));
  const Var m_rate = u.number(u.learning_rate() * mu_next / one_minus(product * mu_next));
  u.set_parameter(decayed_parameter(u, decay) - (g * g_rate + m * m_rate) / denominator(u, v, s.betas[1], s.eps));
  return u.error();
}

void NAdam::check() const { check_adam(name(), settings_).not_negative("momentum_decay", settings_.momentum_decay); }

std::span<const Slot> RAdam::slots(int) const { return kMoments; }

Error RAdam::update(Update& u) const {
  const auto& s = settings_;
  const double decay = s.decoupled_weight_decay ? s.weight_decay : 0, l2 = s.weight_decay - decay;
  const auto [m, v] = moments(u, descent(u, s.maximize, l2), s.betas);
  const auto number = [&](double x) { return u.scalar(DType::F64, x); };
  const double rho_inf = 2 / (1 - s.betas[1]) - 1;
  const Var correction2 = bias_correction(u, s.betas[1]);
  const Var rho = number(rho_inf) - u.step() * power(s.betas[1], u.step()) * 2 / correction2;
  const Var rectify = u.less(number(5), rho);
  const Var r = u.sqrt((rho - 4) * (rho - 2) * rho_inf / (rho * ((rho_inf - 4) * (rho_inf - 2))));
  // p -= lr * m / (1 - b1^t) * r * sqrt(1 - b2^t) / (sqrt(v) + eps), or the same with 1 in place of what follows m: a denominator
  // of 0 * sqrt(v) + 1
  const Var rate = u.learning_rate() / bias_correction(u, s.betas[0]) *
                   u.where(rectify, r * u.sqrt(correction2), number(1));
  const Var scale = u.number(u.where(rectify, number(1), number(0)));
  const Var offset = u.number(u.where(rectify, number(s.eps), number(1)));
  u.set_parameter(decayed_parameter(u, decay) - m * u.number(rate) / (u.sqrt(v) * scale + offset));
  return u.error();
}

void RAdam::check() const { check_adam(name(), settings_); }

std::span<const Slot> LAMB::slots(int) const { return kMoments; }

Error LAMB::update(Update& u) const {
  const auto& s = settings_;
  const auto [m, v] = moments(u, descent(u, s.maximize), s.betas);
  const Var p = u.parameter();
  Var r = m * u.number(u.reciprocal(bias_correction(u, s.betas[0]))) / denominator(u, v, s.betas[1], s.eps);
  if (s.weight_decay != 0) r = r + p * s.weight_decay;
  const Var p_norm = norm(p), r_norm = norm(r);
  u.set_parameter(p - r * (u.number(u.learning_rate()) * trust_ratio(p_norm, r_norm, p_norm / r_norm)));
  return u.error();
}

void LAMB::check() const { check_adam(name(), settings_); }

}  // namespace gf::optim
