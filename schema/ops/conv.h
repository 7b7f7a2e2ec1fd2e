// conv: y = activation(convolution(x, w) + bias + residual) (ONNX Conv), channels last. Inputs x [N, spatial.., C],
// w [M, C / groups, kernel..] (as ONNX), bias [M] (optional), residual shaped like y (optional). Depthwise: groups ==
// C.
#pragma once

#include "schema/epilogue.h"
#include "schema/formula.h"
#include "schema/spatial.h"

namespace gf::op {

struct Conv {
  static constexpr OpInfo info{.id = 301, .name = "conv", .min_inputs = 2, .max_inputs = 4};
  struct Attrs {
    IntList strides;    ///< one per spatial axis; empty: 1
    IntList dilations;  ///< empty: 1
    IntList pads;       ///< befores, then afters; empty: 0
    int64_t groups = 1;
    AutoPad auto_pad = AutoPad::NotSet;
    Activation activation = Activation::None;
    float activation_a = 0;
    float activation_b = 0;

    WindowAttrs window() const { return {strides, dilations, pads, auto_pad, false}; }
  };
  static constexpr AttrField fields[] = {field<&Attrs::strides>(1, "strides"),
                                         field<&Attrs::dilations>(2, "dilations"),
                                         field<&Attrs::pads>(3, "pads"),
                                         field<&Attrs::groups>(4, "groups", 1, int64_t{1} << 30),
                                         field<&Attrs::auto_pad>(5, "auto_pad", 0, 2),
                                         field<&Attrs::activation>(6, "activation", 0, kLastActivation),
                                         field<&Attrs::activation_a>(7, "activation_a"),
                                         field<&Attrs::activation_b>(8, "activation_b")};

  static Error infer(InferContext& c, const Attrs& a) {
    GF_TRY(c.expect_type(0, kFloats));
    GF_TRY(c.expect_same_type(0, 1));
    GF_TRY(c.expect_min_rank(0, 3));
    GF_TRY(c.expect_rank(1, c.rank(0)));
    const DimShape &x = c.shape(0), &w = c.shape(1);
    const int spatial = x.rank - 2;
    GF_TRY(check_window(c, a.window(), spatial));
    if (a.groups < 1) return c.fail(Error::BadAttribute, "groups is %lld", static_cast<long long>(a.groups));
    GF_TRY(c.expect_equal(x[x.rank - 1], c.mul(w[1], a.groups), "the channels of x are not groups times those of w"));
    if (w[0].is_const() && w[0].lo % a.groups != 0)
      return c.fail(Error::ShapeMismatch, "%lld output channels do not divide by %lld groups",
                    static_cast<long long>(w[0].lo), static_cast<long long>(a.groups));
    DimShape out;
    out.push(x[0]);
    for (int d = 0; d < spatial; ++d) {
      Dim length;
      GF_TRY(window_out(c, a.window(), d, x[d + 1], w[d + 2], length));
      out.push(length);
    }
    out.push(w[0]);
    GF_TRY(check_epilogue(c, a.activation, a.activation_a, a.activation_b, 2, 3, w[0], out));
    return c.set(0, c.dtype(0), out);
  }
  // with s the value before the activation, ds = dy * f'(s): dx = conv_transpose(ds, w), dw = correlation of x and ds,
  // dbias = sum of ds over batch and pixels, dresidual = ds
  static constexpr PendingGradient grad{};

  /// The bias stays: it is part of the base op.
  static Error expand(Expander& e, const Attrs& a) {
    Attrs bare = a;
    bare.activation = Activation::None;
    bare.activation_a = bare.activation_b = 0;
    Var s = e.node<Conv>({e.input(0), e.input(1), e.input(2)}, bare);
    if (e.input(3)) s = s + e.input(3);
    return e.finish(e.activate(a.activation, s, a.activation_a, a.activation_b));
  }
};

}  // namespace gf::op
