// max_pool, average_pool, lp_pool and max_unpool in readable form, channels last, any number of spatial axes. Averages
// and norms are summed in double and rounded once.
#include <cmath>

#include "ops/cpu/window_walk.h"
#include "schema/ops/average_pool.h"
#include "schema/ops/lp_pool.h"
#include "schema/ops/max_pool.h"
#include "schema/ops/max_unpool.h"

namespace gf::cpu {
namespace {

constexpr int64_t kPiece = 128;

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
      for (int64_t from = 0; from < channels; from += kPiece)
        f(at / walk.pixels, at % walk.pixels, from, channels - from < kPiece ? channels - from : kPiece);
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

template <class C>
constexpr C lowest() {
  if constexpr (std::is_floating_point_v<C>)
    return -std::numeric_limits<C>::infinity();
  else
    return std::numeric_limits<C>::min();
}

template <class C>
Error max_pool(RunContext& c) {
  const auto& attrs = c.attributes<op::MaxPool::Attrs>();
  const WindowWalk walk = walk_of(c, attrs.window(), attrs.kernel);
  const TensorView& x = c.input(0);
  TensorView& y = c.output(0);
  int64_t* indices = c.has_output(1) ? c.output(1).as<int64_t>() : nullptr;
  const int64_t channels = x.shape[x.shape.rank - 1];
  for_pieces(c, walk, [&](int64_t image, int64_t p, int64_t from, int64_t count) {
    C best[kPiece], seen[kPiece];
    int64_t where[kPiece];
    for (int64_t k = 0; k < count; ++k) where[k] = -1;
    for (int64_t t = 0; t < walk.taps; ++t) {
      const int64_t pixel = walk.input_pixel(p, t);
      if (pixel < 0) continue;
      load(x.dtype, x.data, (image * walk.in_pixels + pixel) * channels + from, 1, count, seen);
      for (int64_t k = 0; k < count; ++k) {
        if (where[k] >= 0 && !(seen[k] > best[k]) && (seen[k] == seen[k] || best[k] != best[k])) continue;
        best[k] = seen[k];
        where[k] = pixel;
      }
    }
    for (int64_t k = 0; k < count; ++k)
      if (where[k] < 0) best[k] = lowest<C>();
    const int64_t first = (image * walk.pixels + p) * channels + from;
    if (x.dtype == DType::I8 || x.dtype == DType::I16 || x.dtype == DType::I32) {
      const int64_t low = -(int64_t{1} << (dtype_bits(x.dtype) - 1));
      for (int64_t k = 0; k < count; ++k)
        if (where[k] < 0) best[k] = static_cast<C>(low);
    }
    store(y.dtype, y.data, first, count, best);
    if (indices == nullptr) return;
    for (int64_t k = 0; k < count; ++k) {
      const int64_t pixel = where[k] < 0 ? 0 : (attrs.column_major ? column_major(walk, where[k]) : where[k]);
      indices[first + k] = (image * channels + from + k) * walk.in_pixels + pixel;
    }
  });
  return Error::Ok;
}

// --- average and norm

template <class Attrs, class Add, class Finish>
void accumulate(RunContext& c, const Attrs& attrs, Add&& add, Finish&& finish) {
  const WindowWalk walk = walk_of(c, attrs.window(), attrs.kernel);
  const TensorView& x = c.input(0);
  TensorView& y = c.output(0);
  const int64_t channels = x.shape[x.shape.rank - 1];
  for_pieces(c, walk, [&](int64_t image, int64_t p, int64_t from, int64_t count) {
    double sums[kPiece] = {}, seen[kPiece];
    int64_t inside = 0, padded = 0;
    for (int64_t t = 0; t < walk.taps; ++t) {
      bool counted = false;
      const int64_t pixel = walk.input_pixel(p, t, &counted);
      padded += counted ? 1 : 0;
      if (pixel < 0) continue;
      ++inside;
      load(x.dtype, x.data, (image * walk.in_pixels + pixel) * channels + from, 1, count, seen);
      for (int64_t k = 0; k < count; ++k) sums[k] = add(sums[k], seen[k]);
    }
    for (int64_t k = 0; k < count; ++k) sums[k] = finish(sums[k], inside, padded);
    store(y.dtype, y.data, (image * walk.pixels + p) * channels + from, count, sums);
  });
}

Error run_max(RunContext& c) {
  return dispatch_compute(c.input(0).dtype, [&]<class C>() { return max_pool<C>(c); });
}

Error run_average(RunContext& c) {
  const auto& attrs = c.attributes<op::AveragePool::Attrs>();
  accumulate(
      c, attrs, [](double sum, double v) { return sum + v; },
      [&](double sum, int64_t inside, int64_t padded) {
        return sum / static_cast<double>(attrs.count_include_pad ? padded : inside);
      });
  return Error::Ok;
}

Error run_lp(RunContext& c) {
  const auto& attrs = c.attributes<op::LpPool::Attrs>();
  const auto p = static_cast<double>(attrs.p);
  const auto power = [&](double v) { return attrs.p == 1 ? v : (attrs.p == 2 ? v * v : std::pow(v, p)); };
  const auto root = [&](double v) { return attrs.p == 1 ? v : (attrs.p == 2 ? std::sqrt(v) : std::pow(v, 1 / p)); };
  accumulate(
      c, attrs, [&](double sum, double v) { return sum + power(std::fabs(v)); },
      [&](double sum, int64_t, int64_t) { return root(sum); });
  return Error::Ok;
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
  const size_t bytes = dtype_bits(x.dtype) / 8;
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
    std::memcpy(y.as<unsigned char>() + static_cast<size_t>(to) * bytes,
                x.as<const unsigned char>() + static_cast<size_t>(at) * bytes, bytes);
  }
  return Error::Ok;
}

}  // namespace

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
