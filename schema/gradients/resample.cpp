// Gradients of resize, affine_grid and col2im: linear maps whose matrices or indices the ops themselves give.
#include "schema/gradient.h"
#include "schema/ops.h"

namespace gf::op {

using D = Differentiator;

namespace {

Var move_last(D& d, Var x, int axis) {
  const int rank = d.rank(x);
  if (axis == rank - 1) return x;
  int64_t perm[kMaxRank];
  for (int k = 0; k < rank; ++k) perm[k] = k == axis ? rank - 1 : (k == rank - 1 ? axis : k);  // its own inverse
  return d.transpose(x, IntList(perm, static_cast<size_t>(rank)));
}

}  // namespace

// Axis by axis a linear map: resizing the identity along its rows gives the matrix A [out, in]; dx = dy A along that axis.
Error Resize::grad(D& d, const Attrs& a) {
  const Var x = d.x();
  const DimShape in = d.shape(x), out = d.shape(d.y());
  if (a.coordinates == ResizeCoordinates::TfCropAndResize || a.aspect != ResizeAspect::Stretch)
    return d.fail(Error::Unsupported, "the gradient of resize with crop_and_resize or an aspect policy");
  const bool by_sizes = !a.sizes.empty() || (a.scales.empty() && d.input(3));
  if (!by_sizes && a.scales.empty()) return d.fail(Error::Unsupported, "the gradient of resize by scales that are an input");
  static constexpr int64_t kRows[] = {0};
  Var g = d.dy();
  for (int axis = 0; axis < in.rank; ++axis) {
    size_t place = static_cast<size_t>(axis);  // among the axes that scales and sizes speak of
    if (!a.axes.empty()) {
      for (place = 0; place < a.axes.size(); ++place)
        if (a.axes[place] == axis || a.axes[place] + in.rank == axis) break;
      if (place == a.axes.size()) continue;
    }
    if (by_sizes ? in[axis].same(out[axis]) : a.scales[place] == 1.0f) continue;
    if (!in[axis].is_const() || !out[axis].is_const())
      return d.fail(Error::Unsupported, "the gradient of resize of an unknown image size");
    Attrs along = a;
    const int64_t size[] = {out[axis].lo};
    along.axes = kRows;
    along.sizes = by_sizes ? IntList(size) : IntList{};
    along.scales = by_sizes ? FloatList{} : FloatList(&a.scales[place], 1);
    const DType type = d.dtype(x);
    const Var n = d.ints({in[axis].lo}), index = d.count_up(n);
    const Var identity = d.numbers(d.equal(d.unsqueeze(index, {1}), index), type);
    const Var matrix = d.node<Resize>({identity}, along);
    g = move_last(d, d.matmul(move_last(d, g, axis), matrix), axis);
  }
  return d.give(0, g);
}

// grid[n, p] = theta[n] (base[p], 1): d theta = dy^T (base, 1) summed over p. The grid of the identity is base.
Error AffineGrid::grad(D& d, const Attrs& a) {
  const Var theta = d.x(), dy = d.dy();
  const DimShape s = d.shape(theta);
  const int64_t k = s[1].lo;
  int64_t unit[12] = {};
  for (int64_t i = 0; i < k; ++i) unit[i * (k + 1) + i] = 1;
  const Var one = d.cast(d.reshape(d.ints(IntList(unit, static_cast<size_t>(k * (k + 1)))), {1, k, k + 1}), d.dtype(theta));
  const Var base = d.reshape(d.node<AffineGrid>({d.like(one, theta), d.input(1)}, a), {0, -1, k});
  const Var ones = d.like(d.scalar(d.dtype(theta), 1), d.slice(base, 2, d.ints({0}), d.ints({1})));
  const Var places = d.concat({base, ones}, 2);
  return d.give(0, d.node<MatMul>({d.reshape(dy, {0, -1, k}), places}, {.transpose_a = true}));
}

// Column k, l reads what it was added to: the padded image at l * stride + k * dilation on every axis.
Error Col2Im::grad(D& d, const Attrs& a) {
  const DimShape image = d.shape(d.y()), columns = d.shape(d.x());
  IntList block;
  if (!d.known_ints(d.input(2), block))
    return d.fail(Error::Unsupported, "the gradient of col2im with a block that is an input");
  const int spatial = image.rank - 2;
  if (2 + 2 * spatial > kMaxRank) return d.fail(Error::LimitExceeded, "the gradient of col2im with more than 3 spatial axes");
  int64_t pads[2 * kMaxRank] = {}, perm[kMaxRank] = {0, 1}, dims[3] = {0, -1, 1};
  const int rank = image.rank;
  for (int k = 0; k < spatial; ++k) {
    if (!image[k + 2].is_const()) return d.fail(Error::Unsupported, "the gradient of col2im with an unknown image size");
    if (a.pads.empty()) continue;
    pads[k + 2] = a.pads[static_cast<size_t>(k)];
    pads[k + 2 + rank] = a.pads[static_cast<size_t>(k + spatial)];
  }
  Var g = d.node<Pad>({d.dy(), d.ints(IntList(pads, 2 * static_cast<size_t>(rank)))});
  int64_t blocks = 1;
  for (int k = 0; k < spatial; ++k) {  // axis 2 + 2 k becomes [block, blocks]
    const auto at = static_cast<size_t>(k);
    const int64_t stride = a.strides.empty() ? 1 : a.strides[at], dilation = a.dilations.empty() ? 1 : a.dilations[at];
    const int64_t span = image[k + 2].lo + pads[k + 2] + pads[k + 2 + rank] - dilation * (block[at] - 1);
    const int64_t count = (span - 1) / stride + 1;
    blocks *= count;
    const Var within = d.count_up(d.ints({block[at]})) * static_cast<double>(dilation);
    const Var starts = d.count_up(d.ints({count})) * static_cast<double>(stride);
    g = d.gather(g, d.unsqueeze(within, {1}) + starts, 2 + 2 * k);
    perm[2 + k] = 2 + 2 * k;
    perm[2 + spatial + k] = 3 + 2 * k;
  }
  g = d.transpose(g, IntList(perm, static_cast<size_t>(2 + 2 * spatial)));
  dims[1] = columns[1].is_const() ? columns[1].lo : -1;
  dims[2] = blocks;
  return d.give(0, d.node<Reshape>({g, d.ints(IntList(dims, 3))}));
}

}  // namespace gf::op
