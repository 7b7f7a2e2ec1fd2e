// reduce_log_sum: natural logarithm of the sum; an empty group gives -inf (ONNX ReduceLogSum).
#pragma once

#include "schema/reduce.h"

namespace gf::op {

struct ReduceLogSum : ReduceOp<ReduceLogSum> {
  static constexpr OpInfo info{.id = 260, .name = "reduce_log_sum", .max_inputs = 2};
  static Error grad(Differentiator& d, const Attrs& a);  // dx = dy / sum(x)
};

}  // namespace gf::op
