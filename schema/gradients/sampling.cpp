// Gradients of ops that read images between their pixels: grid_sample, deform_conv, roi_align, max_roi_pool. Channels last.
#include "schema/gradient.h"
#include "schema/ops.h"

namespace gf::op {

using D = Differentiator;

namespace {

Var none(Formula& f) { return {&f, -1}; }

/// int64 [1]: a length, a constant where it is known.
Var length_of(Formula& f, Var x, int axis) {
  const Dim d = f.shape(x)[axis];
  return d.is_const() ? f.ints({d.lo}) : f.size_of(x, axis);
}
Var scalar_like(Formula& f, double v, Var x) { return f.scalar(f.dtype(x), v); }
Var floor_of(Formula& f, Var x) { return f.node<Floor>({x}); }
Var clamp(Formula& f, Var x, Var low, Var high) {  // NaN becomes low
  return f.where(f.less_or_equal(low, x), f.where(f.less_or_equal(x, high), x, high), low);
}

/// One tap of a sample along one axis.
struct Tap {
  Var index;   ///< int64, inside
  Var valid;   ///< bool; empty: always
  Var weight;
};

/// u reflected into [low, high], which do not touch.
Var reflect(Formula& f, Var u, Var low, Var high) {
  const Var range = high - low, below = f.less(u, low);
  const Var distance = f.where(below, low - u, u - high);
  const Var turns = floor_of(f, distance / range), rest = distance - turns * range;
  const Var half = turns / 2.0, even = f.equal(floor_of(f, half), half);
  const Var near_low = f.logical_and(below, even), far_low = f.logical_and(f.logical_not(below), f.logical_not(even));
  const Var from_low = f.node<Or>({near_low, far_low});
  const Var inside = f.logical_and(f.less_or_equal(low, u), f.less_or_equal(u, high));
  return f.where(inside, u, f.where(from_low, low + rest, high - rest));
}

struct GridAxis {
  GridMode mode;
  GridPadding padding;
  Var n, low, high;  ///< numbers: length, ends of what counts as inside
  bool point;        ///< low and high are one

