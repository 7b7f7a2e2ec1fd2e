#include "trainer/optim/lbfgs.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <set>
#include <utility>

#include "runtime/core/exception.h"
#include "trainer/optim/words.h"
#include "trainer/tensor/recording.h"

namespace gf::optim {
namespace {

using Vector = std::vector<double>;

double dot(const Vector& a, const Vector& b) { return std::inner_product(a.begin(), a.end(), b.begin(), 0.0); }
double largest(const Vector& v) {
  double most = 0;
  for (const double x : v) most = std::isnan(x) || std::fabs(x) > most ? std::fabs(x) : most;
  return most;
}
void add_scaled(Vector& to, double factor, const Vector& v) {
  for (size_t i = 0; i < to.size(); ++i) to[i] += factor * v[i];
}

/// Minimum within [low, high] of the cubic through two points with their losses and slopes (Nocedal and Wright, 3.59); the middle where it
/// has none.
template <class Trial>
double cubic_minimum(const Trial& a, const Trial& b, double low, double high) {
  if (a.t > b.t) return cubic_minimum(b, a, low, high);
  const double d1 = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.t - b.t), square = d1 * d1 - a.slope * b.slope;
  if (!(square >= 0)) return (low + high) / 2;
  const double d2 = std::sqrt(square);
  return std::min(std::max(b.t - (b.t - a.t) * ((b.slope + d2 - d1) / (b.slope - a.slope + 2 * d2)), low), high);
}

constexpr double kDecrease = 1e-4, kCurvature = 0.9;  // c1 and c2 of the Wolfe conditions
constexpr double kLeastProduct = 1e-10;               // pairs below it say nothing about curvature

}  // namespace

LBFGS::LBFGS(std::vector<Tensor> parameters, const LbfgsSettings& settings) : parameters_(std::move(parameters)), settings_(settings) {
  const SettingCheck check("LBFGS");
  check.not_negative("lr", settings.lr);
  check.not_negative("tolerance_grad", settings.tolerance_grad);
  check.not_negative("tolerance_change", settings.tolerance_change);
  check.require(settings.max_iter >= 1, "max_iter", static_cast<double>(settings.max_iter), "from 1 on");
  check.require(settings.history_size >= 1, "history_size", static_cast<double>(settings.history_size), "from 1 on");
  if (!settings.max_eval) settings_.max_eval = settings.max_iter * 5 / 4;
  check.require(*settings_.max_eval >= 1, "max_eval", static_cast<double>(*settings_.max_eval), "from 1 on");
  std::set<const lazy::Variable*> seen;
  for (const Tensor& p : parameters_) {
    if (!p.variable().requires_grad) throw Exception(Error::InvalidArgument, "LBFGS: a parameter requires no gradients");
    if (!seen.insert(&p.variable()).second) throw Exception(Error::InvalidArgument, "LBFGS: a parameter is given twice");
    if (p.dtype() != DType::F32 && p.dtype() != DType::F64)
      throw Exception(Error::TypeMismatch, std::string("LBFGS: a parameter is ") + dtype_name(p.dtype()) + "; float32 and float64 are updated");
    count_ += static_cast<size_t>(p.numel());
  }
  if (seen.empty()) throw Exception(Error::InvalidArgument, "LBFGS: there are no parameters");
}

void LBFGS::set_learning_rate(double rate) {
  SettingCheck("LBFGS").not_negative("lr", rate);
  settings_.lr = rate;
}

void LBFGS::forget() {
  history_.clear();
  fresh_ = true;
}

LBFGS::Vector LBFGS::parameters() const {
  Vector x;
  for (const Tensor& p : parameters_) {
    const Vector part = p.to_vector<double>();
    x.insert(x.end(), part.begin(), part.end());
  }
  return x;
}

void LBFGS::place(Vector& x) {
  auto at = x.begin();
  for (Tensor& p : parameters_) {
    const auto end = at + p.numel();
    if (p.dtype() == DType::F32) std::transform(at, end, at, [](double v) { return static_cast<double>(static_cast<float>(v)); });
    p.assign(p.dtype() == DType::F64 ? io::Array::from(Vector(at, end), p.shape()) : io::Array::from(std::vector<float>(at, end), p.shape()));
    at = end;
  }
}

LBFGS::Point LBFGS::evaluate(const Closure& closure) {
  ++evaluations_;
  Point now{closure().item(), {}};
  now.gradient.reserve(count_);
  for (const Tensor& p : parameters_) {
    const Tensor g = p.grad();
    const Vector part = g ? g.to_vector<double>() : Vector(static_cast<size_t>(p.numel()), 0);
    now.gradient.insert(now.gradient.end(), part.begin(), part.end());
    p.variable().grad_is_used = true;
  }
  return now;
}

double LBFGS::step(const Closure& closure) {
  const Vector before = parameters();
  Vector x = before;
  try {
    return run(closure, x);
  } catch (...) {
    x = before;
    place(x);
    forget();
    throw;
  }
}

// The pair that the last direction gave.
void LBFGS::remember(const Vector& gradient) {
  Pair pair{gradient, direction_, 0};
  add_scaled(pair.change_of_gradient, -1, last_gradient_);
  for (double& v : pair.change) v *= length_;
  const double product = dot(pair.change_of_gradient, pair.change);
  if (!(product > kLeastProduct)) return;
  if (history_.size() == static_cast<size_t>(settings_.history_size)) history_.erase(history_.begin());
  pair.inverse_product = 1 / product;
  scale_ = product / dot(pair.change_of_gradient, pair.change_of_gradient);
  history_.push_back(std::move(pair));
}

