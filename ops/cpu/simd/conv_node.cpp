#include "ops/cpu/simd/conv_node.h"

namespace gf::simd {
namespace {

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

}  // namespace

ConvShape conv_shape(const op::Conv::Attrs& a, const Shape& x, const Shape& w, const Shape& y) {
  return shape_of(x, w[0], a.groups, [&](int d) { return window_of(a.window(), d, x[d + 1], y[d + 1], w[d + 2]); });
}
ConvShape conv_transpose_shape(const op::ConvTranspose::Attrs& a, const Shape& x, const Shape& w, const Shape& y) {
  ConvShape s = shape_of(x, w[1] * a.groups, a.groups,
                         [&](int d) { return op::ConvTranspose::axis(a, d, x[d + 1], y[d + 1], w[d + 2]); });
  for (int d = 0; d < s.spatial_rank; ++d)
    s.output_pad[d] = y[d + 1] - ((s.in[d] - 1) * s.stride[d] + s.dilation[d] * (s.kernel[d] - 1) + 1 - s.pad_begin[d] -
                                  s.pad_end[d]);
  return s;
}

}  // namespace gf::simd
