// lp_pool: (sum |x|^p)^(1/p) of each window (ONNX LpPool), channels last.
#pragma once

#include "schema/pool_infer.h"

namespace gf::op {

struct LpPool {
  static constexpr OpInfo info{.id = 305, .name = "lp_pool"};
  struct Attrs : PoolAttrs {
    int64_t p = 2;
  };
  static constexpr auto fields = pool_fields<Attrs>(field<&Attrs::p>(7, "p", 1, 1 << 20));

  static Error infer(InferContext& c, const Attrs& a) {
    GF_TRY(c.expect_type(0, kFloats));
    DimShape out;
    GF_TRY(pool_shape(c, a, out));
    return c.set(0, c.dtype(0), out);
  }
  // dx = sum over windows of dy * x |x|^(p-2) / y^(p-1)
  static Error grad(Differentiator& d, const Attrs& a);
};

}  // namespace gf::op
