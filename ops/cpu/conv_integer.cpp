// conv_integer and qlinear_conv, channels last: int32 sums of (x - x_zero) * (w - w_zero) over the taps inside the image
// (padding is x_zero, which adds nothing), optionally requantised. The readable form; any number of spatial axes.
#include "schema/ops/conv_integer.h"

#include <cmath>

#include "ops/cpu/integer_product.h"
#include "ops/cpu/window_walk.h"
#include "schema/ops/qlinear_conv.h"

namespace gf::cpu {
namespace {

WindowWalk walk_of(const QuantConvAttrs& a, const Shape& x, const Shape& w, const Shape& y) {
  WindowWalk walk;
  for (int d = 0; d < x.rank - 2; ++d) {
    const auto k = static_cast<size_t>(d);
    Window window;
    window.in = x[d + 1];
    window.out = y[d + 1];
    window.kernel = w[d + 2];
    window.stride = a.strides.empty() ? 1 : a.strides[k];
    window.dilation = a.dilations.empty() ? 1 : a.dilations[k];
    window.pad_begin = a.pads.empty() ? 0 : a.pads[k];
    walk.push(window);
  }
  return walk;
}

int32_t zero_at(const TensorView* zero, int64_t channel) {
  if (zero == nullptr) return 0;
  return byte_at(*zero, zero->count() == 1 ? 0 : channel);
}

/// What becomes of the sums: they are the output, or with a scale they are rounded to its type.
struct Requantize {
  const TensorView* scale = nullptr;  ///< of the weights
  float x_scale = 1, y_scale = 1;
  const int32_t* bias = nullptr;

  void store_sum(const TensorView& y, int64_t at, int64_t m, int32_t sum, float zero) const {
    const float s = x_scale * scale->as<const float>()[scale->count() == 1 ? 0 : m] / y_scale;
    const auto total = static_cast<int32_t>(static_cast<uint32_t>(sum) + static_cast<uint32_t>(bias != nullptr ? bias[m] : 0));
    const float q = std::nearbyint(static_cast<float>(total) * s) + zero;
    const auto low = static_cast<float>(quant_low(y.dtype)), high = static_cast<float>(quant_high(y.dtype));
    store_one(y, at, static_cast<int64_t>(q > low ? (q < high ? q : high) : low));
  }
};

void convolve(const RunContext& c, const TensorView& x, const TensorView& w, const TensorView* x_zero, const TensorView* w_zero,
              const Requantize& q) {
  const TensorView& y = c.output(0);
  const WindowWalk walk = walk_of(c.attributes<QuantConvAttrs>(), x.shape, w.shape, y.shape);
  const int64_t channels = x.shape[x.shape.rank - 1], group_channels = w.shape[1], features = w.shape[0];
  const int64_t group_features = features / c.attributes<QuantConvAttrs>().group;
  const int32_t zx = zero_at(x_zero, 0), zy = q.scale != nullptr ? byte_at(c.input(7), 0) : 0;
  c.parallel(x.shape[0] * walk.pixels, [&](int64_t task, int) {
    const int64_t n = task / walk.pixels, p = task % walk.pixels;
    for (int64_t m = 0; m < features; ++m) {
      const int64_t first_channel = m / group_features * group_channels;
      const int32_t zw = zero_at(w_zero, m);
      uint32_t sum = 0;  // wraps as int32 would
      for (int64_t t = 0; t < walk.taps; ++t) {
        const int64_t pixel = walk.input_pixel(p, t);
        if (pixel < 0) continue;  // padding is x_zero
        const int64_t from = (n * walk.in_pixels + pixel) * channels + first_channel;
        for (int64_t k = 0; k < group_channels; ++k)
          sum += static_cast<uint32_t>(byte_at(x, from + k) - zx) *
                 static_cast<uint32_t>(byte_at(w, (m * group_channels + k) * walk.taps + t) - zw);
      }
      if (q.scale == nullptr) y.as<int32_t>()[task * features + m] = static_cast<int32_t>(sum);
      else q.store_sum(y, task * features + m, m, static_cast<int32_t>(sum), static_cast<float>(zy));
    }
  });
}

Error run_integer(RunContext& c) {
  convolve(c, c.input(0), c.input(1), input_or_null(c, 2), input_or_null(c, 3), {});
  return Error::Ok;
}

Error run_qlinear(RunContext& c) {
  const int32_t* bias = c.has_input(8) ? c.input(8).as<const int32_t>() : nullptr;
  convolve(c, c.input(0), c.input(3), &c.input(2), &c.input(5),
           {&c.input(4), *c.input(1).as<const float>(), *c.input(6).as<const float>(), bias});
  return Error::Ok;
}

}  // namespace

extern const Kernel conv_integer_kernel, qlinear_conv_kernel;
const Kernel conv_integer_kernel{.op = op::ConvInteger::info.id,
                                 .name = "conv_integer_portable",
                                 .rank = 1,
                                 .prepare = prepare_any,
                                 .run = run_integer};
const Kernel qlinear_conv_kernel{.op = op::QLinearConv::info.id,
                                 .name = "qlinear_conv_portable",
                                 .rank = 1,
                                 .prepare = prepare_any,
                                 .run = run_qlinear};

}  // namespace gf::cpu
