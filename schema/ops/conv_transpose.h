// conv_transpose: y = activation(transposed convolution(x, w) + bias + residual) (ONNX ConvTranspose), channels last.
// Inputs x [N, spatial.., C], w [C, M / groups, kernel..] (as ONNX), bias [M], residual shaped like y (both optional).
// out = (in - 1) * stride - pads + dilation * (kernel - 1) + 1 + output_padding, or output_shape where it is given, or
// in * stride with auto_pad; the last two choose the pads, and what no input reaches holds the bias.
#pragma once

#include "schema/conv_infer.h"

namespace gf::op {

struct ConvTranspose {
  static constexpr OpInfo info{.id = 302, .name = "conv_transpose", .min_inputs = 2, .max_inputs = 4};
  struct Attrs : ConvAttrs {   // pads are ignored with output_shape or auto_pad
    IntList output_padding = {};  ///< empty: 0
    IntList output_shape = {};    ///< spatial axes; empty: computed

    int64_t extra(int d) const { return output_padding.empty() ? 0 : output_padding[static_cast<size_t>(d)]; }
  };
  static constexpr auto fields =
      join_fields(window_fields<Attrs>(1),
                  std::array{field<&Attrs::output_padding>(4, "output_padding"), field<&Attrs::output_shape>(5, "output_shape")},
                  conv_tail_fields<Attrs>(6));

  static Error infer(InferContext& c, const Attrs& a) {
    GF_TRY(c.expect_type(0, kFloats));
    GF_TRY(c.expect_same_type(0, 1));
    GF_TRY(check_precision(c, a.precision));
    GF_TRY(c.expect_min_rank(0, 3));
    GF_TRY(c.expect_rank(1, c.rank(0)));
    const DimShape &x = c.shape(0), &w = c.shape(1);
    const int spatial = x.rank - 2;
    GF_TRY(check_window(c, a.window(), spatial));
    GF_TRY(check_window_list(c, a.output_padding, spatial, 0, "output_padding"));
    GF_TRY(check_window_list(c, a.output_shape, spatial, 1, "output_shape"));
    GF_TRY(check_groups(c, a.groups, w[0], "channels"));
    GF_TRY(c.expect_equal(x[x.rank - 1], w[0], "w does not start with the channels of x"));
    DimShape out;
    out.push(x[0]);
    for (int d = 0; d < spatial; ++d) {
      if (w[d + 2].hi < 1) return c.fail(Error::ShapeMismatch, "the kernel is empty on spatial axis %d", d);
      out.push(out_length(c, a, d, x[d + 1], w[d + 2]));
    }
    out.push(c.mul(w[1], a.groups));
    GF_TRY(check_epilogue(c, a.activation, a.activation_a, a.activation_b, 2, 3, out[out.rank - 1], out));
    return c.set(0, c.dtype(0), out);
  }
  static uint64_t macs(const NodeShapes& s, const Attrs&) { return s.conv(s.input_volume(0), 1); }
  // ds as in conv: dx = conv(ds, w), dw = correlation of ds and x, dbias = sum of ds, dresidual = ds
  static Error grad(Differentiator& d, const Attrs& a);

  static Error expand(Expander& e, const Attrs& a) { return expand_conv<ConvTranspose>(e, a); }

  /// Length of spatial axis d when nothing prescribes it.
  static Dim out_length(InferContext& c, const Attrs& a, int d, const Dim& in, const Dim& kernel) {
    if (!a.output_shape.empty()) return a.output_shape[static_cast<size_t>(d)];
    const WindowAttrs w = a.window();
    if (a.auto_pad != AutoPad::NotSet) return c.mul(in, w.stride(d));
    const Dim reach = c.add(c.mul(c.sub(kernel, 1), w.dilation(d)), 1 + a.extra(d));
    return c.sub(c.add(c.mul(c.sub(in, 1), w.stride(d)), reach), w.pad_begin(d) + w.pad_end(d));
  }
  /// Spatial axis d of a running kernel. Pads that output_shape or auto_pad ask for are at least 0.
  static Window axis(const Attrs& a, int d, int64_t in, int64_t out, int64_t kernel) {
    const WindowAttrs attrs = a.window();
    Window w{in, out, kernel, attrs.stride(d), attrs.dilation(d), attrs.pad_begin(d), attrs.pad_end(d)};
    if (!a.output_shape.empty() || a.auto_pad != AutoPad::NotSet) {
      const int64_t natural = (in - 1) * w.stride + w.reach() + a.extra(d);
      const int64_t total = natural > out ? natural - out : 0;
      const int64_t small = total / 2, large = total - small;
      w.pad_begin = a.auto_pad == AutoPad::SameUpper ? small : large;
      w.pad_end = a.auto_pad == AutoPad::SameUpper ? large : small;
    }
    return w;
  }
};

}  // namespace gf::op
