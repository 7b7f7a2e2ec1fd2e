// top_k: the k largest (or smallest) elements along one axis and their indices (ONNX TopK-24). Inputs: x, k (int64, one
// element). Outputs: values, indices (int64). Of equal elements the one with the lower index comes first; NaN counts as
// larger than everything.
#pragma once

#include "schema/op.h"

namespace gf::op {

struct TopK {
  static constexpr OpInfo info{
      .id = 277, .name = "top_k", .min_inputs = 2, .max_inputs = 2, .min_outputs = 2, .max_outputs = 2};
  struct Attrs {
    int64_t axis = -1;
    bool largest = true;
    bool sorted = true;       ///< false: any order is allowed (ours is sorted all the same)
  };
  static constexpr AttrField fields[] = {field<&Attrs::axis>(1, "axis"), field<&Attrs::largest>(2, "largest"),
                                         field<&Attrs::sorted>(3, "sorted")};

  static Error infer(InferContext& c, const Attrs& a) {
    GF_TRY(c.expect_type(0, kNumbers));
    GF_TRY(c.expect_type(1, dtypes(DType::I64)));
    int axis = 0;
    GF_TRY(c.normalize_axis(a.axis, c.rank(0), axis));
    DimShape shape = c.shape(0);
    const Dim length = shape[axis];
    if (const int n = c.value_count(1); n >= 0) {
      if (n != 1) return c.fail(Error::ShapeMismatch, "k has %d elements, must have one", n);
      const Dim k = c.value(1, 0);
      if (k.hi < 0 || k.lo > length.hi)
        return c.fail(Error::BadAttribute, "k is %lld, the axis has %lld elements", static_cast<long long>(k.lo),
                      static_cast<long long>(length.hi));
      shape[axis] = k.is_const() ? k : c.min(c.max(k, 0), length);
    } else {
      shape[axis] = c.fresh(0, length.hi);
    }
    GF_TRY(c.set(0, c.dtype(0), shape));
    return c.set(1, DType::I64, shape);
  }
  static Error grad(Differentiator& d, const Attrs& a);  // dx = dy scattered to the indices
};

}  // namespace gf::op
