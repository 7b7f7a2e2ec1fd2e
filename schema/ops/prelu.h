// prelu: z = x for x >= 0, slope * x below; slope broadcasts to x (He et al. 2015).
#pragma once

#include "schema/elementwise.h"

namespace gf::op {

struct PRelu : BinaryOp<PRelu> {
  static constexpr OpInfo info{.id = 67, .name = "prelu", .min_inputs = 2, .max_inputs = 2, .flags = kOpElementwise};
  static Error infer(InferContext& c, const auto&) {
    GF_TRY(c.expect_type(0, kTypes));
    GF_TRY(c.expect_same_type(0, 1));
    DimShape shape;
    GF_TRY(c.broadcast(c.shape(0), c.shape(1), shape));
    if (shape.rank != c.rank(0)) return c.fail(Error::ShapeMismatch, "slope has a higher rank than the input");
    for (int d = 0; d < shape.rank; ++d) GF_TRY(c.expect_equal(shape[d], c.shape(0)[d], "slope must broadcast to the input"));
    return c.set(0, c.dtype(0), c.shape(0));
  }
  template <class T>
  static T apply(T x, T y, const Attrs&) {
    return x < T(0) ? wrapping::mul(x, y) : x;
  }
  static Error grad(Differentiator& d, const Attrs& a);  // dx = dz * (x <= 0 ? slope : 1), dslope = sum(dz * x where x <= 0)
};

}  // namespace gf::op
