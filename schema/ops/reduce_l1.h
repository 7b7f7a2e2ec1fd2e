// reduce_l1: sum of the absolute values (ONNX ReduceL1).
#pragma once

#include "schema/reduce.h"

namespace gf::op {

struct ReduceL1 : ReduceOp<ReduceL1> {
  static constexpr OpInfo info{.id = 258, .name = "reduce_l1", .max_inputs = 2};
  static Error grad(Differentiator& d, const Attrs& a);  // dx = dy * sign(x)
};

}  // namespace gf::op
