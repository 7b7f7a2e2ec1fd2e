// reduce_log_sum_exp: ln(sum(e^x)), without overflow; an empty group gives -inf (ONNX ReduceLogSumExp).
#pragma once

#include "schema/reduce.h"

namespace gf::op {

struct ReduceLogSumExp : ReduceOp<ReduceLogSumExp> {
  static constexpr OpInfo info{.id = 261, .name = "reduce_log_sum_exp", .max_inputs = 2};
  static Error grad(Differentiator& d, const Attrs& a);  // dx = dy * exp(x - y)
};

}  // namespace gf::op
