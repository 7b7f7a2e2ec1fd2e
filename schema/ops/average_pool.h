// average_pool: mean of each window (ONNX AveragePool), channels last. Divides by the elements inside the image, or,
// with count_include_pad, inside the padded image.
#pragma once

#include "schema/pool_infer.h"

namespace gf::op {

struct AveragePool {
  static constexpr OpInfo info{.id = 304, .name = "average_pool"};
  struct Attrs : PoolAttrs {
    bool count_include_pad = false;
  };
  static constexpr auto fields = pool_fields<Attrs>(field<&Attrs::count_include_pad>(7, "count_include_pad"));

  static Error infer(InferContext& c, const Attrs& a) {
    GF_TRY(c.expect_type(0, kFloats));
    DimShape out;
    GF_TRY(pool_shape(c, a, out));
    return c.set(0, c.dtype(0), out);
  }
  // dx = sum over windows of dy / count
  static Error grad(Differentiator& d, const Attrs& a);
};

}  // namespace gf::op
