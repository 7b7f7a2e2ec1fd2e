// Losses of a prediction and a target by name, for models that are made ready to train and for the command line.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "trainer/tensor/tensor.h"

namespace gf {

/// The input that a loss adds to an entry.
inline constexpr const char* kTargetInput = "target";

/// A loss of trainer/nn with its defaults: a mean.
struct NamedLoss {
  enum class Target : uint8_t { Like, Class, LastClass };  ///< shaped as the prediction; int64 without its axis 1, or its last axis
  const char* name;
  Target target;
  Tensor (*run)(const Tensor& prediction, const Tensor& target);

  bool of_classes() const { return target != Target::Like; }
  int class_axis(int rank) const { return target == Target::LastClass ? rank - 1 : rank > 1 ? 1 : 0; }
  /// A target of zeros for this prediction. Throws ShapeMismatch: a number where scores of classes belong.
  Tensor target_of(const Tensor& prediction) const;
  /// nn::distillation_loss() of this loss's arrangement of classes. Throws InvalidArgument: another loss than cross entropy.
  Tensor distilled(const Tensor& student, const Tensor& teacher, const Tensor& target, double temperature, double alpha) const;
  /// The share of predictions whose largest score is the target's: a float32 scalar.
  Tensor accuracy(const Tensor& prediction, const Tensor& target) const;
};

/// Throws InvalidArgument, and lists the names.
const NamedLoss& loss_named(const std::string& name);
/// "cross_entropy", "mse", ...
std::vector<std::string> loss_names();

}  // namespace gf
