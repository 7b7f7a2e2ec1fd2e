// where: z = condition ? x : y with NumPy broadcasting of all three (ONNX Where).
#pragma once

#include "schema/op.h"

namespace gf::op {

struct Where {
  static constexpr OpInfo info{.id = 80, .name = "where", .min_inputs = 3, .max_inputs = 3};
  using Attrs = NoAttrs;

  static Error infer(InferContext& c, const Attrs&) {
    GF_TRY(c.expect_type(0, kBoolOnly));
    GF_TRY(c.expect_type(1, kMovable));
    GF_TRY(c.expect_same_type(1, 2));
    DimShape xy, shape;
    GF_TRY(c.broadcast(c.shape(1), c.shape(2), xy));
    GF_TRY(c.broadcast(c.shape(0), xy, shape));
    select_values(c);
    return c.set(0, c.dtype(1), shape);
  }
  static Error grad(Differentiator& d, const Attrs& a);  // dx = where(c, dz, 0), dy = where(c, 0, dz), summed over broadcast axes

 private:
  // shape vectors: where(equal(shape, -1), other, shape) is how exporters write expand
  static void select_values(InferContext& c) {
    int n = 1;
    for (int i = 0; i < 3; ++i) {
      const int m = c.value_count(i);
      if (m < 0 || c.rank(i) > 1 || (m != 1 && n != 1 && m != n)) return;
      if (m != 1) n = m;
    }
    if (n > kMaxTrackedValues) return;
    Dim out[kMaxTrackedValues];
    for (int k = 0; k < n; ++k) {
      const Dim condition = c.value(0, c.value_count(0) == 1 ? 0 : k);
      const Dim x = c.value(1, c.value_count(1) == 1 ? 0 : k);
      const Dim y = c.value(2, c.value_count(2) == 1 ? 0 : k);
      if (condition.is_const()) out[k] = condition.lo != 0 ? x : y;
      else if (x.same(y)) out[k] = x;
      else out[k] = Dim(x.lo < y.lo ? x.lo : y.lo, x.hi > y.hi ? x.hi : y.hi);
    }
    c.set_values(0, {out, static_cast<size_t>(n)});
  }
};

}  // namespace gf::op
