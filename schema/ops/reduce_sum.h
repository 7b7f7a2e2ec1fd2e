// reduce_sum: sum of the elements; integers wrap, an empty group gives 0 (ONNX ReduceSum).
#pragma once

#include "schema/reduce.h"

namespace gf::op {

struct ReduceSum : ReduceOp<ReduceSum> {
  static constexpr OpInfo info{.id = 253, .name = "reduce_sum", .max_inputs = 2};
  static constexpr DimOp kDimFold = DimOp::Add;
  static Error grad(Differentiator& d, const Attrs& a);  // dx = dy, broadcast back
};

}  // namespace gf::op
