// instance_norm: normalises each channel of each sample over its space (ONNX InstanceNormalization-6; Ulyanov et al.
// 2016). Channels last: x [batch, space..., channels]. Inputs x, scale [channels], bias [channels]. Outputs y and, per
// sample and channel, mean and inverse standard deviation [batch, channels].
#pragma once

#include "schema/norm_infer.h"

namespace gf::op {

struct InstanceNorm {
  static constexpr OpInfo info{
      .id = 274, .name = "instance_norm", .min_inputs = 3, .max_inputs = 3, .min_outputs = 1, .max_outputs = 3};
  struct Attrs {
    float epsilon = 1e-5f;
  };
  static constexpr AttrField fields[] = {field<&Attrs::epsilon>(1, "epsilon")};

  static Error infer(InferContext& c, const Attrs& a) {
    GF_TRY(c.expect_type(0, kFloats));
    GF_TRY(c.expect_min_rank(0, 2));
    GF_TRY(expect_epsilon(c, a.epsilon));
    GF_TRY(c.expect_type(1, kFloats));
    GF_TRY(c.expect_same_type(1, 2));
    GF_TRY(expect_per_channel(c, 1, "scale needs one entry per channel"));
    GF_TRY(expect_per_channel(c, 2, "bias needs one entry per channel"));
    DimShape statistics;
    statistics.push(c.shape(0)[0]);
    statistics.push(c.shape(0)[c.rank(0) - 1]);
    GF_TRY(c.set(0, c.dtype(0), c.shape(0)));
    GF_TRY(c.set(1, statistics_type(c.dtype(0)), statistics));
    return c.set(2, statistics_type(c.dtype(0)), statistics);
  }
  static Error grad(Differentiator& d, const Attrs& a);  // as layer_norm, with means over space
};

}  // namespace gf::op
