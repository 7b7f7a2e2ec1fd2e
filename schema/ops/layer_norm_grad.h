// layer_norm_grad: gradients of layer_norm and, without a mean, of rms_norm in one pass. With h = (x - mean) * inverse and g = dy *
// scale: dx = inverse * (g - mean(g) - h * mean(g * h)), dscale = sum(dy * h), dbias = sum(dy) over the rows; without a mean the
// term mean(g) goes. Inputs x, scale (the normalised axes), inverse deviation, dy, mean (optional). Outputs dx, dscale, dbias.
// Made by gradients only (schema/gradients/norm.cpp).
#pragma once

#include "schema/formula.h"
#include "schema/norm_infer.h"

namespace gf::op {

struct LayerNormGrad {
  static constexpr OpInfo info{
      .id = 281, .name = "layer_norm_grad", .min_inputs = 4, .max_inputs = 5, .min_outputs = 1, .max_outputs = 3};
  struct Attrs {
    int64_t axis = -1;  ///< first normalised axis
  };
  static constexpr AttrField fields[] = {field<&Attrs::axis>(1, "axis")};

  static Error infer(InferContext& c, const Attrs& a) {
    GF_TRY(c.expect_type(0, kFloats));
    GF_TRY(c.expect_min_rank(0, 1));
    int axis = 0;
    GF_TRY(c.normalize_axis(a.axis, c.rank(0), axis));
    const DimShape x = c.shape(0);
    GF_TRY(c.expect_same_type(0, 1));
    GF_TRY(c.expect_rank(1, x.rank - axis));
    for (int d = axis; d < x.rank; ++d) GF_TRY(c.expect_equal(c.shape(1)[d - axis], x[d], "scale must have the normalised axes"));
    GF_TRY(c.expect_same_type(0, 3));
    GF_TRY(c.expect_rank(3, x.rank));
    for (int d = 0; d < x.rank; ++d) GF_TRY(c.expect_equal(c.shape(3)[d], x[d], "dy must have the shape of x"));
    for (const int i : {2, 4}) {
      if (!c.has_input(i)) continue;
      GF_TRY(c.expect_type(i, dtypes(statistics_type(c.dtype(0)))));
      GF_TRY(c.expect_rank(i, x.rank));
      for (int d = 0; d < x.rank; ++d)
        GF_TRY(c.expect_equal(c.shape(i)[d], d < axis ? x[d] : Dim(1), "statistics must have one element per row"));
    }
    const DimShape scale = c.shape(1);
    GF_TRY(c.set(0, c.dtype(0), x));
    GF_TRY(c.set(1, c.dtype(0), scale));
    return c.set(2, c.dtype(0), scale);
  }
  static constexpr GradientOfExpansion grad{};
  static Error formula(Expander& e, const Attrs& a);  ///< in base ops, for second derivatives
};

}  // namespace gf::op
