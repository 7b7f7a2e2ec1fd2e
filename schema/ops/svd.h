// svd: the matrices [m, n] in the last two axes as U diag(S) Vh: U [m, k], S [k] falling, Vh [k, n], k the lesser of m and n. Columns of U
// and rows of Vh are orthonormal, also for singular values of 0. Of each column of U the component of largest magnitude, the first of
// such, is positive. A matrix with NaN or infinity: all NaN.
#pragma once

#include "schema/op.h"

namespace gf::op {

struct Svd {
  static constexpr OpInfo info{.id = 217, .name = "svd", .min_outputs = 3, .max_outputs = 3};
  using Attrs = NoAttrs;

  static Error infer(InferContext& c, const Attrs&) {
    GF_TRY(c.expect_type(0, kFloats));
    GF_TRY(c.expect_min_rank(0, 2));
    DimShape u = c.shape(0), s = u, vh = u;
    const Dim k = c.min(u[u.rank - 2], u[u.rank - 1]);
    u[u.rank - 1] = k;
    vh[vh.rank - 2] = k;
    s.rank -= 1;
    s[s.rank - 1] = k;
    GF_TRY(c.set(0, c.dtype(0), u));
    GF_TRY(c.set(1, c.dtype(0), s));
    return c.set(2, c.dtype(0), vh);
  }
  static Error grad(Differentiator& d, const Attrs& a);  // the formula stands with the code, in schema/gradients/decomposition.cpp
};

}  // namespace gf::op
