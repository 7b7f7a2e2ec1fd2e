// Base of the running folds along one axis: cum_sum, cum_prod.
#pragma once

#include "schema/op.h"

namespace gf {

struct ScanAlongAttrs {
  int64_t axis = 0;
  bool exclusive = false;   ///< element k folds the elements before k only
  bool reverse = false;     ///< from the end to the beginning
};

template <class Op>
struct ScanAlongOp {
  using Attrs = ScanAlongAttrs;
  static constexpr AttrField fields[] = {field<&ScanAlongAttrs::axis>(1, "axis"),
                                         field<&ScanAlongAttrs::exclusive>(2, "exclusive"),
                                         field<&ScanAlongAttrs::reverse>(3, "reverse")};
  static Error infer(InferContext& c, const ScanAlongAttrs& a) {
    GF_TRY(c.expect_type(0, kNumbers));
    int axis = 0;
    GF_TRY(c.normalize_axis(a.axis, c.rank(0) == 0 ? 1 : c.rank(0), axis));
    return c.set(0, c.dtype(0), c.shape(0));
  }
};

}  // namespace gf
