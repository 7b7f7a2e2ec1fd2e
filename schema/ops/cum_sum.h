// cum_sum: running sum along one axis (ONNX CumSum); the axis is an attribute here.
#pragma once

#include "schema/scan_along.h"

namespace gf::op {

struct CumSum : ScanAlongOp<CumSum> {
  static constexpr OpInfo info{.id = 265, .name = "cum_sum"};
  static constexpr PendingGradient grad{};  // dx = cum_sum(dy) in the other direction
};

}  // namespace gf::op
