// What convolutions and matrix products share: the clamp of their epilogue.
#pragma once

#include "ops/cpu/xnnpack/operator.h"
#include "schema/epilogue.h"

namespace gf::xnnpack {

struct Clamp {
  float low = -kInfinity;
  float high = kInfinity;
};

/// The epilogue of a node as XNNPACK has it: a constant bias and a clamp. Refuses a residual and other activations.
template <class Attrs>
Error read_epilogue(const NodeView& node, const Attrs& a, KernelPlan& plan, Clamp& clamp) {
  if (a.precision != Precision::Full) return plan.refuse("operands rounded to bfloat16");
  if (node.has_input(3)) return plan.refuse("a residual in the epilogue");
  switch (a.activation) {
    case Activation::None: return Error::Ok;
    case Activation::Relu: clamp.low = 0; return Error::Ok;
    case Activation::Clamp:
      clamp = {a.activation_a, a.activation_b};
      return clamp.low < clamp.high ? Error::Ok : plan.refuse("a clamp to one value");
    default: return plan.refuse("an activation other than a clamp in the epilogue");
  }
}

inline const float* bias_of(const NodeView& node) {
  return node.has_input(2) ? static_cast<const float*>(node.input(2).constant_data) : nullptr;
}

}  // namespace gf::xnnpack
