// lp_normalization: y = x / |x|_p along one axis, p = 1 or 2; a zero vector stays zero (ONNX LpNormalization-22).
#pragma once

#include "schema/op.h"

namespace gf::op {

struct LpNormalization {
  static constexpr OpInfo info{.id = 267, .name = "lp_normalization"};
  struct Attrs {
    int64_t axis = -1;
    int64_t p = 2;            ///< 1 or 2
  };
  static constexpr AttrField fields[] = {field<&Attrs::axis>(1, "axis"), field<&Attrs::p>(2, "p", 1, 2)};

  static Error infer(InferContext& c, const Attrs& a) {
    GF_TRY(c.expect_type(0, kFloats));
    int axis = 0;
    GF_TRY(c.normalize_axis(a.axis, c.rank(0), axis));
    return c.set(0, c.dtype(0), c.shape(0));
  }
  static Error grad(Differentiator& d, const Attrs& a);  // p = 2: dx = (dy - y * sum(dy * y)) / |x|; p = 1: y replaced by sign(x)
};

}  // namespace gf::op
