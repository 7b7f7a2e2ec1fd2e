// What max_pool, average_pool and lp_pool share: attributes of the window and the output's shape, channels last.
#pragma once

#include "schema/spatial.h"

namespace gf {

/// Checks kernel and window against input 0 [N, spatial.., C] and gives the output's shape.
inline Error pool_shape(InferContext& c, IntList kernel, const WindowAttrs& window, DimShape& out) {
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
