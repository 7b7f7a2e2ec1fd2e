// LBFGS: not an update rule but a loop on the host. One step evaluates the loss several times, by calling a closure that records it
// anew, so there is no strict train step with it. Parameters are handles; they stay the caller's. Thread rule: as Tensor.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "trainer/tensor/match.h"
#include "trainer/tensor/tensor.h"

namespace gf::optim {

/// PyTorch 2.13's settings and defaults.
struct LbfgsSettings {
  enum class LineSearch : uint8_t {
    None,          ///< every step is lr long (the very first one at most lr times the gradient over its sum of magnitudes)
    StrongWolfe,   ///< Nocedal and Wright, "Numerical Optimization", algorithms 3.5 and 3.6 with cubic interpolation
  };
  double lr = 1;
  int64_t max_iter = 20;                     ///< directions per step()
  std::optional<int64_t> max_eval = {};      ///< closures per step(); left out: max_iter * 5 / 4
  double tolerance_grad = 1e-7;              ///< ends a step: largest magnitude in the gradient
  double tolerance_change = 1e-9;            ///< ends a step: change of the loss, and of the parameters
  int64_t history_size = 100;                ///< pairs of differences that the inverse Hessian is made of
  LineSearch line_search = LineSearch::None;
};

/// Limited-memory BFGS (Nocedal and Wright, algorithm 7.4), torch.optim.LBFGS's meaning. Vectors of all parameters are float64 on the
/// host: 2 history_size + 6 of them. All evaluations of one loss share one compiled program.
class LBFGS {
 public:
  /// Records the loss and calls backward() on it, with or without zero_grad() before: gradients of earlier evaluations never add up.
  using Closure = std::function<Tensor()>;

  /// Throws InvalidArgument: settings out of range, no parameters, one twice, one that requires no gradients; TypeMismatch: one that is
  /// neither float32 nor float64.
  explicit LBFGS(std::vector<Tensor> parameters, const LbfgsSettings& settings = {});

  /// Moves the parameters; returns the loss of before. A parameter without a gradient counts as one with zeros. What the closure throws
  /// passes: parameters are then as before, and the history begins anew.
  double step(const Closure& closure);

  int64_t iterations() const { return iterations_; }     ///< directions taken so far
  int64_t evaluations() const { return evaluations_; }   ///< closures called so far
  double learning_rate() const { return settings_.lr; }
  /// Throws InvalidArgument: negative, NaN, infinite.
  void set_learning_rate(double rate);

  /// Copies of what it keeps, all float64, for a training that goes on exactly (with the same settings and order of parameters): of each parameter
  /// the pairs "<name>.lbfgs_gradients" and "<name>.lbfgs_steps" [pairs, shape...], "<name>.lbfgs_direction" and "<name>.lbfgs_last_gradient";
  /// "optimizer.lbfgs.products" [pairs], "optimizer.lbfgs" (length and scale of the last direction, iterations, evaluations, whether there is
  /// a direction), "optimizer.lr.0". A parameter is called as in `names`, without them by its number. Throws NotFound: one has no name there.
  NamedTensors state_dict(const NamedTensors& names = {}) const;
  /// Takes such a state up. Throws, and changes nothing: NotFound, ShapeMismatch (also: more pairs than history_size), TypeMismatch with all that
  /// differs; BadData: numbers that cannot be.
  void load_state_dict(const NamedTensors& state, const NamedTensors& names = {});
  /// What load_state_dict() wants: as many pairs as `there` has, but no more than history_size.
  std::vector<TensorSpec> wanted(const std::vector<TensorSpec>& there, const NamedTensors& names = {}) const;

 private:
  using Vector = std::vector<double>;
  struct Point {
    double loss = 0;
    Vector gradient;
  };
  struct Pair {
    Vector change_of_gradient, change;
    double inverse_product = 0;              ///< 1 over the product of the two
  };
  /// A point of a line search: at x + t d.
  struct Trial {
    double t = 0, loss = 0, slope = 0;
    Vector gradient;
  };

  double run(const Closure& closure, Vector& x);
  Point evaluate(const Closure& closure);
  void remember(const Vector& gradient);
  void turn(const Vector& gradient);
  Trial at(const Closure& closure, const Vector& x, double t);
  Trial strong_wolfe(const Closure& closure, const Vector& x, double t, const Point& now, double slope, int64_t most);
  Vector parameters() const;
  /// Writes x to the parameters; x is rounded to their types.
  void place(Vector& x);
  void forget();
  std::vector<std::string> names_of(const NamedTensors& names) const;

  std::vector<Tensor> parameters_;
  LbfgsSettings settings_;
  size_t count_ = 0;                         ///< elements of all parameters
  std::vector<Pair> history_;
  Vector direction_, last_gradient_;
  double length_ = 0, scale_ = 1;            ///< of the last direction; of the first inverse Hessian
  int64_t iterations_ = 0, evaluations_ = 0;
  bool fresh_ = true;                        ///< no direction yet
};

}  // namespace gf::optim
