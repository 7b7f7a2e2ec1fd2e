// What the scatters share: writing a run of updates into a tensor with a reduction.
#pragma once

#include "ops/cpu/movement.h"
#include "schema/ops/scatter_elements.h"

namespace gf::cpu {

/// target[at + k] = reduce(target[at + k], updates[from + k]) for k < count. Arithmetic is f32 for 16-bit floats, wraps
/// for integers, is and/or on bool; max and min give NaN where one side is NaN.
void scatter_run(ScatterReduction reduction, const TensorView& target, int64_t at, const TensorView& updates, int64_t from,
                 int64_t count);

/// prepare of kernels whose output may take over the memory of input 0.
inline Error prepare_inplace_first(const NodeView&, KernelPlan& plan) {
  plan.inplace_inputs = 1;
  return Error::Ok;
}

}  // namespace gf::cpu
