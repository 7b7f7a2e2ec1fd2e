// group_norm: normalises each group of channels of each sample over its space (ONNX GroupNormalization-21; Wu & He 2018).
// Channels last: x [batch, space..., channels]. Inputs x, scale [channels], bias [channels]. Outputs y and, per sample and
// group, mean and inverse standard deviation [batch, groups].
#pragma once

#include "schema/norm_infer.h"

namespace gf::op {

struct GroupNorm {
  static constexpr OpInfo info{
      .id = 273, .name = "group_norm", .min_inputs = 3, .max_inputs = 3, .min_outputs = 1, .max_outputs = 3};
  struct Attrs {
    int64_t num_groups = 1;   ///< must divide the channels
    float epsilon = 1e-5f;
  };
  static constexpr AttrField fields[] = {field<&Attrs::num_groups>(1, "num_groups"),
                                         field<&Attrs::epsilon>(2, "epsilon")};

  static Error infer(InferContext& c, const Attrs& a) {
    GF_TRY(c.expect_type(0, kFloats));
    GF_TRY(c.expect_min_rank(0, 2));
    GF_TRY(expect_epsilon(c, a.epsilon));
    GF_TRY(c.expect_type(1, kFloats));
    GF_TRY(c.expect_same_type(1, 2));
    GF_TRY(expect_per_channel(c, 1, "scale needs one entry per channel"));
    GF_TRY(expect_per_channel(c, 2, "bias needs one entry per channel"));
    const Dim channels = c.shape(0)[c.rank(0) - 1];
    if (a.num_groups < 1 || (channels.is_const() && channels.lo % a.num_groups != 0))
      return c.fail(Error::BadAttribute, "num_groups %lld does not divide the %lld channels",
                    static_cast<long long>(a.num_groups), static_cast<long long>(channels.hi));
    DimShape statistics;
    statistics.push(c.shape(0)[0]);
    statistics.push(a.num_groups);
    GF_TRY(c.set(0, c.dtype(0), c.shape(0)));
    GF_TRY(c.set(1, statistics_type(c.dtype(0)), statistics));
    return c.set(2, statistics_type(c.dtype(0)), statistics);
  }
  static Error grad(Differentiator& d, const Attrs& a);  // as layer_norm, with means over each group
};

}  // namespace gf::op
