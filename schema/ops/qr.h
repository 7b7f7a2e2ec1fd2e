// qr: the matrices [m, n] in the last two axes as Q R, Q [m, k] with orthonormal columns, R [k, n] upper triangular, k the lesser of m
// and n ("reduced"). The diagonal of R is not negative, which makes both unique for full rank.
#pragma once

#include "schema/op.h"

namespace gf::op {

struct Qr {
  static constexpr OpInfo info{.id = 215, .name = "qr", .min_outputs = 2, .max_outputs = 2};
  using Attrs = NoAttrs;

  static Error infer(InferContext& c, const Attrs&) {
    GF_TRY(c.expect_type(0, kFloats));
    GF_TRY(c.expect_min_rank(0, 2));
    DimShape q = c.shape(0), r = q;
    const Dim k = c.min(q[q.rank - 2], q[q.rank - 1]);
    q[q.rank - 1] = k;
    r[r.rank - 2] = k;
    GF_TRY(c.set(0, c.dtype(0), q));
    return c.set(1, c.dtype(0), r);
  }
  static Error grad(Differentiator& d, const Attrs& a);  // m >= n: dx = (dq + q c(r dr^T - dq^T q)) r^-T, c: lower triangle mirrored
};

}  // namespace gf::op
