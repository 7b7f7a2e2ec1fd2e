// average_pool: mean of each window (ONNX AveragePool), channels last. Divides by the elements inside the image, or,
// with count_include_pad, inside the padded image.
#pragma once

#include "schema/pool_infer.h"

namespace gf::op {

struct AveragePool {
  static constexpr OpInfo info{.id = 304, .name = "average_pool"};
  struct Attrs {
    IntList kernel;     ///< one per spatial axis
    IntList strides;    ///< empty: 1
    IntList dilations;  ///< empty: 1
    IntList pads;       ///< befores, then afters; empty: 0
    AutoPad auto_pad = AutoPad::NotSet;
    bool ceil_mode = false;
    bool count_include_pad = false;

    WindowAttrs window() const { return {strides, dilations, pads, auto_pad, ceil_mode}; }
  };
  static constexpr AttrField fields[] = {field<&Attrs::kernel>(1, "kernel"),
                                         field<&Attrs::strides>(2, "strides"),
                                         field<&Attrs::dilations>(3, "dilations"),
                                         field<&Attrs::pads>(4, "pads"),
                                         field<&Attrs::auto_pad>(5, "auto_pad", 0, 2),
                                         field<&Attrs::ceil_mode>(6, "ceil_mode"),
                                         field<&Attrs::count_include_pad>(7, "count_include_pad")};

  static Error infer(InferContext& c, const Attrs& a) {
    GF_TRY(c.expect_type(0, kFloats));
    DimShape out;
    GF_TRY(pool_shape(c, a.kernel, a.window(), out));
    return c.set(0, c.dtype(0), out);
  }
  // dx = sum over windows of dy / count
  static constexpr PendingGradient grad{};
};

}  // namespace gf::op
