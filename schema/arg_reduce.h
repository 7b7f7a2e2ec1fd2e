// Base of arg_max and arg_min.
#pragma once

#include "schema/op.h"

namespace gf {

struct ArgReduceAttrs {
  int64_t axis = 0;
  bool keepdims = true;             ///< the reduced axis stays with size 1
  bool select_last_index = false;   ///< of equal elements take the last, not the first
};

/// Types and shape of both.
inline Error infer_arg_reduction(InferContext& c, const ArgReduceAttrs& a) {
  GF_TRY(c.expect_type(0, kNumbers));
  DimShape x = c.shape(0);
  if (x.rank == 0) x.push(1);  // a scalar is a vector of one
  int axis = 0;
  GF_TRY(c.normalize_axis(a.axis, x.rank, axis));
  if (x[axis].hi == 0) return c.fail(Error::ShapeMismatch, "axis %d has no elements to choose from", axis);
  DimShape shape;
  for (int d = 0; d < x.rank; ++d) {
    if (d != axis) shape.push(x[d]);
    else if (a.keepdims && c.rank(0) > 0) shape.push(1);
  }
  return c.set(0, DType::I64, shape);
}

template <class Op>
struct ArgReduceOp {
  using Attrs = ArgReduceAttrs;
  static constexpr AttrField fields[] = {field<&ArgReduceAttrs::axis>(1, "axis"),
                                         field<&ArgReduceAttrs::keepdims>(2, "keepdims"),
                                         field<&ArgReduceAttrs::select_last_index>(3, "select_last_index")};
  static Error infer(InferContext& c, const ArgReduceAttrs& a) { return infer_arg_reduction(c, a); }
  static constexpr NoGradient grad{"the output is an index"};
};

}  // namespace gf
