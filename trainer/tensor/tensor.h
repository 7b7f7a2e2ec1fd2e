// Tensor: values that are computed when somebody looks at them. Operations record; loss.backward() and an optimizer's step() record
// too; what is needed is compiled into one program, run, and the program is used again while the recording has the same structure.
// A Tensor is a handle: copies share the value. Thread rule: one thread at a time for all tensors of a process (Busy otherwise
// is not detected; run threads of your own on Sessions).
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "io/array.h"
#include "schema/op.h"

namespace gf {

using Shape64 = std::vector<int64_t>;

namespace lazy {
struct Variable;
/// While one lives, what is recorded leads no gradients back: `gf::no_grad off;`
class NoGrad {
 public:
  NoGrad();
  ~NoGrad();
  NoGrad(const NoGrad&) = delete;
  NoGrad& operator=(const NoGrad&) = delete;
};
}  // namespace lazy

class Tensor {
 public:
  /// No tensor: operations on it throw InvalidArgument.
  Tensor() = default;
  explicit Tensor(std::shared_ptr<lazy::Variable> variable) : variable_(std::move(variable)) {}

  // --- made from data
  /// Copies host data; shape of one dimension where none is given.
  template <class T>
  static Tensor from(const std::vector<T>& data, Shape64 shape) { return from_array(io::Array::from(data, std::move(shape))); }
  template <class T>
  static Tensor from(const std::vector<T>& data) { return from(data, {static_cast<int64_t>(data.size())}); }
  static Tensor from_array(io::Array array);
  static Tensor scalar(double value, DType type = DType::F32);
  static Tensor full(Shape64 shape, double value, DType type = DType::F32);
  static Tensor zeros(Shape64 shape, DType type = DType::F32) { return full(std::move(shape), 0, type); }
  static Tensor ones(Shape64 shape, DType type = DType::F32) { return full(std::move(shape), 1, type); }

  explicit operator bool() const { return variable_ != nullptr; }
  const Shape64& shape() const;
  int64_t size(int64_t axis) const;             ///< negative axes count from the end
  int rank() const { return static_cast<int>(shape().size()); }
  int64_t numel() const;
  DType dtype() const;

  // --- looking at the value: computes what is needed
  io::Array array() const;
  /// The one element of a tensor that has one. Throws ShapeMismatch.
  double item() const;
  template <class T>
  std::vector<T> to_vector() const { return array().template as<T>(); }

  /// New contents for all handles of this tensor (a loaded weight). Throws ShapeMismatch, TypeMismatch; InvalidArgument for a tensor that
  /// was computed from others.
  void assign(io::Array array);

  /// This tensor, for all its handles, becomes `next`, which may not have been computed yet (running statistics). No gradients lead
  /// through it. Errors as assign().
  void follow(const Tensor& next);

  // --- gradients
  Tensor& set_requires_grad(bool on = true);    ///< leaves only; floats only
  bool requires_grad() const;
  /// Sum of the gradients since the last step() or zero_grad(); empty when there was none.
  Tensor grad() const;
  void zero_grad();
  /// `hook` is called with this tensor's gradient in each backward() and grad(), when it is recorded: what it returns takes its place there and
  /// in everything behind it (an empty Tensor: nothing does). Hooks run in the order of their registration, when all of the tensor's
  /// gradient is there. Leaves that require gradients and what was computed from them. Returns a number for remove_hook().
  int register_hook(std::function<Tensor(const Tensor&)> hook);
  void remove_hook(int number);
  /// backward() adds to the grad() of this computed tensor too, behind its hooks.
  void retain_grad();
  /// Gradients of this one-element tensor by every leaf that requires them and leads to it are added to their grad().
  void backward() const;
  /// The same value, cut off from what it was computed from.
  Tensor detach() const;

  /// What handles of this tensor share; throws InvalidArgument where there is none.
  lazy::Variable& variable() const;
  const std::shared_ptr<lazy::Variable>& shared() const { return variable_; }

 private:
  std::shared_ptr<lazy::Variable> variable_;
};

using no_grad = lazy::NoGrad;

/// What results of the forward part of a train step are kept in until its backward part reads them, for steps recorded from now on: F32
/// (at first) or BF16 (PassOptions::kept of the strict way): about half the memory of activations; parameters, moments and gradients stay as
/// they are. Throws InvalidArgument: another type.
void keep_activations_in(DType type);
/// What products and convolutions of train steps are computed from, forward and backward, for steps recorded from now on: F32 (at first) or
/// BF16 (PassOptions::products of the strict way): operands rounded to bfloat16, sums and parameters in float32. isa_multiplies_bf16(machine_isa())
/// says whether this processor has instructions for it; elsewhere it is no faster. Throws InvalidArgument: another type.
void compute_products_in(DType type);

/// Gradients of a one-element loss by these tensors (leaves that require gradients, or what was computed from such): the tensors' grad() stays
/// as it is; hooks run, those of `by` too. `create_graph`: the results may be differentiated again. Throws InvalidArgument: the loss does not depend on one of them.
std::vector<Tensor> grad(const Tensor& loss, const std::vector<Tensor>& by, bool create_graph = false);

/// Records one op of the op set on tensors; empty handles are inputs left out. Shapes are checked at once: throws gf::Exception with
/// the op's name (ShapeMismatch, TypeMismatch, BadAttribute; Unsupported where only running tells the shape of a result).
std::vector<Tensor> apply(const OpDef& op, const void* attrs, std::span<const Tensor> inputs, size_t outputs = 1);
template <class Op>
Tensor apply(std::initializer_list<Tensor> inputs, const typename Op::Attrs& attrs = {}) {
  return apply(op_def<Op>, &attrs, {inputs.begin(), inputs.size()})[0];
}

}  // namespace gf
