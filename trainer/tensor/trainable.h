// Trainable: an optimizer at work on tensors: `loss.backward(); optimizer.step();`. Holds what the rule keeps for each parameter, the
// number of steps and the learning rate. Parameters are handles; they stay the caller's.
#pragma once

#include <memory>
#include <vector>

#include "trainer/optim/optimizer.h"
#include "trainer/tensor/trace.h"

namespace gf {
namespace lazy {
struct Stepper;
}

/// Parameters with a rule of their own (PyTorch's parameter groups).
struct TensorGroup {
  std::vector<Tensor> parameters;
  std::shared_ptr<const optim::Optimizer> rule;
};

/// What step() does when the loss or a gradient is NaN or infinite. Looking costs a pass over the gradients, and no parameter is updated before
/// the last gradient is known; nothing more while all is well.
enum class NotFinite : uint8_t {
  Update,  ///< nothing looks: parameters become what the rule makes of it
  Stop,    ///< throws NonFiniteError; its text and report name the first op that made such a value, and where. The gradients stay: zero_grad()
           ///< before training goes on
  Skip,    ///< leaves all as it was, as if step() had not been called, and counts; the gradients are used up
};

class Trainable {
 public:
  /// Throws InvalidArgument: no parameters, one twice, one that requires no gradients, bad settings.
  Trainable(std::vector<Tensor> parameters, std::shared_ptr<const optim::Optimizer> rule);
  explicit Trainable(std::vector<TensorGroup> groups);

  /// Updates every parameter that has a gradient, and computes what that needs. The gradients stay readable until the next
  /// backward(), which starts afresh. Throws what computing throws; parameters are then as they were. The loss is looked at with the gradients
  /// where it is computed by this call.
  void step();
  void zero_grad();

  size_t group_count() const { return groups_.size(); }
  double learning_rate(size_t group = 0) const { return groups_[group].learning_rate; }
  /// Holds from the next step on; no program is compiled for it. Throws InvalidArgument: negative, NaN, infinite.
  void set_learning_rate(double rate, size_t group = 0);
  int64_t steps() const { return steps_; }
  /// The parameters of all groups, in their order.
  std::vector<Tensor> parameters() const;
  const optim::Optimizer& rule(size_t group = 0) const { return *groups_[group].rule; }

  /// What it keeps, as PyTorch's state_dict(): handles of each parameter's slots, the number of steps and the learning rates, with the names
  /// that a strict step gives its State (trainer/step): "fc1.weight.exp_avg", "optimizer.step", "optimizer.lr.0". A parameter is called as in
  /// `names` (Module::named_parameters()), without them by its number from 0. Throws NotFound: a parameter has no name there.
  NamedTensors state_dict(const NamedTensors& names = {}) const;
  /// Takes such a state up; programs compiled before go on. Throws, and changes nothing: NotFound, ShapeMismatch, TypeMismatch with all that
  /// differs (the state of another optimizer); BadData: a number of steps or a learning rate that cannot be one.
  void load_state_dict(const NamedTensors& state, const NamedTensors& names = {});

  /// Holds from the next step on.
  void set_not_finite(NotFinite policy);
  int64_t skipped() const { return skipped_; }  ///< steps left out by NotFinite::Skip

 private:
  struct Group {
    std::shared_ptr<const optim::Optimizer> rule;
    double learning_rate = 0;
  };
  std::vector<Group> groups_;
  std::shared_ptr<lazy::Stepper> stepper_;  ///< parameters and what their rules keep
  int64_t steps_ = 0, skipped_ = 0;
};

}  // namespace gf
