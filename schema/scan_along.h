// Base of the running folds along one axis: cum_sum, cum_prod. The axis is an attribute or input 1 (int32 or int64, one
// element).
#pragma once

#include "schema/list_input.h"
#include "schema/op.h"

namespace gf {

struct ScanAlongAttrs {
  int64_t axis = 0;         ///< used when input 1 is absent
  bool exclusive = false;   ///< element k folds the elements before k only
  bool reverse = false;     ///< from the end to the beginning
};

/// Types and shape of both.
inline Error infer_scan_along(InferContext& c, const ScanAlongAttrs& a) {
  GF_TRY(c.expect_type(0, kNumbers));
  int axis = 0;
  int64_t wanted = a.axis;
  bool known = true;
  if (c.has_input(1)) {
    Dim value;
    GF_TRY(c.expect_type(1, kIndex));
    GF_TRY(read_scalar(c, 1, "axis", known, value));
    wanted = value.lo;
    known = known && value.is_const();
  }
  if (known) GF_TRY(c.normalize_axis(wanted, c.rank(0) == 0 ? 1 : c.rank(0), axis));
  return c.set(0, c.dtype(0), c.shape(0));
}

template <class Op>
struct ScanAlongOp {
  using Attrs = ScanAlongAttrs;
  static constexpr AttrField fields[] = {field<&ScanAlongAttrs::axis>(1, "axis"),
                                         field<&ScanAlongAttrs::exclusive>(2, "exclusive"),
                                         field<&ScanAlongAttrs::reverse>(3, "reverse")};
  static Error infer(InferContext& c, const ScanAlongAttrs& a) { return infer_scan_along(c, a); }
};

}  // namespace gf
