// qlinear_conv: quantised convolution (ONNX QLinearConv), channels last: round(conv * x_s * w_s / y_s) + y_zero. Inputs: x,
// x scale, x zero, w, w scale, w zero (one, or one per output channel), y scale, y zero, int32 bias (optional, in units
// of x_s * w_s). Layout: schema/quantize_conv.h.
#pragma once

#include "schema/op.h"
#include "schema/quantize_conv.h"

namespace gf::op {

struct QLinearConv {
  static constexpr OpInfo info{.id = 406, .name = "qlinear_conv", .min_inputs = 8, .max_inputs = 9, .flags = kOpQuantized};
  using Attrs = QuantConvAttrs;
  static constexpr AttrField fields[] = {field<&Attrs::strides>(1, "strides"), field<&Attrs::pads>(2, "pads"),
                                         field<&Attrs::dilations>(3, "dilations"),
                                         field<&Attrs::group>(4, "group", 1, int64_t{1} << 30)};

  static Error infer(InferContext& c, const Attrs& a) {
    for (int i = 0; i < 8; ++i)
      if (!c.has_input(i)) return c.fail(Error::BadGraph, "input %d is missing", i);
    for (const int i : {0, 3, 7}) GF_TRY(c.expect_type(i, kBytes));
    for (const int i : {1, 4, 6}) {
      GF_TRY(c.expect_type(i, dtypes(DType::F32)));
      GF_TRY(check_scale_values(c, i, i != 6));
    }
    GF_TRY(c.expect_same_type(0, 2));
    GF_TRY(c.expect_same_type(3, 5));
    for (const int i : {1, 2, 6, 7}) GF_TRY(expect_single(c, i, "scale and zero point of x and y"));
    DimShape out;
    GF_TRY(conv_shape(c, a.window(), a.group, 0, 3, out));
    GF_TRY(expect_per_channel(c, 4, c.shape(3)[0], "the scale of w"));
    GF_TRY(expect_per_channel(c, 5, c.shape(3)[0], "the zero point of w"));
    if (c.has_input(8)) {
      GF_TRY(c.expect_type(8, dtypes(DType::I32)));
      GF_TRY(c.expect_rank(8, 1));
      GF_TRY(c.expect_equal(c.shape(8)[0], c.shape(3)[0], "one bias per output channel is needed"));
    }
    return c.set(0, c.dtype(7), out);
  }
  static uint64_t macs(const NodeShapes& s, const Attrs&) { return s.conv(s.output_volume(), 3); }
  static constexpr NoGradient grad{"the output is integer"};
};

}  // namespace gf::op