// direction = - inverse Hessian * gradient, by the two loops over the pairs.
void LBFGS::turn(const Vector& gradient) {
  if (fresh_) scale_ = 1;
  else remember(gradient);
  fresh_ = false;
  direction_ = gradient;
  for (double& v : direction_) v = -v;
  Vector weights(history_.size());
  for (size_t i = history_.size(); i-- > 0;) {
    weights[i] = dot(history_[i].change, direction_) * history_[i].inverse_product;
    add_scaled(direction_, -weights[i], history_[i].change_of_gradient);
  }
  for (double& v : direction_) v *= scale_;
  for (size_t i = 0; i < history_.size(); ++i)
    add_scaled(direction_, weights[i] - dot(history_[i].change_of_gradient, direction_) * history_[i].inverse_product, history_[i].change);
}

double LBFGS::run(const Closure& closure, Vector& x) {
  const int64_t first = evaluations_;
  Point now = evaluate(closure);
  const double result = now.loss;
  if (largest(now.gradient) <= settings_.tolerance_grad) return result;
  for (int64_t i = 1; i <= settings_.max_iter; ++i) {
    const bool very_first = fresh_;
    ++iterations_;
    turn(now.gradient);
    last_gradient_ = now.gradient;
    const double before = now.loss;
    length_ = settings_.lr;
    if (very_first) {
      double magnitudes = 0;
      for (const double g : now.gradient) magnitudes += std::fabs(g);
      length_ *= std::min(1.0, 1 / magnitudes);
    }
    const double slope = dot(now.gradient, direction_);
    if (slope > -settings_.tolerance_change) break;
    if (settings_.line_search == LbfgsSettings::LineSearch::StrongWolfe) {
      Trial best = strong_wolfe(closure, x, length_, now, slope, *settings_.max_eval - (evaluations_ - first));
      length_ = best.t;
      now = {best.loss, std::move(best.gradient)};
    }
    add_scaled(x, length_, direction_);
    place(x);
    if (i == settings_.max_iter) break;
    if (settings_.line_search == LbfgsSettings::LineSearch::None) now = evaluate(closure);
    if (evaluations_ - first >= *settings_.max_eval || largest(now.gradient) <= settings_.tolerance_grad ||
        largest(direction_) * std::fabs(length_) <= settings_.tolerance_change || std::fabs(now.loss - before) < settings_.tolerance_change)
      break;
  }
  return result;
}

LBFGS::Trial LBFGS::at(const Closure& closure, const Vector& x, double t) {
  Vector moved = x;
  add_scaled(moved, t, direction_);
  place(moved);
  Point p = evaluate(closure);
  const double slope = dot(p.gradient, direction_);
  return {t, p.loss, slope, std::move(p.gradient)};
}

LBFGS::Trial LBFGS::strong_wolfe(const Closure& closure, const Vector& x, double t, const Point& now, double slope, int64_t most) {
  const Trial start{0, now.loss, slope, now.gradient};
  const auto too_high = [&](const Trial& p) { return p.loss > start.loss + kDecrease * p.t * slope; };
  const auto flat = [&](const Trial& p) { return std::fabs(p.slope) <= -kCurvature * slope; };

  // the ends of an interval that holds a point with both conditions
  std::array<Trial, 2> ends = {start, at(closure, x, t)};
  int64_t tries = 0;
  for (;; ++tries) {
    Trial &last = ends[0], &trial = ends[1];
    if (tries >= most) last = start;
    if (tries >= most || too_high(trial) || (tries > 1 && trial.loss >= last.loss)) break;
    if (flat(trial)) return trial;
    if (trial.slope >= 0) break;
    const double next = cubic_minimum(last, trial, trial.t + 0.01 * (trial.t - last.t), trial.t * 10);
    last = std::exchange(trial, at(closure, x, next));
  }

  // the interval is made smaller; ends[low] has the lesser loss
  const double most_moved = largest(direction_);
  size_t low = ends[0].loss <= ends[1].loss ? 0 : 1;
  bool stuck = false;
  for (; tries < most && std::fabs(ends[1].t - ends[0].t) * most_moved >= settings_.tolerance_change; ++tries) {
    const auto [left, right] = std::minmax({ends[0].t, ends[1].t});
    const double margin = 0.1 * (right - left);
    double next = cubic_minimum(ends[0], ends[1], left, right);
    const bool near_end = std::min(right - next, next - left) < margin, moves_in = near_end && (stuck || next >= right || next <= left);
    if (moves_in) next = std::fabs(next - right) < std::fabs(next - left) ? right - margin : left + margin;
    stuck = near_end && !moves_in;
    Trial trial = at(closure, x, next);
    if (too_high(trial) || trial.loss >= ends[low].loss) {
      ends[1 - low] = std::move(trial);
      low = ends[0].loss <= ends[1].loss ? 0 : 1;
      continue;
    }
    const bool done = flat(trial);
    if (!done && trial.slope * (ends[1 - low].t - ends[low].t) >= 0) ends[1 - low] = std::move(ends[low]);
    ends[low] = std::move(trial);
    if (done) break;
  }
  return ends[low];
}

}  // namespace gf::optim
