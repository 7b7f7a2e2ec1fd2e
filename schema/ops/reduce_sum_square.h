// reduce_sum_square: sum of squares (ONNX ReduceSumSquare).
#pragma once

#include "schema/reduce.h"

namespace gf::op {

struct ReduceSumSquare : ReduceOp<ReduceSumSquare> {
  static constexpr OpInfo info{.id = 262, .name = "reduce_sum_square", .max_inputs = 2};
  static Error grad(Differentiator& d, const Attrs& a);  // dx = dy * 2 * x
};

}  // namespace gf::op
