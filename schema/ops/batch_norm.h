// batch_norm: y = (x - mean) / sqrt(var + epsilon) * scale + bias per channel with given statistics (ONNX
// BatchNormalization in inference; Ioffe & Szegedy 2015). Channels last: x [batch, ..., channels]. Inputs x, scale, bias,
// mean, var, each [channels].
#pragma once

#include "schema/norm_infer.h"

namespace gf::op {

struct BatchNorm {
  static constexpr OpInfo info{.id = 275, .name = "batch_norm", .min_inputs = 5, .max_inputs = 5};
  struct Attrs {
    float epsilon = 1e-5f;
  };
  static constexpr AttrField fields[] = {field<&Attrs::epsilon>(1, "epsilon")};

  static Error infer(InferContext& c, const Attrs& a) {
    GF_TRY(c.expect_type(0, kFloats));
    GF_TRY(c.expect_min_rank(0, 1));
    GF_TRY(expect_epsilon(c, a.epsilon));
    static constexpr const char* kWhat[] = {
        "", "scale needs one entry per channel", "bias needs one entry per channel", "mean needs one entry per channel",
        "var needs one entry per channel"};
    for (int i = 1; i < 5; ++i) {
      GF_TRY(c.expect_type(i, kFloats));
      GF_TRY(expect_per_channel(c, i, kWhat[i]));
    }
    return c.set(0, c.dtype(0), c.shape(0));
  }
  static Error grad(Differentiator& d, const Attrs& a);  // dx = dy * scale / sqrt(var + epsilon); dscale, dbias summed over the rest
};

}  // namespace gf::op
