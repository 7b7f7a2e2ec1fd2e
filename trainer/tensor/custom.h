// Ops of your own with gradients. A Function is written in tensors: forward and backward out of functions that exist (PyTorch's
// autograd.Function). An op with a kernel is one more row of the tables (runtime/include/ghostflow/custom_op.h), with `grad` as in
// schema/gradient.h. Thread rule: as tensors.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "runtime/include/ghostflow/custom_op.h"
#include "schema/gradient.h"
#include "trainer/autodiff/autodiff.h"
#include "trainer/autodiff/gradcheck.h"
#include "trainer/tensor/tensor.h"

namespace gf {

/// What one call of a Function passes from forward to backward.
class FunctionContext {
 public:
  /// Inputs, results or anything computed in between, as backward will find them in saved(): with the values of this call. Gradients of
  /// gradients lead through inputs and results only, as in PyTorch: what lies between is a constant to them.
  void save(std::vector<Tensor> tensors) { saved_ = std::move(tensors); }
  const std::vector<Tensor>& saved() const { return saved_; }
  /// Whether anybody wants the gradient of that input.
  bool needs_gradient(size_t input) const { return input < needs_.size() && needs_[input]; }

 private:
  friend struct Function;
  std::vector<Tensor> saved_;
  std::vector<bool> needs_;
};

/// Functions of tensors with a gradient of their own. `forward` is recorded without gradients; `backward` gets a gradient for each result
/// (zeros where none arrives) and gives one for each input, shaped like it, or an empty Tensor for none. It is called when gradients are
/// recorded: once in each backward(). What it does is differentiated in its turn where gradients of gradients are asked for.
struct Function {
  std::string name;  ///< errors of its ops begin with it
  std::function<std::vector<Tensor>(FunctionContext& context, const std::vector<Tensor>& inputs)> forward;
  std::function<std::vector<Tensor>(const FunctionContext& context, const std::vector<Tensor>& gradients)> backward;

  /// Throws what recording throws, by name; InvalidArgument: no forward or backward, no results; backward() later: another number of
  /// gradients than inputs, or (ShapeMismatch) not shaped like them.
  std::vector<Tensor> operator()(const std::vector<Tensor>& inputs) const;
};

/// Rows that lazy programs know besides the op set's. Not owned: constant data, as custom_op.h says.
struct CustomOps {
  std::vector<const OpDef*> ops;
  std::vector<const Kernel*> kernels;
  std::vector<const OpGradient*> gradients;
};
/// For all programs compiled from now on; what is there already is not added twice. Throws InvalidArgument: an id of the library, or a
/// name that another op has.
void add_custom_ops(const CustomOps& more);
/// An op with its gradient and kernels; `apply<Op>()` records it.
template <class Op>
void add_custom_op(std::initializer_list<const Kernel*> kernels) {
  add_custom_ops({{&op_def<Op>}, kernels, {&op_gradient<Op>}});
}
const CustomOps& custom_ops();
/// Gradients with those of custom ops, for the strict way (TrainStepOptions::autodiff). Valid until more ops are added.
AutodiffOptions custom_autodiff();

/// Checks the gradients of a function of float64 tensors at these values: of every result by every input, and by second_order their own.
/// Custom ops and Functions are in it. Throws what computing throws; LimitExceeded: more than full_jacobian derivatives.
GradcheckReport gradcheck(const std::function<std::vector<Tensor>(const std::vector<Tensor>&)>& function, const std::vector<Tensor>& at,
                          const GradcheckOptions& options = {});

}  // namespace gf
