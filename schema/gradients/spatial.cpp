// Gradients of what slides a window over an image: convolutions and pools. Channels last.
#include "schema/gradient.h"
#include "schema/ops.h"

namespace gf::op {

using D = Differentiator;

namespace {

/// A window with its pads as numbers, whatever auto_pad and the like were.
struct PlainWindow {
  int spatial = 0;
  int64_t strides[kMaxSpatial], dilations[kMaxSpatial], pads[2 * kMaxSpatial];

  IntList stride_list() const { return {strides, static_cast<size_t>(spatial)}; }
  IntList dilation_list() const { return {dilations, static_cast<size_t>(spatial)}; }
  IntList pad_list() const { return {pads, 2 * static_cast<size_t>(spatial)}; }
  void set(int d, const gf::Window& w) {
    strides[d] = w.stride;
    dilations[d] = w.dilation;
    pads[d] = w.pad_begin;
    pads[d + spatial] = w.pad_end;
  }
};

// kernel(d): length of the kernel on spatial axis d. Pads that depend on unknown lengths fail.
template <class Kernel>
bool plain_window(D& d, const WindowAttrs& a, const DimShape& x, const DimShape& y, Kernel&& kernel, PlainWindow& out) {
  out.spatial = x.rank - 2;
  for (int k = 0; k < out.spatial; ++k) {
    const Dim in = x[k + 1], o = y[k + 1], taps = kernel(k);
    if (a.auto_pad != AutoPad::NotSet && !(in.is_const() && o.is_const() && taps.is_const())) {
      (void)d.fail(Error::Unsupported, "the gradient of a window whose padding follows an unknown image size");
      return false;
    }
    out.set(k, window_of(a, k, in.lo, o.lo, taps.lo));
  }
  return true;
}

// The image whose convolution by w gave g, with g put back through every tap: like(x). Where g does not reach to the end of x
// the rest is zero.
Var data_gradient(D& d, Var g, Var w, Var x, const PlainWindow& window, int64_t groups, Precision precision = Precision::Full) {
  const DimShape in = d.shape(x), out = d.shape(g), kernel = d.shape(w);
  PlainWindow back = window;
  int64_t extra[kMaxSpatial] = {};
  for (int k = 0; k < window.spatial; ++k) {
    back.pads[k + window.spatial] = 0;
    if (!in[k + 1].is_const() || !out[k + 1].is_const() || !kernel[k + 2].is_const()) continue;
    const int64_t full = (out[k + 1].lo - 1) * window.strides[k] + window.dilations[k] * (kernel[k + 2].lo - 1) + 1;
    const int64_t over = full - window.pads[k] - in[k + 1].lo;
    if (over > 0) back.pads[k + window.spatial] = over;
    else extra[k] = -over;
  }
  ConvTranspose::Attrs attrs;
  attrs.strides = back.stride_list();
  attrs.dilations = back.dilation_list();
  attrs.pads = back.pad_list();
  attrs.groups = groups;
  attrs.precision = precision;
  attrs.output_padding = IntList(extra, static_cast<size_t>(window.spatial));
  Var image = d.node<ConvTranspose>({g, w}, attrs);
  for (int k = 0; k < window.spatial; ++k) {
    if (d.shape(image)[k + 1].same(in[k + 1])) continue;
    const int64_t axis = k + 1;
    const Var after = d.length(x, k + 1) - d.length(image, k + 1);  // below 0: cut off
    image = d.node<Pad>({image, d.concat({d.ints({0}), after}, 0), Var{}, d.ints({axis})});
  }
  return image;
}

Var convolution(D& d, Var x, Var w, const PlainWindow& window, int64_t groups, Precision precision) {
  return d.node<Conv>({x, w}, {.strides = window.stride_list(),
                               .dilations = window.dilation_list(),
                               .pads = window.pad_list(),
                               .groups = groups,
                               .precision = precision});
}

// Gradient of w: g is that of the convolution of x.
Var weight_gradient(D& d, Var x, Var g, const DimShape& w, const PlainWindow& window, int64_t groups, Precision precision) {
  int64_t taps[kMaxSpatial];
  for (int k = 0; k < window.spatial; ++k) {
    if (!w[k + 2].is_const()) {
      (void)d.fail(Error::Unsupported, "the gradient of a convolution with an unknown size of kernel");
      return {&d, -1};
    }
    taps[k] = w[k + 2].lo;
  }
  return d.node<ConvWeightGrad>({x, g}, {.kernel = {taps, static_cast<size_t>(window.spatial)},
                                         .strides = window.stride_list(),
                                         .dilations = window.dilation_list(),
                                         .pads = window.pad_list(),
                                         .groups = groups,
                                         .precision = precision});
}

// [C, 1, kernel..] of ones: what a pool is as a convolution with a group per channel.
Var ones_of_pool(D& d, const PoolAttrs& a, const Dim& channels) {
  int64_t dims[kMaxRank] = {channels.lo, 1};
  for (size_t k = 0; k < a.kernel.size(); ++k) dims[k + 2] = a.kernel[k];
  return d.node<Expand>({d.scalar(d.dtype(d.x()), 1), d.ints(IntList(dims, a.kernel.size() + 2))});
}

// Adds each element of g to every element of x that its window sees.
Var spread_over_windows(D& d, const PoolAttrs& a, Var g) {
  const DimShape x = d.shape(d.x());
  const Dim channels = x[x.rank - 1];
  PlainWindow window;
  if (!channels.is_const()) {
    (void)d.fail(Error::Unsupported, "the gradient of a pool with an unknown number of channels");
    return {&d, -1};
  }
  if (!plain_window(d, a.window(), x, d.shape(d.y()), [&](int k) { return Dim(a.kernel[static_cast<size_t>(k)]); }, window))
    return {&d, -1};
  return data_gradient(d, g, ones_of_pool(d, a, channels), d.x(), window, channels.lo);
}

}  // namespace

Error Conv::grad(D& d, const Attrs& a) {
  if (a.activation != Activation::None || d.input(3)) return d.differentiate_expansion();
  const Var x = d.input(0), w = d.input(1), dy = d.dy();
  const DimShape kernel = d.shape(w);
  PlainWindow window;
  if (!plain_window(d, a.window(), d.shape(x), d.shape(dy), [&](int k) { return kernel[k + 2]; }, window)) return d.error();
  if (d.wants(0)) (void)d.give(0, data_gradient(d, dy, w, x, window, a.groups, a.precision));
  if (d.wants(1)) (void)d.give(1, weight_gradient(d, x, dy, kernel, window, a.groups, a.precision));
  return d.give(2, dy);
}

// The data gradient of a convolution by w: its own gradient is that convolution, and x is what the convolution gave.
Error ConvTranspose::grad(D& d, const Attrs& a) {
  if (a.activation != Activation::None || d.input(3)) return d.differentiate_expansion();
  const Var x = d.input(0), w = d.input(1), dy = d.dy();
  const DimShape in = d.shape(x), out = d.shape(dy), kernel = d.shape(w);
  PlainWindow window;
  window.spatial = in.rank - 2;
  for (int k = 0; k < window.spatial; ++k) {
    const bool known = in[k + 1].is_const() && out[k + 1].is_const();
    if (!kernel[k + 2].is_const() || (!known && (!a.output_shape.empty() || a.auto_pad != AutoPad::NotSet)))
      return d.fail(Error::Unsupported, "the gradient of a transposed convolution whose padding follows an unknown image size");
    window.set(k, ConvTranspose::axis(a, k, in[k + 1].lo, out[k + 1].lo, kernel[k + 2].lo));
  }
  if (d.wants(0)) {
    Var dx = convolution(d, dy, w, window, a.groups, a.precision);
    for (int k = 0; k < window.spatial; ++k)  // windows over what output_padding or output_shape added
      if (!d.shape(dx)[k + 1].same(in[k + 1])) dx = d.slice(dx, k + 1, d.ints({0}), d.length(x, k + 1));
    (void)d.give(0, dx);
  }
  if (d.wants(1)) (void)d.give(1, weight_gradient(d, dy, x, kernel, window, a.groups, a.precision));
  return d.give(2, dy);
}

Error ConvWeightGrad::grad(D& d, const Attrs& a) {
  const Var x = d.input(0), g = d.input(1), dy = d.dy();
  PlainWindow window;
  if (!plain_window(d, a.window(), d.shape(x), d.shape(g), [&](int k) { return Dim(a.kernel[static_cast<size_t>(k)]); }, window))
    return d.error();
  if (d.wants(0)) (void)d.give(0, data_gradient(d, g, dy, x, window, a.groups, a.precision));
  if (!d.wants(1)) return d.error();
  Var dg = convolution(d, x, dy, window, a.groups, a.precision);
  for (int k = 0; k < window.spatial; ++k)  // g may be shorter than the window allows
    if (!d.shape(dg)[k + 1].same(d.shape(g)[k + 1])) dg = d.slice(dg, k + 1, d.ints({0}), d.length(g, k + 1));
  return d.give(1, dg);
}

// dy / how many elements the window counts, which is a product over the axes
Error AveragePool::grad(D& d, const Attrs& a) {
  const DimShape x = d.shape(d.x()), y = d.shape(d.y());
  const WindowAttrs attrs = a.window();
  const int spatial = x.rank - 2;
  const DType type = d.dtype(d.x());
  Var g = d.dy();
  double all = 1;
  for (int k = 0; k < spatial; ++k) {
    const int64_t taps = a.kernel[static_cast<size_t>(k)];
    const bool padded = attrs.auto_pad != AutoPad::NotSet || attrs.pad_begin(k) + attrs.pad_end(k) > 0;
    if (!attrs.ceil_mode && (!padded || a.count_include_pad)) {
      all *= static_cast<double>(taps);
      continue;
    }
    if (!x[k + 1].is_const() || !y[k + 1].is_const())
      return d.fail(Error::Unsupported, "the gradient of a padded average over an unknown image size");
    const gf::Window w = window_of(attrs, k, x[k + 1].lo, y[k + 1].lo, taps);
    constexpr int64_t kMost = 4096;
    if (w.out > kMost)
      return d.fail(Error::LimitExceeded, "the gradient of a padded average of more than 4096 windows on an axis");
    int64_t counts[kMost];
    for (int64_t p = 0; p < w.out; ++p) {
      counts[p] = 0;
      for (int64_t t = 0; t < taps; ++t) {
        const int64_t at = p * w.stride - w.pad_begin + t * w.dilation;
        if (a.count_include_pad ? at < w.in + w.pad_end : at >= 0 && at < w.in) ++counts[p];
      }
    }
    int64_t dims[kMaxRank];
    for (int m = 0; m < x.rank; ++m) dims[m] = m == k + 1 ? w.out : 1;
    const Var list = d.cast(d.ints(IntList(counts, static_cast<size_t>(w.out))), type);
    g = g / d.node<Reshape>({list, d.ints(IntList(dims, static_cast<size_t>(x.rank)))});
  }
  return d.give(0, spread_over_windows(d, a, all == 1 ? g : g * (1 / all)));
}

// y^p = sum |x|^p: dx = sign(x) |x|^(p - 1) times dy / y^(p - 1) of every window, 0 where y = 0
Error LpPool::grad(D& d, const Attrs& a) {
  const Var x = d.x(), y = d.y();
  if (a.p == 1) return d.give(0, d.sign(x) * spread_over_windows(d, a, d.dy()));
  const Var e = d.scalar(d.dtype(x), static_cast<double>(a.p - 1));
  const auto power = [&](Var v) { return a.p == 2 ? v : d.pow(v, e); };
  const Var g = d.zero_where(d.equal(y, d.scalar(d.dtype(y), 0)), d.dy() / power(y));
  return d.give(0, d.sign(x) * power(d.abs(x)) * spread_over_windows(d, a, g));
}

namespace {
// Between [N, spatial.., C] and [N, C, spatial..], the order in which pools count.
Var channels_first(D& d, Var v) {
  const int rank = d.rank(v);
  int64_t perm[kMaxRank] = {0, rank - 1};
  for (int k = 2; k < rank; ++k) perm[k] = k - 1;
  return d.transpose(v, IntList(perm, static_cast<size_t>(rank)));
}
}  // namespace

Error MaxPool::grad(D& d, const Attrs& a) { return d.give(0, d.node<MaxPoolGrad>({d.x(), d.dy()}, a)); }

// The greatest elements stay where they are: dy' is the second derivative picked up there.
Error MaxPoolGrad::grad(D& d, const Attrs& a) {
  if (!d.wants(1)) return d.error();
  MaxPool::Attrs pool;
  static_cast<PoolAttrs&>(pool) = a;
  const Var x = d.x();
  Var outputs[2];
  d.emit(op_def<MaxPool>, {&x, 1}, &pool, outputs);
  return d.give(1, d.gather(d.reshape(channels_first(d, d.dy()), {-1}), outputs[1], 0));
}

Error MaxUnpool::grad(D& d, const Attrs& a) {
  const DimShape x = d.shape(d.x());
  const WindowAttrs window = a.window();
  Var dy = d.dy();
  for (int k = 0; k + 2 < x.rank; ++k) {  // indices count in the size without what an output shape added
    if (!x[k + 1].is_const()) return d.fail(Error::Unsupported, "the gradient of max_unpool over an unknown image size");
    const int64_t reach = a.kernel[static_cast<size_t>(k)] - window.pad_begin(k) - window.pad_end(k);
    const int64_t natural = (x[k + 1].lo - 1) * window.stride(k) + reach;
    if (!d.shape(dy)[k + 1].same(natural)) dy = d.slice(dy, k + 1, d.ints({0}), d.ints({natural}));
  }
  return d.give(0, d.gather(d.reshape(channels_first(d, dy), {-1}), d.input(1), 0));
}

}  // namespace gf::op
