// Targets of the losses on class indices: what the portable and the vector kernels share. A view of the node's tensors; any thread.
#pragma once

#include "ops/cpu/op_util.h"
#include "schema/loss_infer.h"

namespace gf::cpu {

/// The lines of a loss: one per target, each with a score for every class.
class ClassTargets {
 public:
  /// Scores are input 0, targets input 1; `weights` is the input with a weight per class.
  ClassTargets(const RunContext& c, int weights);

  const AxisView& view() const { return view_; }
  int64_t lines() const { return view_.outer * view_.inner; }
  /// Index of the line's first score; the others follow view().inner apart.
  int64_t base(int64_t line) const { return line / view_.inner * view_.length * view_.inner + line % view_.inner; }
  int64_t operator[](int64_t line) const { return wide_ != nullptr ? wide_[line] : narrow_[line]; }
  bool ignored(int64_t line) const { return (*this)[line] == attrs_.ignore_index; }
  /// Weight of the target's class; 0 where ignored.
  double weight(int64_t line) const {
    return ignored(line) ? 0.0 : (weights_ == nullptr ? 1.0 : load_one<double>(*weights_, (*this)[line]));
  }
  /// What a mean divides by: the sum of weights, in order.
  double total() const;
  /// IndexOutOfRange, naming the target, where one is neither a class nor ignored. To be asked before anything is read by a target.
  Error check(const RunContext& c) const;

 private:
  const ClassLossAttrs& attrs_;
  AxisView view_;
  const int64_t* wide_;
  const int32_t* narrow_;
  const TensorView* weights_;
};

}  // namespace gf::cpu
