// reduce_prod: product of the elements; integers wrap, an empty group gives 1 (ONNX ReduceProd).
#pragma once

#include "schema/reduce.h"

namespace gf::op {

struct ReduceProd : ReduceOp<ReduceProd> {
  static constexpr OpInfo info{.id = 257, .name = "reduce_prod", .max_inputs = 2};
  static constexpr DimOp kDimFold = DimOp::Mul;
  static Error grad(Differentiator& d, const Attrs& a);  // dx = dy * y / x (products of the others where x = 0)
};

}  // namespace gf::op
