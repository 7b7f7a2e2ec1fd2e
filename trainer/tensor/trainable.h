// Trainable: an optimizer at work on tensors: `loss.backward(); optimizer.step();`. Holds what the rule keeps for each parameter, the
// number of steps and the learning rate. Parameters are handles; they stay the caller's.
#pragma once

#include <memory>
#include <vector>

#include "trainer/optim/optimizer.h"
#include "trainer/tensor/tensor.h"

namespace gf {
namespace lazy {
struct Stepper;
}

/// Parameters with a rule of their own (PyTorch's parameter groups).
struct TensorGroup {
  std::vector<Tensor> parameters;
  std::shared_ptr<const optim::Optimizer> rule;
};

class Trainable {
 public:
  /// Throws InvalidArgument: no parameters, one twice, one that requires no gradients, bad settings.
  Trainable(std::vector<Tensor> parameters, std::shared_ptr<const optim::Optimizer> rule);
  explicit Trainable(std::vector<TensorGroup> groups);

  /// Updates every parameter that has a gradient, and computes what that needs. The gradients stay readable until the next
  /// backward(), which starts afresh. Throws what computing throws; parameters are then as they were.
  void step();
  void zero_grad();

  size_t group_count() const { return groups_.size(); }
  double learning_rate(size_t group = 0) const { return groups_[group].learning_rate; }
  /// Holds from the next step on; no program is compiled for it. Throws InvalidArgument: negative, NaN, infinite.
  void set_learning_rate(double rate, size_t group = 0);
  int64_t steps() const { return steps_; }

 private:
  struct Group {
    std::shared_ptr<const optim::Optimizer> rule;
    double learning_rate = 0;
  };
  std::vector<Group> groups_;
  std::shared_ptr<lazy::Stepper> stepper_;  ///< parameters and what their rules keep
  int64_t steps_ = 0;
};

}  // namespace gf
