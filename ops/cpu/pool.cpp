// max_pool, average_pool, lp_pool and max_unpool in readable form, channels last, any number of spatial axes. Averages
// and norms are summed in double and rounded once.
#include <cmath>

#include "ops/cpu/movement.h"
#include "ops/cpu/order.h"
#include "ops/cpu/window_walk.h"
#include "schema/ops/average_pool.h"
#include "schema/ops/lp_pool.h"
#include "schema/ops/max_pool.h"
#include "schema/ops/max_unpool.h"

namespace gf::cpu {
namespace {

WindowWalk walk_of(const RunContext& c, const WindowAttrs& attrs, IntList kernel) {
  WindowWalk walk;
  const Shape &x = c.input(0).shape, &y = c.output(0).shape;
  for (int d = 0; d < x.rank - 2; ++d)
    walk.push(window_of(attrs, d, x[d + 1], y[d + 1], kernel[static_cast<size_t>(d)]));
  return walk;
}

// f(image, output pixel, first channel, count) for every piece of output channels, in parallel over pixels.
template <class F>
void for_pieces(const RunContext& c, const WindowWalk& walk, F&& f) {
  const Shape& y = c.output(0).shape;
  const int64_t channels = y[y.rank - 1];
  c.parallel.chunks(y[0] * walk.pixels, row_grain(channels * walk.taps), [&](int64_t begin, int64_t end, int) {
    for (int64_t at = begin; at < end; ++at)
      for (int64_t from = 0; from < channels; from += kWindowPiece)
        f(at / walk.pixels, at % walk.pixels, from, channels - from < kWindowPiece ? channels - from : kWindowPiece);
  });
}

// --- max

/// Index of a pixel among its spatial axes counted with the first axis fastest.
int64_t column_major(const WindowWalk& walk, int64_t pixel) {
  int64_t index = 0;
  for (int d = walk.spatial - 1; d >= 0; --d) {
    index = index * walk.axes[d].in + pixel % walk.axes[d].in;
    pixel /= walk.axes[d].in;
  }
  return index;
}

// What a window without an element in the image gives: the type's lowest.
void store_lowest(const TensorView& y, int64_t at) {
  if (dtype_is_float(y.dtype)) store_one(y, at, -std::numeric_limits<double>::infinity());
  else store_one(y, at, dtype_is_signed_int(y.dtype) ? -1 - static_cast<int64_t>((uint64_t{1} << (dtype_bits(y.dtype) - 1)) - 1) : 0);
}

Error run_max(RunContext& c) {
  const auto& attrs = c.attributes<op::MaxPool::Attrs>();
  const WindowWalk walk = walk_of(c, attrs.window(), attrs.kernel);
  const TensorView& x = c.input(0);
  TensorView& y = c.output(0);
  int64_t* indices = c.has_output(1) ? c.output(1).as<int64_t>() : nullptr;
  const int64_t channels = x.shape[x.shape.rank - 1];
  dispatch_element(x.dtype, [&](auto element) {
    for_pieces(c, walk, [&](int64_t image, int64_t p, int64_t from, int64_t count) {
      int64_t where[kWindowPiece];
      find_greatest(x, walk, image, p, from, count, false, where);
      const int64_t first = (image * walk.pixels + p) * channels + from;
      for (int64_t k = 0; k < count; ++k) {
        int64_t pixel = where[k] < 0 ? 0 : where[k];
        if (where[k] < 0) store_lowest(y, first + k);
        else element.copy(x, (image * walk.in_pixels + pixel) * channels + from + k, y, first + k);
        if (indices == nullptr) continue;
        if (attrs.column_major) pixel = column_major(walk, pixel);
        indices[first + k] = (image * channels + from + k) * walk.in_pixels + pixel;
      }
    });
  });
  return Error::Ok;
}

// --- average and norm

double power(double v, int64_t p) { return p == 1 ? v : (p == 2 ? v * v : std::pow(v, static_cast<double>(p))); }
double root(double v, int64_t p) { return p == 1 ? v : (p == 2 ? std::sqrt(v) : std::pow(v, 1 / static_cast<double>(p))); }

// Norms of order p; with p = 0 averages, over the padded image or the part of a window inside.
Error accumulate(RunContext& c, const WindowWalk& walk, int64_t p, bool count_padding) {
  const TensorView& x = c.input(0);
  TensorView& y = c.output(0);
  const int64_t channels = x.shape[x.shape.rank - 1];
  for_pieces(c, walk, [&](int64_t image, int64_t window, int64_t from, int64_t count) {
    double sums[kWindowPiece] = {}, seen[kWindowPiece];
    int64_t inside = 0, padded = 0;
    for (int64_t t = 0; t < walk.taps; ++t) {
      bool counted = false;
      const int64_t pixel = walk.input_pixel(window, t, &counted);
      padded += counted ? 1 : 0;
      if (pixel < 0) continue;
      ++inside;
      load(x, (image * walk.in_pixels + pixel) * channels + from, count, seen);
      for (int64_t k = 0; p != 0 && k < count; ++k) seen[k] = power(std::fabs(seen[k]), p);
      add_scaled(sums, 1, seen, count);
    }
    for (int64_t k = 0; k < count; ++k) sums[k] = p != 0 ? root(sums[k], p) : sums[k] / static_cast<double>(count_padding ? padded : inside);
    store(y, (image * walk.pixels + window) * channels + from, count, sums);
  });
  return Error::Ok;
}

Error run_average(RunContext& c) {
  const auto& attrs = c.attributes<op::AveragePool::Attrs>();
  return accumulate(c, walk_of(c, attrs.window(), attrs.kernel), 0, attrs.count_include_pad);
}

Error run_lp(RunContext& c) {
  const auto& attrs = c.attributes<op::LpPool::Attrs>();
  return accumulate(c, walk_of(c, attrs.window(), attrs.kernel), attrs.p, false);
}

// --- unpool

Error run_unpool(RunContext& c) {
  const auto& attrs = c.attributes<op::MaxUnpool::Attrs>();
  const WindowAttrs window = attrs.window();
  const TensorView &x = c.input(0), &indices = c.input(1);
  TensorView& y = c.output(0);
  const int spatial = x.shape.rank - 2;
  const int64_t channels = x.shape[spatial + 1], count = x.count();
  int64_t natural[kMaxSpatial], planes = x.shape[0] * channels, plane = 1, out_pixels = 1;
  for (int d = 0; d < spatial; ++d) {
    natural[d] = (x.shape[d + 1] - 1) * window.stride(d) + attrs.kernel[static_cast<size_t>(d)] - window.pad_begin(d) -
                 window.pad_end(d);
    if (natural[d] < 0 || natural[d] > y.shape[d + 1])
      return GF_FAIL(c.detail, Error::BadData, c.node,
                     "the output shape asks for %lld on spatial axis %d, %lld are needed",
                     static_cast<long long>(y.shape[d + 1]), d, static_cast<long long>(natural[d]));
    plane *= natural[d];
    out_pixels *= y.shape[d + 1];
  }
  std::memset(y.data, 0, static_cast<size_t>(dense_bytes(y.dtype, y.count())));
  // serial and in the indices' own order [N, C, spatial..]: of equal indices the last one wins, as in ONNX
  const int64_t in_pixels = x.shape.count(1, spatial + 1);
  for (int64_t k = 0; k < count; ++k) {
    const int64_t at = (k / (in_pixels * channels) * in_pixels + k % in_pixels) * channels + k / in_pixels % channels;
    const int64_t index = indices.as<const int64_t>()[at];
    if (index < 0 || index >= planes * plane)
      return GF_FAIL(c.detail, Error::IndexOutOfRange, c.node, "index %lld is outside the %lld elements of the output",
                     static_cast<long long>(index), static_cast<long long>(planes * plane));
    int64_t rest = index % plane, pixel = 0, scale = 1;
    for (int d = spatial - 1; d >= 0; --d) {
      pixel += rest % natural[d] * scale;
      scale *= y.shape[d + 1];
      rest /= natural[d];
    }
    const int64_t owner = index / plane;
    const int64_t to = (owner / channels * out_pixels + pixel) * channels + owner % channels;
    copy_elements(x, at, y, to, 1);
  }
  return Error::Ok;
}

}  // namespace

void find_greatest(const TensorView& x, const WindowWalk& walk, int64_t image, int64_t window, int64_t first, int64_t count,
                   bool last_nan, int64_t* greatest) {
  const int64_t channels = x.shape[x.shape.rank - 1];
  uint64_t best[kWindowPiece], seen[kWindowPiece];
  for (int64_t k = 0; k < count; ++k) greatest[k] = -1;
  for (int64_t t = 0; t < walk.taps; ++t) {
    const int64_t pixel = walk.input_pixel(window, t);
    if (pixel < 0) continue;
    load_keys(x, (image * walk.in_pixels + pixel) * channels + first, 1, count, seen);
    for (int64_t k = 0; k < count; ++k) {
      if (greatest[k] >= 0 && seen[k] <= best[k] && !(last_nan && seen[k] == kNanKey)) continue;
      best[k] = seen[k];
      greatest[k] = pixel;
    }
  }
}

extern const Kernel max_pool_kernel, average_pool_kernel, lp_pool_kernel, max_unpool_kernel;
const Kernel max_pool_kernel{
    .op = op::MaxPool::info.id, .name = "max_pool_portable", .rank = 1, .prepare = prepare_any, .run = run_max};
const Kernel average_pool_kernel{.op = op::AveragePool::info.id,
                                 .name = "average_pool_portable",
                                 .rank = 1,
                                 .prepare = prepare_any,
                                 .run = run_average};
const Kernel lp_pool_kernel{
    .op = op::LpPool::info.id, .name = "lp_pool_portable", .rank = 1, .prepare = prepare_any, .run = run_lp};
const Kernel max_unpool_kernel{
    .op = op::MaxUnpool::info.id, .name = "max_unpool_portable", .rank = 1, .prepare = prepare_any, .run = run_unpool};

}  // namespace gf::cpu
