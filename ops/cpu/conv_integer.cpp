// conv_integer and qlinear_conv, channels last: int32 sums of (x - x_zero) * (w - w_zero) over the taps inside the image
// (padding is x_zero, which adds nothing), optionally requantised. The readable form; any number of spatial axes.
#include "schema/ops/conv_integer.h"

#include <cmath>

#include "ops/cpu/movement.h"
#include "schema/ops/qlinear_conv.h"

namespace gf::cpu {
namespace {

constexpr int kMaxSpatial = kMaxRank - 2;

struct Geometry {
  int spatial = 0;
  int64_t in[kMaxSpatial], out[kMaxSpatial], kernel[kMaxSpatial];
  int64_t stride[kMaxSpatial], dilation[kMaxSpatial], pad[kMaxSpatial];
  int64_t batch = 0, channels = 0, group_channels = 0, features = 0, group_features = 0;
  int64_t taps = 1, pixels = 1, in_pixels = 1;

  Geometry(const QuantConvAttrs& a, const Shape& x, const Shape& w, const Shape& y) {
    spatial = x.rank - 2;
    for (int d = 0; d < spatial; ++d) {
      const auto k = static_cast<size_t>(d);
      in[d] = x[d + 1];
      out[d] = y[d + 1];
      kernel[d] = w[d + 2];
      stride[d] = a.strides.empty() ? 1 : a.strides[k];
      dilation[d] = a.dilations.empty() ? 1 : a.dilations[k];
      pad[d] = a.pads.empty() ? 0 : a.pads[k];
      taps *= kernel[d];
      pixels *= out[d];
      in_pixels *= in[d];
    }
    batch = x[0];
    channels = x[spatial + 1];
    group_channels = w[1];
    features = w[0];
    group_features = w[0] / a.group;
  }
  /// Input pixel that tap t sees from output pixel p, or -1 for padding.
  int64_t input_pixel(int64_t p, int64_t t) const {
    int64_t pixel = 0, scale = 1;
    for (int d = spatial - 1; d >= 0; --d) {
      const int64_t at = p % out[d] * stride[d] - pad[d] + t % kernel[d] * dilation[d];
      if (at < 0 || at >= in[d]) return -1;
      pixel += at * scale;
      scale *= in[d];
      p /= out[d];
      t /= kernel[d];
    }
    return pixel;
  }
};

int32_t byte_at(const TensorView& t, int64_t k) {
  return t.dtype == DType::I8 ? static_cast<int32_t>(static_cast<const int8_t*>(t.data)[k])
                              : static_cast<int32_t>(static_cast<const uint8_t*>(t.data)[k]);
}
int32_t zero_at(const TensorView* zero, int64_t channel) {
  if (zero == nullptr) return 0;
  return byte_at(*zero, zero->count() == 1 ? 0 : channel);
}

// f(output element, feature, sum) for every output element.
template <class F>
void convolve(const RunContext& c, const Geometry& g, const TensorView& x, const TensorView& w, const TensorView* x_zero,
              const TensorView* w_zero, F&& f) {
  const int32_t zx = zero_at(x_zero, 0);
  c.parallel(g.batch * g.pixels, [&](int64_t task, int) {
    const int64_t n = task / g.pixels, p = task % g.pixels;
    for (int64_t m = 0; m < g.features; ++m) {
      const int64_t first_channel = m / g.group_features * g.group_channels;
      const int32_t zw = zero_at(w_zero, m);
      uint32_t sum = 0;  // wraps as int32 would
      for (int64_t t = 0; t < g.taps; ++t) {
        const int64_t pixel = g.input_pixel(p, t);
        if (pixel < 0) continue;
        const int64_t from = (n * g.in_pixels + pixel) * g.channels + first_channel;
        for (int64_t k = 0; k < g.group_channels; ++k)
          sum += static_cast<uint32_t>(byte_at(x, from + k) - zx) *
                 static_cast<uint32_t>(byte_at(w, (m * g.group_channels + k) * g.taps + t) - zw);
      }
      f(task * g.features + m, m, static_cast<int32_t>(sum));
    }
  });
}

Error run_integer(RunContext& c) {
  const Geometry g(c.attributes<QuantConvAttrs>(), c.input(0).shape, c.input(1).shape, c.output(0).shape);
  auto* y = c.output(0).as<int32_t>();
  convolve(c, g, c.input(0), c.input(1), c.has_input(2) ? &c.input(2) : nullptr, c.has_input(3) ? &c.input(3) : nullptr,
           [y](int64_t at, int64_t, int32_t sum) { y[at] = sum; });
  return Error::Ok;
}

Error run_qlinear(RunContext& c) {
  const Geometry g(c.attributes<QuantConvAttrs>(), c.input(0).shape, c.input(3).shape, c.output(0).shape);
  TensorView& y = c.output(0);
  const float x_scale = *c.input(1).as<const float>(), y_scale = *c.input(6).as<const float>();
  const TensorView& w_scale = c.input(4);
  const auto low = static_cast<float>(quant_low(y.dtype)), high = static_cast<float>(quant_high(y.dtype));
  const auto y_zero = static_cast<float>(byte_at(c.input(7), 0));
  const int32_t* bias = c.has_input(8) ? c.input(8).as<const int32_t>() : nullptr;
  convolve(c, g, c.input(0), c.input(3), &c.input(2), &c.input(5), [&](int64_t at, int64_t m, int32_t sum) {
    const float scale = x_scale * w_scale.as<const float>()[w_scale.count() == 1 ? 0 : m] / y_scale;
    const int64_t total = static_cast<int64_t>(sum) + (bias != nullptr ? bias[m] : 0);
    const float q = std::nearbyint(static_cast<float>(total) * scale) + y_zero;
    store_one(y, at, static_cast<int64_t>(q > low ? (q < high ? q : high) : low));
  });
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
