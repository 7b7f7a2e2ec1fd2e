// The optimizers. Settings have PyTorch 2.13's names, meanings, ranges and defaults, where it has the optimizer:
//   Adam({.lr = 3e-4, .betas = {0.9, 0.98}})
// Constructors throw gf::Exception (InvalidArgument) with the name of a setting that is out of range. A state slot has the name
// and shape of PyTorch's. LBFGS is none of these (lbfgs.h): it evaluates the loss several times in a step.
// Parameters in 16 bits have slots of their type, as PyTorch's, rounded to nearest even. state_dtype (float32 or bfloat16) chooses another: in
// bfloat16 the moments of float32 parameters take half the memory, and are dithered so that they follow float32 ones (graph_update.h).
#pragma once

#include <array>
#include <optional>

#include "trainer/optim/optimizer.h"

namespace gf::optim {

/// What the rules below have in common: settings with a learning rate.
template <class S>
class Rule : public Optimizer {
 public:
  using Settings = S;
  const S& settings() const { return settings_; }
  double learning_rate() const override { return settings_.lr; }
  std::optional<DType> state_dtype() const override {
    if constexpr (requires(const S& s) { s.state_dtype; }) return settings_.state_dtype;
    else return std::nullopt;
  }

 protected:
  explicit Rule(const S& settings) : settings_(settings) {}
  S settings_;
};

struct SgdSettings {
  double lr = 1e-3;
  double momentum = 0;
  double dampening = 0;
  double weight_decay = 0;       ///< L2: added to the gradient
  bool nesterov = false;         ///< needs momentum and no dampening
  bool maximize = false;
  std::optional<DType> state_dtype = std::nullopt;  ///< of what it keeps: see the head of this file
};
/// b = momentum * b + (1 - dampening) * g (the first step: b = g); p -= lr * b, with Nesterov p -= lr * (g + momentum * b).
class SGD final : public Rule<SgdSettings> {
 public:
  explicit SGD(const SgdSettings& settings = {}) : Rule(settings) { check(); }
  const char* name() const override { return "SGD"; }
  std::span<const Slot> slots(int rank) const override;
  Error update(Update& u) const override;
  void check() const override;
};

struct AdamSettings {
  double lr = 1e-3;
  std::array<double, 2> betas = {0.9, 0.999};
  double eps = 1e-8;
  double weight_decay = 0;       ///< L2: added to the gradient
  bool amsgrad = false;
  bool maximize = false;
  bool decoupled_weight_decay = false;  ///< p *= 1 - lr * weight_decay instead, as AdamW does
  std::optional<DType> state_dtype = std::nullopt;  ///< of what it keeps: see the head of this file
};
/// m = lerp(g, m, b1), v = lerp(g^2, v, b2); p -= lr * m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + eps). AMSGrad: the largest v so far.
class Adam : public Rule<AdamSettings> {
 public:
  explicit Adam(const AdamSettings& settings = {}) : Rule(settings) { check(); }
  const char* name() const override { return settings_.decoupled_weight_decay ? "AdamW" : "Adam"; }
  std::span<const Slot> slots(int rank) const override;
  Error update(Update& u) const override;
  void check() const override;
};

struct AdamWSettings {
  double lr = 1e-3;
  std::array<double, 2> betas = {0.9, 0.999};
  double eps = 1e-8;
  double weight_decay = 1e-2;    ///< decoupled: p *= 1 - lr * weight_decay
  bool amsgrad = false;
  bool maximize = false;
  std::optional<DType> state_dtype = std::nullopt;  ///< of what it keeps: see the head of this file
};
/// Adam with decoupled weight decay.
class AdamW final : public Adam {
 public:
  explicit AdamW(const AdamWSettings& s = {}) : Adam({s.lr, s.betas, s.eps, s.weight_decay, s.amsgrad, s.maximize, true, s.state_dtype}) {}
};

struct AdamaxSettings {
  double lr = 2e-3;
  std::array<double, 2> betas = {0.9, 0.999};
  double eps = 1e-8;
  double weight_decay = 0;       ///< L2
  bool maximize = false;
};
/// m as Adam's; u = max(b2 * u, |g| + eps); p -= lr / (1 - b1^t) * m / u.
class Adamax final : public Rule<AdamaxSettings> {
 public:
  explicit Adamax(const AdamaxSettings& settings = {}) : Rule(settings) { check(); }
  const char* name() const override { return "Adamax"; }
  std::span<const Slot> slots(int rank) const override;
  Error update(Update& u) const override;
  void check() const override;
};

struct NAdamSettings {
  double lr = 2e-3;
  std::array<double, 2> betas = {0.9, 0.999};
  double eps = 1e-8;
  double weight_decay = 0;       ///< L2, unless decoupled
  double momentum_decay = 4e-3;
  bool decoupled_weight_decay = false;
  bool maximize = false;
};
/// Adam with Nesterov momentum: mu_t = b1 * (1 - 0.96^(t * momentum_decay) / 2) and the product of all mu so far weigh g and m.
class NAdam final : public Rule<NAdamSettings> {
 public:
  explicit NAdam(const NAdamSettings& settings = {}) : Rule(settings) { check(); }
  const char* name() const override { return "NAdam"; }
  std::span<const Slot> slots(int rank) const override;
  Error update(Update& u) const override;
  void check() const override;
};

struct RAdamSettings {
  double lr = 1e-3;
  std::array<double, 2> betas = {0.9, 0.999};
  double eps = 1e-8;
  double weight_decay = 0;       ///< L2, unless decoupled
  bool decoupled_weight_decay = false;
  bool maximize = false;
};
/// Adam with the variance of its step rectified; while that cannot be (rho_t <= 5) momentum alone.
class RAdam final : public Rule<RAdamSettings> {
 public:
  explicit RAdam(const RAdamSettings& settings = {}) : Rule(settings) { check(); }
  const char* name() const override { return "RAdam"; }
  std::span<const Slot> slots(int rank) const override;
  Error update(Update& u) const override;
  void check() const override;
};

struct RMSpropSettings {
  double lr = 1e-2;
  double alpha = 0.99;
  double eps = 1e-8;
  double weight_decay = 0;       ///< L2
  double momentum = 0;
  bool centered = false;         ///< the variance of the gradient instead of its mean square
  bool maximize = false;
};
/// v = lerp(g^2, v, alpha); b = momentum * b + g / (sqrt(v) + eps); p -= lr * b.
class RMSprop final : public Rule<RMSpropSettings> {
 public:
  explicit RMSprop(const RMSpropSettings& settings = {}) : Rule(settings) { check(); }
  const char* name() const override { return "RMSprop"; }
  std::span<const Slot> slots(int rank) const override;
  Error update(Update& u) const override;
  void check() const override;
};

struct AdagradSettings {
  double lr = 1e-2;
  double lr_decay = 0;           ///< lr / (1 + (t - 1) * lr_decay)
  double weight_decay = 0;       ///< L2
  double initial_accumulator_value = 0;
  double eps = 1e-10;
  bool maximize = false;
};
/// s += g^2; p -= lr_t * g / (sqrt(s) + eps).
class Adagrad final : public Rule<AdagradSettings> {
 public:
  explicit Adagrad(const AdagradSettings& settings = {}) : Rule(settings), slot_{"sum"} {
    check();
    slot_.initial = settings.initial_accumulator_value;
  }
  const char* name() const override { return "Adagrad"; }
  std::span<const Slot> slots(int rank) const override;
  Error update(Update& u) const override;
  void check() const override;

