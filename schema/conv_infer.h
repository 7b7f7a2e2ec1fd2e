// What the convolutions share: attributes, their field numbers, the output's shape and the expansion. Images channels last
// [N, spatial.., C], weights as in ONNX.
#pragma once

#include "schema/epilogue.h"
#include "schema/formula.h"
#include "schema/spatial.h"

namespace gf {

/// Attributes of conv and conv_transpose.
struct ConvAttrs {
  IntList strides = {};    ///< one per spatial axis; empty: 1
  IntList dilations = {};  ///< empty: 1
  IntList pads = {};       ///< befores, then afters; empty: 0
  int64_t groups = 1;
  AutoPad auto_pad = AutoPad::NotSet;
  Activation activation = Activation::None;
  float activation_a = 0;
  float activation_b = 0;
  Precision precision = Precision::Full;

  WindowAttrs window() const { return {strides, dilations, pads, auto_pad, false}; }
};

/// Number of a `groups` attribute, counted from `number`, and of the attributes behind it.
template <class Attrs>
consteval std::array<AttrField, 6> conv_tail_fields(uint16_t number) {
  const auto at = [number](int k) { return static_cast<uint16_t>(number + k); };
  return {field<&Attrs::groups, Attrs>(at(0), "groups", 1, int64_t{1} << 30),
          field<&Attrs::auto_pad, Attrs>(at(1), "auto_pad", 0, 2),
          field<&Attrs::activation, Attrs>(at(2), "activation", 0, kLastActivation),
          field<&Attrs::activation_a, Attrs>(at(3), "activation_a"),
          field<&Attrs::activation_b, Attrs>(at(4), "activation_b"),
          field<&Attrs::precision, Attrs>(at(5), "precision", 0, kLastPrecision)};
}

/// expand() of a convolution: residual and activation leave; the bias stays, it is part of the base op.
template <class Op, class Attrs>
Error expand_conv(Expander& e, const Attrs& a) {
  Attrs bare = a;
  bare.activation = Activation::None;
  bare.activation_a = bare.activation_b = 0;
  Var s = e.node<Op>({e.input(0), e.input(1), e.input(2)}, bare);
  if (e.input(3)) s = s + e.input(3);
  return e.finish(e.activate(a.activation, s, a.activation_a, a.activation_b));
}

/// Checks `channels` (of the named tensor) against `groups`.
inline Error check_groups(InferContext& c, int64_t groups, const Dim& channels, const char* what) {
  if (groups < 1) return c.fail(Error::BadAttribute, "groups is %lld", static_cast<long long>(groups));
  if (channels.is_const() && channels.lo % groups != 0)
    return c.fail(Error::ShapeMismatch, "%lld %s do not divide by %lld groups", static_cast<long long>(channels.lo),
                  what, static_cast<long long>(groups));
  return Error::Ok;
}

/// Checks window, groups and channels of a convolution of input x [N, spatial.., C] by input w
/// [M, C / groups, kernel..] and gives the shape of the result [N, spatial.., M].
inline Error conv_shape(InferContext& c, const WindowAttrs& window, int64_t groups, int x, int w, DimShape& out) {
  GF_TRY(c.expect_min_rank(x, 3));
  GF_TRY(c.expect_rank(w, c.rank(x)));
  const DimShape &in = c.shape(x), &weights = c.shape(w);
  const int spatial = in.rank - 2;
  GF_TRY(check_window(c, window, spatial));
  GF_TRY(check_groups(c, groups, weights[0], "output channels"));
  GF_TRY(c.expect_equal(in[in.rank - 1], c.mul(weights[1], groups),
                        "the channels of x are not groups times those of w"));
  out.push(in[0]);
  for (int d = 0; d < spatial; ++d) {
    Dim length;
    GF_TRY(window_out(c, window, d, in[d + 1], weights[d + 2], length));
    out.push(length);
  }
  out.push(weights[0]);
  return Error::Ok;
}

}  // namespace gf
