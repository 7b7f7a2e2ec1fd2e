// eigh: eigenvalues (rising) and orthonormal eigenvectors (columns) of the symmetric matrices in the last two axes, whose lower triangles
// are read. Of each eigenvector the component of largest magnitude, the first of such, is positive. A matrix with NaN or infinity: all NaN.
#pragma once

#include "schema/op.h"

namespace gf::op {

struct Eigh {
  static constexpr OpInfo info{.id = 216, .name = "eigh", .min_outputs = 2, .max_outputs = 2};
  using Attrs = NoAttrs;

  static Error infer(InferContext& c, const Attrs&) {
    GF_TRY(c.expect_type(0, kFloats));
    GF_TRY(c.expect_min_rank(0, 2));
    const DimShape& s = c.shape(0);
    GF_TRY(c.expect_equal(s[s.rank - 2], s[s.rank - 1], "matrices must be square"));
    DimShape values = s;
    values.rank -= 1;
    GF_TRY(c.set(0, c.dtype(0), values));
    return c.set(1, c.dtype(0), s);
  }
  static Error grad(Differentiator& d, const Attrs& a);  // dx = v (diag(dw) + (v^T dv)_ij / (w_j - w_i)) v^T
};

}  // namespace gf::op
