// lrn: local response normalisation across channels, y = x / (bias + alpha / size * sum of squares in a window of `size`
// channels)^beta (ONNX LRN-13; Krizhevsky et al. 2012). Channels last: x [batch, ..., channels].
#pragma once

#include "schema/op.h"

namespace gf::op {

struct Lrn {
  static constexpr OpInfo info{.id = 276, .name = "lrn"};
  struct Attrs {
    int64_t size = 1;         ///< channels in the window: floor((size - 1) / 2) before, ceil((size - 1) / 2) after
    float alpha = 1e-4f;
    float beta = 0.75f;
    float bias = 1.0f;
  };
  static constexpr AttrField fields[] = {field<&Attrs::size>(1, "size"), field<&Attrs::alpha>(2, "alpha"),
                                         field<&Attrs::beta>(3, "beta"), field<&Attrs::bias>(4, "bias")};

  static Error infer(InferContext& c, const Attrs& a) {
    GF_TRY(c.expect_type(0, kFloats));
    GF_TRY(c.expect_min_rank(0, 2));
    if (a.size < 1) return c.fail(Error::BadAttribute, "size is %lld, must be at least 1", static_cast<long long>(a.size));
    return c.set(0, c.dtype(0), c.shape(0));
  }
  // with s = bias + alpha / size * sum: dx = dy * s^-beta - 2 * alpha * beta / size * x * window(dy * y / s)
  static Error grad(Differentiator& d, const Attrs& a);
};

}  // namespace gf::op
