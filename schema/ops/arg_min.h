// arg_min: index (int64) of the smallest element along one axis; a NaN counts as the smallest (ONNX ArgMin-13).
#pragma once

#include "schema/arg_reduce.h"

namespace gf::op {

struct ArgMin : ArgReduceOp<ArgMin> {
  static constexpr OpInfo info{.id = 264, .name = "arg_min", .flags = kOpDataErrors};
};

}  // namespace gf::op