 private:
  Slot slot_;
};

struct AdadeltaSettings {
  double lr = 1;
  double rho = 0.9;
  double eps = 1e-6;
  double weight_decay = 0;       ///< L2
  bool maximize = false;
};
/// v = lerp(g^2, v, rho); d = sqrt(a + eps) / sqrt(v + eps) * g; a = lerp(d^2, a, rho); p -= lr * d.
class Adadelta final : public Rule<AdadeltaSettings> {
 public:
  explicit Adadelta(const AdadeltaSettings& settings = {}) : Rule(settings) { check(); }
  const char* name() const override { return "Adadelta"; }
  std::span<const Slot> slots(int rank) const override;
  Error update(Update& u) const override;
  void check() const override;
};

struct LionSettings {
  double lr = 1e-4;
  std::array<double, 2> betas = {0.9, 0.99};
  double weight_decay = 0;       ///< decoupled
  bool maximize = false;
  std::optional<DType> state_dtype = std::nullopt;  ///< of what it keeps: see the head of this file
};
/// Chen et al. 2023, "Symbolic discovery of optimization algorithms" (arXiv 2302.06675), algorithm 2:
/// p -= lr * (sign(lerp(g, m, b1)) + weight_decay * p); m = lerp(g, m, b2).
class Lion final : public Rule<LionSettings> {
 public:
  explicit Lion(const LionSettings& settings = {}) : Rule(settings) { check(); }
  const char* name() const override { return "Lion"; }
  std::span<const Slot> slots(int rank) const override;
  Error update(Update& u) const override;
  void check() const override;
};

struct LambSettings {
  double lr = 1e-3;
  std::array<double, 2> betas = {0.9, 0.999};
  double eps = 1e-6;
  double weight_decay = 1e-2;
  bool maximize = false;
};
/// You et al. 2020, "Large batch optimization for deep learning" (arXiv 1904.00962), algorithm 2 with phi(z) = z:
/// r = Adam's direction + weight_decay * p; p -= lr * |p| / |r| * r. The ratio is 1 where a norm is 0.
class LAMB final : public Rule<LambSettings> {
 public:
  explicit LAMB(const LambSettings& settings = {}) : Rule(settings) { check(); }
  const char* name() const override { return "LAMB"; }
  std::span<const Slot> slots(int rank) const override;
  Error update(Update& u) const override;
  void check() const override;
};

struct LarsSettings {
  double lr = 0.1;               ///< the paper gives none
  double momentum = 0.9;
  double weight_decay = 5e-4;
  double trust_coefficient = 1e-3;
  bool maximize = false;
};
/// You, Gitman, Ginsburg 2017, "Large batch training of convolutional networks" (arXiv 1708.03888), algorithm 1:
/// ratio = trust_coefficient * |p| / (|g| + weight_decay * |p|); b = momentum * b + lr * ratio * (g + weight_decay * p); p -= b.
/// The ratio is 1 where a norm is 0 (the paper's 0 would never let a parameter of zeros move).
class LARS final : public Rule<LarsSettings> {
 public:
  explicit LARS(const LarsSettings& settings = {}) : Rule(settings) { check(); }
  const char* name() const override { return "LARS"; }
  std::span<const Slot> slots(int rank) const override;
  Error update(Update& u) const override;
  void check() const override;
};

struct AdafactorSettings {
  double lr = 1e-2;
  double beta2_decay = -0.8;     ///< at most 0
  std::optional<double> eps1 = std::nullopt;  ///< under the variance; default: the distance of 1 to the next number of the parameter's type
  double eps2 = 1e-3;            ///< under the parameter's root mean square
  double d = 1;                  ///< the update's root mean square is clipped to it; at least 1
  double weight_decay = 0;       ///< decoupled
  bool maximize = false;
};
/// Second moments of the last two axes as the product of a row and a column (parameters of rank 0 and 1: whole); no momentum.
class Adafactor final : public Rule<AdafactorSettings> {
 public:
  explicit Adafactor(const AdafactorSettings& settings = {}) : Rule(settings) { check(); }
  const char* name() const override { return "Adafactor"; }
  std::span<const Slot> slots(int rank) const override;
  Error update(Update& u) const override;
  void check() const override;
};

struct MuonSettings {
  enum class AdjustLr : uint8_t {
    Original,       ///< lr * sqrt(max(1, rows / columns))
    MatchRmsAdamW,  ///< lr * 0.2 * sqrt(max(rows, columns))
  };
  double lr = 1e-3;
  double weight_decay = 0.1;     ///< decoupled
  double momentum = 0.95;
  bool nesterov = true;
  std::array<double, 3> ns_coefficients = {3.4445, -4.7750, 2.0315};
  double eps = 1e-7;
  int ns_steps = 5;              ///< below 100
  AdjustLr adjust_lr = AdjustLr::Original;
};
/// Momentum, made nearly orthogonal by Newton-Schulz steps: hidden matrices only, a parameter of another rank is an error. The
/// steps run in the parameter's type (PyTorch rounds them to bfloat16).
class Muon final : public Rule<MuonSettings> {
 public:
  explicit Muon(const MuonSettings& settings = {}) : Rule(settings) { check(); }
  const char* name() const override { return "Muon"; }
  std::span<const Slot> slots(int rank) const override;
  Error update(Update& u) const override;
  void check() const override;
};

}  // namespace gf::optim
