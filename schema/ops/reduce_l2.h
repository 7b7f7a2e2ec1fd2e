// reduce_l2: square root of the sum of squares (ONNX ReduceL2).
#pragma once

#include "schema/reduce.h"

namespace gf::op {

struct ReduceL2 : ReduceOp<ReduceL2> {
  static constexpr OpInfo info{.id = 259, .name = "reduce_l2", .max_inputs = 2};
  static Error grad(Differentiator& d, const Attrs& a);  // dx = dy * x / y
};

}  // namespace gf::op
