// inverse: inverses of the matrices in the last two axes. A pivot of 0 counts as 2^-52, so that a singular matrix gives large
// numbers rather than an error, as in PyTorch's gradient of a determinant. Made by gradients (schema/gradients/spectral.cpp).
#pragma once

#include "schema/op.h"

namespace gf::op {

struct Inverse {
  static constexpr OpInfo info{.id = 212, .name = "inverse"};
  using Attrs = NoAttrs;

  static Error infer(InferContext& c, const Attrs&) {
    GF_TRY(c.expect_type(0, kFloats));
    GF_TRY(c.expect_min_rank(0, 2));
    const DimShape& s = c.shape(0);
    GF_TRY(c.expect_equal(s[s.rank - 2], s[s.rank - 1], "matrices must be square"));
    return c.set(0, c.dtype(0), s);
  }
  static Error grad(Differentiator& d, const Attrs& a);  // dx = -y^T dy y^T
};

}  // namespace gf::op
