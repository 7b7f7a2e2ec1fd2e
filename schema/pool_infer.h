// What max_pool, average_pool, lp_pool and max_pool_grad share: attributes of the window and the output's shape, channels last.
#pragma once

#include "schema/spatial.h"

namespace gf {

/// Attributes of the pools; each adds one of its own.
struct PoolAttrs {
  IntList kernel = {};     ///< one per spatial axis
  IntList strides = {};    ///< empty: 1
  IntList dilations = {};  ///< empty: 1
  IntList pads = {};       ///< befores, then afters; empty: 0
  AutoPad auto_pad = AutoPad::NotSet;
  bool ceil_mode = false;

  WindowAttrs window() const { return {strides, dilations, pads, auto_pad, ceil_mode}; }
};

/// The pools' fields 1 to 6, and with the op's own seventh.
template <class Attrs>
consteval std::array<AttrField, 6> pool_fields() {
  return join_fields(std::array{field<&Attrs::kernel, Attrs>(1, "kernel")}, window_fields<Attrs>(2),
                     std::array{field<&Attrs::auto_pad, Attrs>(5, "auto_pad", 0, 2),
                                field<&Attrs::ceil_mode, Attrs>(6, "ceil_mode")});
}
template <class Attrs>
consteval std::array<AttrField, 7> pool_fields(const AttrField& own) {
  return join_fields(pool_fields<Attrs>(), std::array{own});
}

/// Checks kernel and window against input 0 [N, spatial.., C] and gives the output's shape.
inline Error pool_shape(InferContext& c, const PoolAttrs& a, DimShape& out) {
  const IntList kernel = a.kernel;
  const WindowAttrs window = a.window();
  GF_TRY(c.expect_min_rank(0, 3));
  const DimShape& x = c.shape(0);
  const int spatial = x.rank - 2;
  if (kernel.empty()) return c.fail(Error::BadAttribute, "kernel is missing");
  GF_TRY(check_window_list(c, kernel, spatial, 1, "kernel"));
  GF_TRY(check_window(c, window, spatial));
  out.push(x[0]);
  for (int d = 0; d < spatial; ++d) {
    Dim length;
    GF_TRY(window_out(c, window, d, x[d + 1], kernel[static_cast<size_t>(d)], length));
    out.push(length);
  }
  out.push(x[x.rank - 1]);
  return Error::Ok;
}

}  // namespace gf
