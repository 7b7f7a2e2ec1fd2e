// reduce_min: smallest element; NaN if there is one; an empty group gives the highest value of the type (ONNX ReduceMin).
#pragma once

#include "schema/reduce.h"

namespace gf::op {

struct ReduceMin : ReduceOp<ReduceMin> {
  static constexpr OpInfo info{.id = 256, .name = "reduce_min", .max_inputs = 2};
  static constexpr DTypeSet kTypes = kNumbersAndBool;
  static constexpr DimOp kDimFold = DimOp::Min;
  static Error grad(Differentiator& d, const Attrs& a);  // dx = dy where x = y, shared evenly between ties
};

}  // namespace gf::op
