// affine_grid: sampling coordinates of an affine map (ONNX AffineGrid-20): theta [N, k, k + 1] and the size of the image
// [N, C, spatial...] (k = 2 or 3) -> [N, spatial..., k] for grid_sample.
#pragma once

#include "schema/list_input.h"
#include "schema/op.h"

namespace gf::op {

struct AffineGrid {
  static constexpr OpInfo info{.id = 205, .name = "affine_grid", .min_inputs = 2, .max_inputs = 2};
  struct Attrs {
    bool align_corners = false;
  };
  static constexpr AttrField fields[] = {field<&Attrs::align_corners>(1, "align_corners")};

  static Error infer(InferContext& c, const Attrs&) {
    GF_TRY(c.expect_type(0, kFloats));
    GF_TRY(c.expect_rank(0, 3));
    int length = 0;
    GF_TRY(read_length(c, 1, "size", length));
    const Dim k = c.shape(0)[1];
    if (!k.is_const() || (k.lo != 2 && k.lo != 3))
      return c.fail(Error::ShapeMismatch, "theta must be [N, 2, 3] or [N, 3, 4]");
    GF_TRY(c.expect_equal(c.shape(0)[2], k.lo + 1, "theta must be [N, 2, 3] or [N, 3, 4]"));
    if (length >= 0 && length != k.lo + 2)
      return c.fail(Error::ShapeMismatch, "size has %d entries, expected %lld", length, static_cast<long long>(k.lo + 2));
    DimShape out;
    out.push(c.shape(0)[0]);
    for (int d = 0; d < k.lo; ++d) {
      Dim n;
      GF_TRY(read_size(c, 1, d + 2, kUnbounded, "size", n));
      out.push(n);
    }
    out.push(k);
    return c.set(0, c.dtype(0), out);
  }
  static Error grad(Differentiator& d, const Attrs& a);  // d theta = dy times the homogeneous base coordinates
};

}  // namespace gf::op
