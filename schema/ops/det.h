// det: determinants of the matrices in the last two axes (ONNX Det).
#pragma once

#include "schema/list_input.h"
#include "schema/op.h"

namespace gf::op {

struct Det {
  static constexpr OpInfo info{.id = 206, .name = "det"};
  using Attrs = NoAttrs;

  static Error infer(InferContext& c, const Attrs&) {
    GF_TRY(c.expect_type(0, kFloats));
    GF_TRY(c.expect_min_rank(0, 2));
    DimShape out = c.shape(0);
    GF_TRY(c.expect_equal(out[out.rank - 2], out[out.rank - 1], "matrices must be square"));
    out.rank -= 2;
    return c.set(0, c.dtype(0), out);
  }
  static Error grad(Differentiator& d, const Attrs& a);  // dx = dy * y * inverse(x)^T
};

}  // namespace gf::op
