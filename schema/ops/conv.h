// conv: y = activation(convolution(x, w) + bias + residual) (ONNX Conv), channels last. Inputs x [N, spatial.., C],
// w [M, C / groups, kernel..] (as ONNX), bias [M] (optional), residual shaped like y (optional). Depthwise: groups ==
// C.
#pragma once

#include "schema/conv_infer.h"

namespace gf::op {

struct Conv {
  static constexpr OpInfo info{.id = 301, .name = "conv", .min_inputs = 2, .max_inputs = 4};
  using Attrs = ConvAttrs;
  static constexpr auto fields = join_fields(window_fields<Attrs>(1), conv_tail_fields<Attrs>(4));

  static Error infer(InferContext& c, const Attrs& a) {
    GF_TRY(c.expect_type(0, kFloats));
    GF_TRY(c.expect_same_type(0, 1));
    GF_TRY(check_precision(c, a.precision));
    DimShape out;
    GF_TRY(conv_shape(c, a.window(), a.groups, 0, 1, out));
    GF_TRY(check_epilogue(c, a.activation, a.activation_a, a.activation_b, 2, 3, out[out.rank - 1], out));
    return c.set(0, c.dtype(0), out);
  }
  static uint64_t macs(const NodeShapes& s, const Attrs&) { return s.conv(s.output_volume(), 1); }
  // with s the value before the activation, ds = dy * f'(s): dx = conv_transpose(ds, w), dw = correlation of x and ds,
  // dbias = sum of ds over batch and pixels, dresidual = ds
  static Error grad(Differentiator& d, const Attrs& a);

  static Error expand(Expander& e, const Attrs& a) { return expand_conv<Conv>(e, a); }
};

}  // namespace gf::op
