// lp_pool: (sum |x|^p)^(1/p) of each window (ONNX LpPool), channels last.
#pragma once

#include "schema/pool_infer.h"

namespace gf::op {

struct LpPool {
  static constexpr OpInfo info{.id = 305, .name = "lp_pool"};
  struct Attrs {
    IntList kernel;     ///< one per spatial axis
    IntList strides;    ///< empty: 1
    IntList dilations;  ///< empty: 1
    IntList pads;       ///< befores, then afters; empty: 0
    AutoPad auto_pad = AutoPad::NotSet;
    bool ceil_mode = false;
    int64_t p = 2;

    WindowAttrs window() const { return {strides, dilations, pads, auto_pad, ceil_mode}; }
  };
  static constexpr AttrField fields[] = {field<&Attrs::kernel>(1, "kernel"),
                                         field<&Attrs::strides>(2, "strides"),
                                         field<&Attrs::dilations>(3, "dilations"),
                                         field<&Attrs::pads>(4, "pads"),
                                         field<&Attrs::auto_pad>(5, "auto_pad", 0, 2),
                                         field<&Attrs::ceil_mode>(6, "ceil_mode"),
                                         field<&Attrs::p>(7, "p", 1, 1 << 20)};

  static Error infer(InferContext& c, const Attrs& a) {
    GF_TRY(c.expect_type(0, kFloats));
    DimShape out;
    GF_TRY(pool_shape(c, a.kernel, a.window(), out));
    return c.set(0, c.dtype(0), out);
  }
  // dx = sum over windows of dy * x |x|^(p-2) / y^(p-1)
  static constexpr PendingGradient grad{};
};

}  // namespace gf::op
