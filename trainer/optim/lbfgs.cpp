#include "trainer/optim/lbfgs.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <numeric>
#include <set>
#include <utility>

#include "runtime/core/exception.h"
#include "trainer/optim/words.h"
#include "trainer/step/train_step.h"
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

constexpr const char *kGradients = "lbfgs_gradients", *kSteps = "lbfgs_steps", *kDirection = "lbfgs_direction", *kLastGradient = "lbfgs_last_gradient";
constexpr const char *kProducts = "optimizer.lbfgs.products", *kNumbers = "optimizer.lbfgs";
constexpr int64_t kNumberCount = 5;

std::vector<int64_t> rows_of(int64_t rows, const Tensor& of) {
  std::vector<int64_t> shape = {rows};
  shape.insert(shape.end(), of.shape().begin(), of.shape().end());
  return shape;
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

// --- what is saved

std::vector<std::string> LBFGS::names_of(const NamedTensors& names) const {
  std::map<const lazy::Variable*, std::string> known;
  for (const auto& [name, t] : names) known.emplace(&t.variable(), name);
  std::vector<std::string> all;
  for (size_t i = 0; i < parameters_.size(); ++i) {
    const auto it = known.find(&parameters_[i].variable());
    if (it == known.end() && !names.empty()) throw Exception(Error::NotFound, "state_dict: parameter " + std::to_string(i) + " of LBFGS is not among the names given");
    all.push_back(names.empty() ? std::to_string(i) : it->second);
  }
  return all;
}

NamedTensors LBFGS::state_dict(const NamedTensors& names) const {
  const std::vector<std::string> name = names_of(names);
  const auto pairs = static_cast<int64_t>(history_.size());
  NamedTensors state;
  size_t first = 0;
  for (size_t i = 0; i < parameters_.size(); ++i) {
    const Tensor& p = parameters_[i];
    const size_t n = static_cast<size_t>(p.numel());
    const auto part = [&](const Vector& v, Vector& to) {  // zeros before the first direction
      if (v.empty()) to.resize(to.size() + n);
      else to.insert(to.end(), v.begin() + static_cast<std::ptrdiff_t>(first), v.begin() + static_cast<std::ptrdiff_t>(first + n));
    };
    Vector gradients, steps, direction, last;
    for (const Pair& pair : history_) {
      part(pair.change_of_gradient, gradients);
      part(pair.change, steps);
    }
    part(direction_, direction);
    part(last_gradient_, last);
    state.emplace_back(slot_state(name[i], kGradients), Tensor::from(gradients, rows_of(pairs, p)));
    state.emplace_back(slot_state(name[i], kSteps), Tensor::from(steps, rows_of(pairs, p)));
    state.emplace_back(slot_state(name[i], kDirection), Tensor::from(direction, p.shape()));
    state.emplace_back(slot_state(name[i], kLastGradient), Tensor::from(last, p.shape()));
    first += n;
  }
  Vector products;
  for (const Pair& pair : history_) products.push_back(pair.inverse_product);
  state.emplace_back(kProducts, Tensor::from(products, {pairs}));
  state.emplace_back(kNumbers, Tensor::from(Vector{length_, scale_, static_cast<double>(iterations_), static_cast<double>(evaluations_), fresh_ ? 0.0 : 1.0}, {kNumberCount}));
  state.emplace_back(learning_rate_state(0), Tensor::scalar(settings_.lr, DType::F64));
  return state;
}

std::vector<TensorSpec> LBFGS::wanted(const std::vector<TensorSpec>& there, const NamedTensors& names) const {
  int64_t pairs = 0;
  for (const TensorSpec& t : there)
    if (t.name == kProducts && t.shape.size() == 1) pairs = std::min(t.shape[0], settings_.history_size);
  const std::vector<std::string> name = names_of(names);
  std::vector<TensorSpec> specs;
  for (size_t i = 0; i < parameters_.size(); ++i) {
    for (const char* slot : {kGradients, kSteps}) specs.push_back({slot_state(name[i], slot), DType::F64, rows_of(pairs, parameters_[i])});
    for (const char* slot : {kDirection, kLastGradient}) specs.push_back({slot_state(name[i], slot), DType::F64, parameters_[i].shape()});
  }
  specs.push_back({kProducts, DType::F64, {pairs}});
  specs.push_back({kNumbers, DType::F64, {kNumberCount}});
  specs.push_back({learning_rate_state(0), DType::F64, {}});
  return specs;
}

void LBFGS::load_state_dict(const NamedTensors& state, const NamedTensors& names) {
  const std::string what = "load_state_dict of LBFGS";
  differences(wanted(specs_of(state), names), specs_of(state), "the optimizer").refuse(what);
  const std::map<std::string, Tensor> given(state.begin(), state.end());
  const auto values = [&](const std::string& name) { return given.at(name).to_vector<double>(); };
  const Vector products = values(kProducts), numbers = values(kNumbers);
  const double rate = values(learning_rate_state(0))[0];
  const auto is_count = [](double v) { return v >= 0 && v <= 0x1p53 && v == std::floor(v); };
  for (const double p : products)
    if (!(p > 0) || std::isinf(p)) throw Exception(Error::BadData, what + ": '" + kProducts + "' has " + std::to_string(p) + "; products of pairs are above 0");
  if (!std::isfinite(numbers[0]) || !(numbers[1] > 0) || std::isinf(numbers[1]) || !is_count(numbers[2]) || !is_count(numbers[3]) || (numbers[4] != 0 && numbers[4] != 1) ||
      (numbers[4] == 0 && !products.empty()))
    throw Exception(Error::BadData, what + ": '" + kNumbers + "' does not hold a length, a scale, two counts and 0 or 1");
  if (!(rate >= 0) || std::isinf(rate)) throw Exception(Error::BadData, what + ": '" + learning_rate_state(0) + "' is " + std::to_string(rate) + ", no learning rate");
  std::vector<Pair> history(products.size());
  Vector direction, last;
  for (const std::string& name : names_of(names)) {
    const Vector gradients = values(slot_state(name, kGradients)), steps = values(slot_state(name, kSteps));
    const auto each = static_cast<std::ptrdiff_t>(history.empty() ? 0 : gradients.size() / history.size());
    for (size_t k = 0; k < history.size(); ++k) {
      const auto at = static_cast<std::ptrdiff_t>(k) * each;
      history[k].change_of_gradient.insert(history[k].change_of_gradient.end(), gradients.begin() + at, gradients.begin() + at + each);
      history[k].change.insert(history[k].change.end(), steps.begin() + at, steps.begin() + at + each);
      history[k].inverse_product = products[k];
    }
    const Vector d = values(slot_state(name, kDirection)), g = values(slot_state(name, kLastGradient));
    direction.insert(direction.end(), d.begin(), d.end());
    last.insert(last.end(), g.begin(), g.end());
  }
  // everything fits from here on
  history_ = std::move(history);
  direction_ = std::move(direction);
  last_gradient_ = std::move(last);
  length_ = numbers[0];
  scale_ = numbers[1];
  iterations_ = static_cast<int64_t>(numbers[2]);
  evaluations_ = static_cast<int64_t>(numbers[3]);
  fresh_ = numbers[4] == 0;
  settings_.lr = rate;
}

}  // namespace gf::optim
