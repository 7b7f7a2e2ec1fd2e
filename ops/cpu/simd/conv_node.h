// The convolution that a conv or conv_transpose node is: shared by the kernels that fit nodes to the products of conv.h.
#pragma once

#include "ops/cpu/simd/conv.h"
#include "ops/cpu/simd/wrap.h"
#include "schema/ops/conv.h"
#include "schema/ops/conv_transpose.h"

namespace gf::simd {

/// Sizes of a node with these shapes. `axis(d)` gives spatial axis d.
template <class Axis>
ConvShape shape_of(const Shape& x, int64_t out_channels, int64_t groups, Axis&& axis) {
  ConvShape s;
  s.spatial_rank = x.rank - 2;
  s.batch = x[0];
  s.in_channels = x[x.rank - 1];
  s.out_channels = out_channels;
  s.groups = groups;
  for (int d = 0; d < s.spatial_rank; ++d) {
    const Window w = axis(d);
    s.in[d] = w.in;
    s.kernel[d] = w.kernel;
    s.stride[d] = w.stride;
    s.dilation[d] = w.dilation;
    s.pad_begin[d] = w.pad_begin;
    s.pad_end[d] = w.pad_end;
  }
  return s;
}

inline ConvShape conv_shape(const op::Conv::Attrs& a, const Shape& x, const Shape& w, const Shape& y) {
  return shape_of(x, w[0], a.groups, [&](int d) { return window_of(a.window(), d, x[d + 1], y[d + 1], w[d + 2]); });
}
inline ConvShape conv_transpose_shape(const op::ConvTranspose::Attrs& a, const Shape& x, const Shape& w, const Shape& y) {
  ConvShape s = shape_of(x, w[1] * a.groups, a.groups,
                         [&](int d) { return op::ConvTranspose::axis(a, d, x[d + 1], y[d + 1], w[d + 2]); });
  for (int d = 0; d < s.spatial_rank; ++d)
    s.output_pad[d] = y[d + 1] - ((s.in[d] - 1) * s.stride[d] + s.dilation[d] * (s.kernel[d] - 1) + 1 - s.pad_begin[d] -
                                  s.pad_end[d]);
  return s;
}

template <bool kTransposed>
using ConvNodeAttrs = std::conditional_t<kTransposed, op::ConvTranspose::Attrs, op::Conv::Attrs>;

template <bool kTransposed>
ConvShape conv_shape_of(const ConvNodeAttrs<kTransposed>& attrs, const Shape& x, const Shape& w, const Shape& y) {
  if constexpr (kTransposed) return conv_transpose_shape(attrs, x, w, y);
  else return conv_shape(attrs, x, w, y);
}

/// Of either op: attributes of conv_transpose begin with those of conv.
inline Precision precision_of(const NodeView& node) { return static_cast<const ConvAttrs*>(node.attrs)->precision; }

template <bool kTransposed>
Error plan_of(const NodeView& node, ConvPlan& plan) {
  const Shape &x = node.input(0).shape, &w = node.input(1).shape, &y = node.output(0).shape;
  if constexpr (kTransposed)
    return conv_transpose_plan(node.isa, conv_transpose_shape(node.attributes<op::ConvTranspose::Attrs>(), x, w, y),
                               plan);
  else
    return conv_plan(node.isa, conv_shape(node.attributes<op::Conv::Attrs>(), x, w, y), plan);
}

}  // namespace gf::simd
