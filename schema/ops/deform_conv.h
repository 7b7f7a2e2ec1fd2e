// deform_conv: convolution whose taps are moved by offsets and read bilinearly (ONNX DeformConv; Dai et al. 2017, Zhu
// et al. 2019), two spatial axes, channels last. Inputs x [N, H, W, C], w [M, C / groups, kH, kW], offset [N, oH, oW,
// offset_groups * kH * kW * 2] (dy, dx per tap), bias [M] (optional), mask [N, oH, oW, offset_groups * kH * kW]
// (optional). Samples outside the image are 0.
#pragma once

#include "schema/conv_infer.h"
#include "schema/formula.h"

namespace gf::op {

struct DeformConv {
  static constexpr OpInfo info{.id = 330, .name = "deform_conv", .min_inputs = 3, .max_inputs = 5};
  struct Attrs {
    IntList strides = {};    ///< empty: 1
    IntList dilations = {};  ///< empty: 1
    IntList pads = {};       ///< befores, then afters; empty: 0
    int64_t groups = 1;
    int64_t offset_groups = 1;

    WindowAttrs window() const { return {strides, dilations, pads, AutoPad::NotSet, false}; }
  };
  static constexpr auto fields =
      join_fields(window_fields<Attrs>(1), std::array{field<&Attrs::groups>(4, "groups", 1, int64_t{1} << 30),
                                                      field<&Attrs::offset_groups>(5, "offset_groups", 1, int64_t{1} << 30)});

  static Error infer(InferContext& c, const Attrs& a) {
    GF_TRY(c.expect_type(0, kFloats));
    for (int i = 0; i < 3; ++i) GF_TRY(c.expect_rank(i, 4));
    for (int i = 1; i < 5; ++i)
      if (c.has_input(i)) GF_TRY(c.expect_same_type(0, i));
    const DimShape &x = c.shape(0), &w = c.shape(1);
    DimShape out;
    GF_TRY(conv_shape(c, a.window(), a.groups, 0, 1, out));
    GF_TRY(check_groups(c, a.offset_groups, x[3], "channels of x (by offset_groups)"));
    const Dim taps = c.mul(c.mul(w[2], w[3]), a.offset_groups);
    GF_TRY(check_map(c, 2, out, c.mul(taps, 2), "offset"));
    if (c.has_input(3)) {
      GF_TRY(c.expect_rank(3, 1));
      GF_TRY(c.expect_equal(c.shape(3)[0], w[0], "one bias per output channel is needed"));
    }
    if (c.has_input(4)) GF_TRY(check_map(c, 4, out, taps, "mask"));
    return c.set(0, c.dtype(0), out);
  }
  static uint64_t macs(const NodeShapes& s, const Attrs&) { return s.conv(s.output_volume(), 1); }
  // chain rule through the bilinear reads, as torchvision.ops.deform_conv2d
  static constexpr GradientOfExpansion grad{};
  static Error formula(Expander& e, const Attrs& a);

 private:
  static Error check_map(InferContext& c, int i, const DimShape& out, const Dim& channels, const char* what) {
    GF_TRY(c.expect_rank(i, 4));
    for (int d = 0; d < 3; ++d) GF_TRY(c.expect_equal(c.shape(i)[d], out[d], what));
    return c.expect_equal(c.shape(i)[3], channels, what);
  }
};

}  // namespace gf::op
