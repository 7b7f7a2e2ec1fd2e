// rms_norm: y = x / sqrt(mean(x^2) + epsilon) * scale over the axes from `axis` on (ONNX RMSNormalization-23; Zhang &
// Sennrich 2019). Inputs x, scale. Outputs y, inverse root mean square.
#pragma once

#include "schema/formula.h"
#include "schema/norm_infer.h"

namespace gf::op {

struct RmsNorm {
  static constexpr OpInfo info{
      .id = 272, .name = "rms_norm", .min_inputs = 2, .max_inputs = 2, .min_outputs = 1, .max_outputs = 2};
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
    DimShape statistics = c.shape(0);
    for (int d = axis; d < statistics.rank; ++d) statistics[d] = 1;
    GF_TRY(c.set(0, c.dtype(0), c.shape(0)));
    return c.set(1, statistics_type(c.dtype(0)), statistics);
  }
  // with r = inverse root mean square, h = x * r, g = dy * scale: dx = r * (g - h * mean(g * h))
  static Error grad(Differentiator& d, const Attrs& a);  // dscale = sum(dy * h)

  static Error expand(Expander& e, const Attrs& a) {
    const Var x = e.input(0);
    const DType type = statistics_type(e.dtype(x));
    const int rank = e.rank(x), first = static_cast<int>(a.axis < 0 ? a.axis + rank : a.axis);
    int64_t axes[kMaxRank];
    for (int d = first; d < rank; ++d) axes[d - first] = d;
    const Var wide = e.cast(x, type);
    const Var mean = e.reduce_mean(wide * wide, IntList(axes, static_cast<size_t>(rank - first)));
    const Var inverse = e.reciprocal(e.sqrt(mean + static_cast<double>(a.epsilon)));
    if (e.wants_output(1)) e.output(1, inverse);
    return e.finish(e.cast(wide * inverse * e.cast(e.input(1), type), e.dtype(x)));
  }
};

}  // namespace gf::op
