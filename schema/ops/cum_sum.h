// cum_sum: running sum along one axis (ONNX CumSum).
#pragma once

#include "schema/scan_along.h"

namespace gf::op {

struct CumSum : ScanAlongOp<CumSum> {
  static constexpr OpInfo info{.id = 265, .name = "cum_sum", .max_inputs = 2, .flags = kOpDataErrors};
  static Error grad(Differentiator& d, const Attrs& a);  // dx = cum_sum(dy) in the other direction
};

}  // namespace gf::op
