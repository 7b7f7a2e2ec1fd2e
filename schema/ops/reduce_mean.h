// reduce_mean: mean of the elements; integers truncate, an empty group gives NaN (integers: 0) (ONNX ReduceMean).
#pragma once

#include "schema/reduce.h"

namespace gf::op {

struct ReduceMean : ReduceOp<ReduceMean> {
  static constexpr OpInfo info{.id = 254, .name = "reduce_mean", .max_inputs = 2};
  static Error grad(Differentiator& d, const Attrs& a);  // dx = dy / n, broadcast back
};

}  // namespace gf::op
