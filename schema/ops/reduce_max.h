// reduce_max: largest element; NaN if there is one; an empty group gives the lowest value of the type (ONNX ReduceMax).
#pragma once

#include "schema/reduce.h"

namespace gf::op {

struct ReduceMax : ReduceOp<ReduceMax> {
  static constexpr OpInfo info{.id = 255, .name = "reduce_max", .max_inputs = 2};
  static constexpr DTypeSet kTypes = kNumbersAndBool;
  static constexpr DimOp kDimFold = DimOp::Max;
  static Error grad(Differentiator& d, const Attrs& a);  // dx = dy where x = y, shared evenly between ties
};

}  // namespace gf::op
