// batch_norm_grad: gradients of batch_norm with the statistics of the batch in two passes over memory. With h = (x - mean) * r, r = 1 /
// sqrt(var + epsilon), and means over the n elements of a channel: dx = scale * r * (dy - mean(dy) - h * mean(dy * h)), dscale =
// sum(dy * h), dbias = sum(dy). With an activation dy counts only where it lets h * scale + bias through, computed again from x. Channels
// last. Inputs x, scale, mean, var, dy, bias (with an activation only). Outputs dx, dscale, dbias. Made by gradients only.
#pragma once

#include "schema/ops/batch_norm.h"

namespace gf::op {

struct BatchNormGrad {
  static constexpr OpInfo info{
      .id = 283, .name = "batch_norm_grad", .min_inputs = 5, .max_inputs = 6, .min_outputs = 1, .max_outputs = 3};
  using Attrs = BatchNorm::Attrs;
  static constexpr std::span<const AttrField> fields = BatchNorm::fields;

  static Error infer(InferContext& c, const Attrs& a) {
    GF_TRY(c.expect_type(0, kFloats));
    GF_TRY(c.expect_min_rank(0, 1));
    GF_TRY(expect_epsilon(c, a.epsilon));
    const DimShape x = c.shape(0);
    GF_TRY(check_activation(c, a.activation, a.activation_a, a.activation_b));
    if (c.has_input(5) != (a.activation != Activation::None))
      return c.fail(Error::InvalidArgument, "the bias is given where there is an activation, and only there");
    static constexpr const char* kWhat[] = {"", "scale needs one entry per channel", "mean needs one entry per channel",
                                            "var needs one entry per channel", "", "bias needs one entry per channel"};
    for (const int i : {1, 2, 3, 5}) {
      if (!c.has_input(i)) continue;
      GF_TRY(c.expect_type(i, dtypes(i == 2 || i == 3 ? statistics_type(c.dtype(0)) : c.dtype(0))));
      GF_TRY(expect_per_channel(c, i, kWhat[i]));
    }
    GF_TRY(c.expect_same_type(0, 4));
    GF_TRY(c.expect_rank(4, x.rank));
    for (int d = 0; d < x.rank; ++d) GF_TRY(c.expect_equal(c.shape(4)[d], x[d], "dy must have the shape of x"));
    const DimShape channels = c.shape(1);
    GF_TRY(c.set(0, c.dtype(0), x));
    GF_TRY(c.set(1, c.dtype(0), channels));
    return c.set(2, c.dtype(0), channels);
  }
  static constexpr GradientOfExpansion grad{};
  static Error formula(Expander& e, const Attrs& a);  ///< in base ops, for second derivatives
};

}  // namespace gf::op
