// mean_variance_normalization: y = (x - mean) / (sqrt(var) + 1e-9) over a set of axes (ONNX MeanVarianceNormalization-13,
// whose function body defines the place of the epsilon).
#pragma once

#include "schema/list_input.h"
#include "schema/op.h"

namespace gf::op {

struct MeanVarianceNormalization {
  static constexpr OpInfo info{.id = 268, .name = "mean_variance_normalization"};
  struct Attrs {
    IntList axes = {};             ///< axes to normalise over; empty: all of them
  };
  static constexpr AttrField fields[] = {field<&Attrs::axes>(1, "axes")};

  static Error infer(InferContext& c, const Attrs& a) {
    GF_TRY(c.expect_type(0, kFloats));
    AxisList axes;
    GF_TRY(read_axes(c, -1, a.axes, c.rank(0), axes));
    return c.set(0, c.dtype(0), c.shape(0));
  }
  static Error grad(Differentiator& d, const Attrs& a);  // as layer_norm without scale
};

}  // namespace gf::op