  // float index -> tap with weight
  Tap tap(Formula& f, Var k, Var weight) const {
    const Var zero = scalar_like(f, 0, k), last = n - 1.0;
    const Var inside = f.logical_and(f.less_or_equal(zero, k), f.less_or_equal(k, last));
    if (padding == GridPadding::Reflection) k = f.where(inside, k, point ? low : reflect(f, k, low, high));
    return {f.cast(clamp(f, k, zero, last), DType::I64), padding == GridPadding::Zeros ? inside : none(f), weight};
  }
  int taps(Formula& f, Var coordinate, bool align, Tap* out) const {
    const Var g = coordinate + 1.0;
    Var u = align ? g / 2.0 * (n - 1.0) : (g * n - 1.0) / 2.0;
    if (mode == GridMode::Nearest) u = f.node<Round>({u});
    if (padding != GridPadding::Zeros) {
      const Var outside = f.node<Or>({f.less(u, low), f.less(high, u)});
      const Var moved = padding == GridPadding::Border ? clamp(f, u, scalar_like(f, 0, u), n - 1.0)
                        : point                        ? low + u * 0.0
                                                       : reflect(f, u, low, high);
      u = f.where(outside, moved, u);
    }
    if (mode == GridMode::Nearest) {
      out[0] = tap(f, u, none(f));
      return 1;
    }
    const Var left = floor_of(f, u), t = u - left, rest = scalar_like(f, 1, t) - t;
    if (mode == GridMode::Linear) {
      out[0] = tap(f, left, rest);
      out[1] = tap(f, left + 1.0, t);
      return 2;
    }
    const auto near_weight = [](Var x) { return (x * 1.25 - 2.25) * x * x + 1.0; };                   // Keys 1981, a = -0.75
    const auto far_weight = [](Var x) { return ((x * -0.75 + 3.75) * x - 6.0) * x + 3.0; };
    const Var weights[4] = {far_weight(t + 1.0), near_weight(t), near_weight(rest), far_weight(rest + 1.0)};
    for (int k = 0; k < 4; ++k) out[k] = tap(f, left + (k - 1.0), weights[k]);
    return 4;
  }
};

// sum over the taps of weight * rows[first + flat index of the tap]: indices shaped like the taps, a new last axis of channels.
// lengths: of the axes, int64; scale: rows per pixel, 1 where empty.
Var sample(Formula& f, Var rows, Var first, const Tap (*taps)[4], const int* counts, const Var* lengths, int axes, Var scale) {
  int combinations = 1;
  for (int a = 0; a < axes; ++a) combinations *= counts[a];
  Var sum = none(f);
  for (int c = 0; c < combinations; ++c) {
    Var index = none(f), weight = none(f), valid = none(f);
    for (int a = 0, rest = c; a < axes; ++a) {
      const Tap& t = taps[a][rest % counts[a]];
      rest /= counts[a];
      index = index ? index * lengths[a] + t.index : t.index;
      if (t.weight) weight = weight ? weight * t.weight : t.weight;
      valid = valid ? f.logical_and(valid, t.valid) : t.valid;
    }
    if (scale) index = index * scale;
    Var v = f.gather(rows, index + first, 0);
    if (valid) v = f.where(f.unsqueeze(valid, {-1}), v, scalar_like(f, 0, v));
    if (weight) v = v * f.unsqueeze(weight, {-1});
    sum = sum ? sum + v : v;
  }
  return sum;
}

/// Images as rows of channels.
Var rows_of_pixels(Formula& f, Var x) { return f.node<Flatten>({x}, {.axis = f.rank(x) - 1}); }

}  // namespace

Error GridSample::formula(Expander& e, const Attrs& a) {
  const Var x = e.input(0), grid = e.cast(e.input(1), e.dtype(x));
  const int spatial = e.rank(x) - 2;
  const Var places = e.reshape(grid, {0, -1, spatial});  // [N, P, axes]
  Tap taps[kMaxSpatial][4];
  int counts[kMaxSpatial];
  Var lengths[kMaxSpatial], pixels = none(e);
  for (int d = 0; d < spatial; ++d) {
    lengths[d] = length_of(e, x, d + 1);
    pixels = pixels ? pixels * lengths[d] : lengths[d];
    const Dim known = e.shape(x)[d + 1];
    if (!known.is_const() && known.lo < 2 && a.align_corners && a.padding == GridPadding::Reflection)
      return e.fail(Error::Unsupported, "the gradient of reflections in an image that may have one pixel");
    const Var n = e.cast(lengths[d], e.dtype(x));
    const GridAxis axis{a.mode, a.padding, n, a.align_corners ? n * 0.0 : n * 0.0 - 0.5, a.align_corners ? n - 1.0 : n - 0.5,
                        a.align_corners && known.is_const() && known.lo == 1};
    const int64_t at = spatial - 1 - d;  // the grid names the last axis first
    const Var coordinate = e.squeeze(e.slice(places, 2, e.ints({at}), e.ints({at + 1})), {2});
    counts[d] = axis.taps(e, coordinate, a.align_corners, taps[d]);
  }
  const Var first = e.unsqueeze(e.count_up(length_of(e, x, 0)), {1}) * pixels;
  const Var y = sample(e, rows_of_pixels(e, x), first, taps, counts, lengths, spatial, none(e));
  Var parts[kMaxSpatial + 2];
  for (int d = 0; d <= spatial; ++d) parts[d] = length_of(e, grid, d);
  parts[spatial + 1] = length_of(e, x, spatial + 1);
  Var shape;
  const Concat::Attrs concat{.axis = 0};
  e.emit(op_def<Concat>, {parts, static_cast<size_t>(spatial + 2)}, &concat, {&shape, 1});
  return e.finish(e.node<Reshape>({y, shape}, {.allowzero = true}));
}

// The taps of every output pixel, read at their moved places, are the rows of a product with the weights of each group.
Error DeformConv::formula(Expander& e, const Attrs& a) {
  const Var x = e.input(0), w = e.input(1), offset = e.input(2), bias = e.input(3), mask = e.input(4);
  const DimShape image = e.shape(x), kernel = e.shape(w);
  for (const Dim d : {image[3], kernel[0], kernel[2], kernel[3]})
    if (!d.is_const()) return e.fail(Error::Unsupported, "the gradient of deform_conv with unknown channels or kernel");
  const int64_t channels = image[3].lo, features = kernel[0].lo, taps = kernel[2].lo * kernel[3].lo;
  const int64_t each = channels / a.offset_groups, depth = channels / a.groups * taps;
  const DType type = e.dtype(x);
  const WindowAttrs window = a.window();
  Tap both[2][4];
  int counts[2];
  Var lengths[2];
  const Var moves = e.reshape(offset, {0, -1, a.offset_groups, taps, 2});  // [N, P, groups, taps, 2]
  for (int d = 0; d < 2; ++d) {
    lengths[d] = length_of(e, x, d + 1);
    const Var n = e.cast(lengths[d], type);
    // where the taps lie unmoved: [P, 1, taps]
    const Var columns = length_of(e, offset, 2), pixel = e.count_up(length_of(e, offset, 1) * columns);
    const Var row = e.node<Div>({pixel, columns}), along = d == 0 ? row : pixel - row * columns;
    const Var tap = e.count_up(e.ints({taps})), width = e.ints({kernel[3].lo});
    const Var tap_row = e.node<Div>({tap, width}), tap_along = d == 0 ? tap_row : tap - tap_row * width;
    const Var start = e.unsqueeze(along * e.ints({window.stride(d)}) - e.ints({window.pad_begin(d)}), {1, 2});
    const Var still = e.cast(start + tap_along * e.ints({window.dilation(d)}), type);
    const Var move = e.squeeze(e.slice(moves, 4, e.ints({d}), e.ints({d + 1})), {4});
    const Var u = still + move, left = floor_of(e, u), t = u - left;
    const GridAxis axis{GridMode::Linear, GridPadding::Zeros, n, none(e), none(e), false};
    both[d][0] = axis.tap(e, left, scalar_like(e, 1, t) - t);
    both[d][1] = axis.tap(e, left + 1.0, t);
    counts[d] = 2;
  }
  // a pixel's rows: one per offset group
  const Var rows = e.reshape(x, {-1, each}), groups = e.ints({a.offset_groups});
  const Var image_rows = e.unsqueeze(e.count_up(length_of(e, x, 0)), {1, 2, 3}) * (lengths[0] * lengths[1] * groups);
  const Var first = image_rows + e.unsqueeze(e.count_up(groups), {1});
  Var patch = sample(e, rows, first, both, counts, lengths, 2, groups);  // [N, P, groups, taps, each]
  if (mask) patch = patch * e.unsqueeze(e.reshape(mask, {0, -1, a.offset_groups, taps}), {4});
  patch = e.reshape(e.transpose(patch, {0, 1, 2, 4, 3}), {0, 0, a.groups, depth});
  const Var weights = e.reshape(w, {a.groups, features / a.groups, depth});
  Var y = e.node<Einsum>({patch, weights}, {.equation = "npgk,gmk->npgm"});
  const Var shape = e.concat({length_of(e, offset, 0), length_of(e, offset, 1), length_of(e, offset, 2), e.ints({features})}, 0);
  y = e.node<Reshape>({y, shape}, {.allowzero = true});
  return e.finish(bias ? y + bias : y);
}

// The rois say where to read; like torchvision's they have no gradient.
Error RoiAlign::grad(D& d, const Attrs& a) {
  const Var x = d.x(), dy = d.dy();
  if (!d.wants(0) || !dy) return d.error();
  if (!a.max_mode) return d.give(0, d.node<RoiAlignGrad>({dy, d.input(1), d.input(2), x}, a));
  const Var at = d.output(1), zero = d.scalar(DType::I64, 0), empty = d.less(at, zero);
  return d.give(0, d.collect(d.zero_where(empty, dy * d.output(2)), d.where(empty, zero, at), x));
}
Error RoiAlignGrad::grad(D& d, const Attrs& a) {
  return d.give(0, d.node<RoiAlign>({d.dy(), d.input(1), d.input(2)}, a));
}

Error MaxRoiPool::grad(D& d, const Attrs&) {
  const Var at = d.output(1), zero = d.scalar(DType::I64, 0), empty = d.less(at, zero);
  if (!d.wants(0)) return d.error();
  return d.give(0, d.collect(d.zero_where(empty, d.dy()), d.where(empty, zero, at), d.x()));
}

}  // namespace gf::op
