// layer_norm: y = (x - mean) / sqrt(var + epsilon) * scale + bias over the axes from `axis` on (ONNX
// LayerNormalization-17; Ba et al. 2016). Inputs x, scale, bias (optional). Outputs y, mean, inverse standard deviation.
#pragma once

#include "schema/norm_infer.h"

namespace gf::op {

struct LayerNorm {
  static constexpr OpInfo info{
      .id = 271, .name = "layer_norm", .min_inputs = 2, .max_inputs = 3, .min_outputs = 1, .max_outputs = 3};
  struct Attrs {
    int64_t axis = -1;        ///< first normalised axis
    float epsilon = 1e-5f;
  };
  static constexpr AttrField fields[] = {field<&Attrs::axis>(1, "axis"), field<&Attrs::epsilon>(2, "epsilon")};

  static Error infer(InferContext& c, const Attrs& a) {
    GF_TRY(c.expect_type(0, kFloats));
    GF_TRY(c.expect_type(1, kFloats));
    GF_TRY(c.expect_min_rank(0, 1));
    int axis = 0;
    GF_TRY(c.normalize_axis(a.axis, c.rank(0), axis));
    GF_TRY(expect_epsilon(c, a.epsilon));
    GF_TRY(expect_covers(c, 1, axis, "scale"));
    if (c.has_input(2)) {
      GF_TRY(c.expect_same_type(1, 2));
      GF_TRY(expect_covers(c, 2, axis, "bias"));
    }
    DimShape statistics = c.shape(0);
    for (int d = axis; d < statistics.rank; ++d) statistics[d] = 1;
    GF_TRY(c.set(0, c.dtype(0), c.shape(0)));
    GF_TRY(c.set(1, statistics_type(c.dtype(0)), statistics));
    return c.set(2, statistics_type(c.dtype(0)), statistics);
  }
  // with h = (x - mean) * inv_std, g = dy * scale: dx = inv_std * (g - mean(g) - h * mean(g * h))
  static Error grad(Differentiator& d, const Attrs& a);  // dscale = sum(dy * h), dbias = sum(dy)
};

}  // namespace gf::op
