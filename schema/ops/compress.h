// compress: slices along an axis (or elements of the flattened tensor) where a condition holds (ONNX Compress).
#pragma once

#include "schema/list_input.h"
#include "schema/op.h"

namespace gf::op {

struct Compress {
  static constexpr OpInfo info{
      .id = 174, .name = "compress", .min_inputs = 2, .max_inputs = 2, .flags = kOpDataShape};
  struct Attrs {
    int64_t axis = 0;
    bool flat = true;  ///< true: no axis, the flattened tensor
  };
  static constexpr AttrField fields[] = {field<&Attrs::axis>(1, "axis"), field<&Attrs::flat>(2, "flat")};

  static Error infer(InferContext& c, const Attrs& a) {
    GF_TRY(c.expect_type(0, kMovable));
    GF_TRY(c.expect_type(1, kBoolOnly));
    GF_TRY(c.expect_rank(1, 1));
    DimShape out;
    int axis = 0;
    Dim length = c.count(c.shape(0));
    if (a.flat) {
      out.push(0);
    } else {
      GF_TRY(c.normalize_axis(a.axis, c.rank(0), axis));
      out = c.shape(0);
      length = out[axis];
    }
    const int64_t bound = length.hi < c.shape(1)[0].hi ? length.hi : c.shape(1)[0].hi;
    out[axis] = c.fresh(0, bound);
    return c.set(0, c.dtype(0), out);
  }
  static Error grad(Differentiator& d, const Attrs& a);  // dx = zeros with dy written to the kept places
};

}  // namespace gf::op
