// conv_integer: convolution of (x - x_zero) with (w - w_zero) in int32 (ONNX ConvInteger), channels last. Inputs: x, w,
// x zero point, w zero point (one, or one per output channel). Layout: schema/quantize_conv.h.
#pragma once

#include "schema/op.h"
#include "schema/quantize_conv.h"

namespace gf::op {

struct ConvInteger {
  static constexpr OpInfo info{.id = 404, .name = "conv_integer", .min_inputs = 2, .max_inputs = 4, .flags = kOpQuantized};
  using Attrs = QuantConvAttrs;
  static constexpr AttrField fields[] = {field<&Attrs::strides>(1, "strides"), field<&Attrs::pads>(2, "pads"),
                                         field<&Attrs::dilations>(3, "dilations"),
                                         field<&Attrs::group>(4, "group", 1, int64_t{1} << 30)};

  static Error infer(InferContext& c, const Attrs& a) {
    GF_TRY(c.expect_type(0, kBytes));
    GF_TRY(c.expect_type(1, kBytes));
    DimShape out;
    GF_TRY(conv_shape(c, a.window(), a.group, 0, 1, out));
    if (c.has_input(2)) {
      GF_TRY(c.expect_same_type(0, 2));
      GF_TRY(expect_single(c, 2, "the zero point of x"));
    }
    if (c.has_input(3)) {
      GF_TRY(c.expect_same_type(1, 3));
      GF_TRY(expect_per_channel(c, 3, c.shape(1)[0], "the zero point of w"));
    }
    return c.set(0, DType::I32, out);
  }
  static uint64_t macs(const NodeShapes& s, const Attrs&) { return s.conv(s.output_volume(), 1); }
  static constexpr NoGradient grad{"the output is integer"};
};

}  // namespace gf::op
