// cholesky: lower triangular L with a positive diagonal and L L^T = A for the symmetric matrices A in the last two axes (their lower
// triangles are read). A matrix that is not positive definite ends the run with BadData. Upper triangle of L: 0.
#pragma once

#include "schema/op.h"

namespace gf::op {

struct Cholesky {
  static constexpr OpInfo info{.id = 214, .name = "cholesky", .flags = kOpDataErrors};
  using Attrs = NoAttrs;

  static Error infer(InferContext& c, const Attrs&) {
    GF_TRY(c.expect_type(0, kFloats));
    GF_TRY(c.expect_min_rank(0, 2));
    const DimShape& s = c.shape(0);
    GF_TRY(c.expect_equal(s[s.rank - 2], s[s.rank - 1], "matrices must be square"));
    return c.set(0, c.dtype(0), s);
  }
  static Error grad(Differentiator& d, const Attrs& a);  // dx = (S + S^T) / 2, S = L^-T phi(L^T dy) L^-1, phi: lower half, diagonal / 2
};

}  // namespace gf::op
