// cum_prod: running product along one axis (ONNX CumProd).
#pragma once

#include "schema/scan_along.h"

namespace gf::op {

struct CumProd : ScanAlongOp<CumProd> {
  static constexpr OpInfo info{.id = 266, .name = "cum_prod", .max_inputs = 2, .flags = kOpDataErrors};
  static Error grad(Differentiator& d, const Attrs& a);  // dx = cum_sum(dy * y, other direction) / x (products of the others where x = 0)
};

}  // namespace gf::op
