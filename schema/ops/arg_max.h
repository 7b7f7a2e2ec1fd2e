// arg_max: index (int64) of the largest element along one axis; a NaN counts as the largest (ONNX ArgMax-13).
#pragma once

#include "schema/arg_reduce.h"

namespace gf::op {

struct ArgMax : ArgReduceOp<ArgMax> {
  static constexpr OpInfo info{.id = 263, .name = "arg_max", .flags = kOpDataErrors};
};

}  // namespace gf::op
