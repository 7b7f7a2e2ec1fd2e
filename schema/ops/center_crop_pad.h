// center_crop_pad: crops or pads (with zeros) axes around their middle to given lengths (ONNX CenterCropPad).
#pragma once

#include "schema/list_input.h"
#include "schema/op.h"

namespace gf::op {

struct CenterCropPad {
  static constexpr OpInfo info{.id = 180, .name = "center_crop_pad", .min_inputs = 2, .max_inputs = 2};
  struct Attrs {
    IntList axes = {};  ///< axes the lengths are for; empty: all
  };
  static constexpr AttrField fields[] = {field<&Attrs::axes>(1, "axes")};

  static Error infer(InferContext& c, const Attrs& a) {
    GF_TRY(c.expect_type(0, kMovable));
    AxisList axes;
    GF_TRY(read_axes(c, -1, a.axes, c.rank(0), axes));
    int length = 0;
    GF_TRY(read_length(c, 1, "shape", length));
    const int wanted = axes.given ? axes.count : c.rank(0);
    if (length >= 0 && length != wanted) return c.fail(Error::ShapeMismatch, "%d lengths for %d axes", length, wanted);
    DimShape out = c.shape(0);
    for (int k = 0; k < wanted; ++k)
      GF_TRY(read_size(c, 1, k, kUnbounded, "shape", out[axes.given ? axes.order[k] : k]));
    return c.set(0, c.dtype(0), out);
  }
  static Error grad(Differentiator& d, const Attrs& a);  // dx = center_crop_pad(dy, shape of x)
};

}  // namespace gf::op
