// Geometry that the integer convolutions share: x [N, spatial.., C] (channels last), weights [M, C / group, kernel..] as
// in ONNX, result [N, spatial.., M]; pads are befores, then afters.
#pragma once

#include "schema/quantize.h"

namespace gf {

struct QuantConvAttrs {
  IntList strides;    ///< empty: 1
  IntList pads;       ///< empty: 0
  IntList dilations;  ///< empty: 1
  int64_t group = 1;
};

inline Error check_conv_list(InferContext& c, IntList list, int count, int64_t least, const char* what) {
  if (!list.empty() && static_cast<int>(list.size()) != count)
    return c.fail(Error::BadAttribute, "%s has %zu entries, expected %d", what, list.size(), count);
  for (const int64_t v : list)
    if (v < least || v > (int64_t{1} << 30))
      return c.fail(Error::BadAttribute, "%s has an entry of %lld", what, static_cast<long long>(v));
  return Error::Ok;
}

/// Checks attributes and shapes of inputs x and w and gives the output's shape.
inline Error quant_conv_shape(InferContext& c, const QuantConvAttrs& a, int x, int w, DimShape& out) {
  GF_TRY(c.expect_min_rank(x, 3));
  GF_TRY(c.expect_rank(w, c.rank(x)));
  const DimShape &in = c.shape(x), &weights = c.shape(w);
  const int spatial = in.rank - 2;
  if (a.group < 1) return c.fail(Error::BadAttribute, "group is %lld", static_cast<long long>(a.group));
  GF_TRY(check_conv_list(c, a.strides, spatial, 1, "strides"));
  GF_TRY(check_conv_list(c, a.dilations, spatial, 1, "dilations"));
  GF_TRY(check_conv_list(c, a.pads, 2 * spatial, 0, "pads"));
  GF_TRY(c.expect_equal(in[in.rank - 1], c.mul(weights[1], a.group), "channels are not group times those of the weights"));
  if (weights[0].is_const() && weights[0].lo % a.group != 0)
    return c.fail(Error::ShapeMismatch, "%lld output channels do not divide by group %lld",
                  static_cast<long long>(weights[0].lo), static_cast<long long>(a.group));
  out.push(in[0]);
  for (int d = 0; d < spatial; ++d) {
    const auto k = static_cast<size_t>(d);
    const Dim kernel = weights[d + 2];
    if (kernel.hi < 1) return c.fail(Error::ShapeMismatch, "kernel axis %d is empty", d);
    const int64_t stride = a.strides.empty() ? 1 : a.strides[k], dilation = a.dilations.empty() ? 1 : a.dilations[k];
    const int64_t pads = a.pads.empty() ? 0 : a.pads[k] + a.pads[k + static_cast<size_t>(spatial)];
    const Dim span = c.sub(c.add(in[d + 1], pads), c.add(c.mul(dilation, c.sub(kernel, 1)), 1));
    if (span.hi < 0) return c.fail(Error::ShapeMismatch, "the kernel is larger than the padded input on spatial axis %d", d);
    out.push(c.add(c.floor_div(span, stride), 1));
  }
  out.push(weights[0]);
  return Error::Ok;
}

/// A scale or zero point of the weights: one, or one per output channel.
inline Error expect_per_channel(InferContext& c, int i, Dim channels, const char* what) {
  const Dim n = c.count(c.shape(i));
  if (c.rank(i) > 1) return c.fail(Error::ShapeMismatch, "%s must be a scalar or a vector", what);
  return n.is_const() && n.lo == 1 ? Error::Ok : c.expect_equal(n, channels, what);
}

}  // namespace gf
