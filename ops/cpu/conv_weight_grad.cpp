// conv_weight_grad in readable form, channels last: each task sums one tap of a few features over all pixels in a fixed order,
// so any split of the work gives the same bits. Sums in double, rounded once.
#include "schema/ops/conv_weight_grad.h"

#include "ops/cpu/window_walk.h"

namespace gf::cpu {
namespace {

constexpr int64_t kFeatures = 8, kChannels = 64;

Error run(RunContext& c) {
  const auto& attrs = c.attributes<op::ConvWeightGrad::Attrs>();
  const TensorView &x = c.input(0), &g = c.input(1);
  TensorView& y = c.output(0);
  if (y.count() == 0) return Error::Ok;
  WindowWalk walk;
  for (int d = 0; d < x.shape.rank - 2; ++d)
    walk.push(window_of(attrs.window(), d, x.shape[d + 1], g.shape[d + 1], attrs.kernel[static_cast<size_t>(d)]));
  const int64_t features = y.shape[0], group_features = features / attrs.groups, group_channels = y.shape[1];
  const int64_t channels = group_channels * attrs.groups, images = x.shape[0];
  const int64_t blocks = (group_features + kFeatures - 1) / kFeatures;
  c.parallel(attrs.groups * blocks * walk.taps, [&](int64_t task, int) {
    const int64_t t = task % walk.taps, block = task / walk.taps % blocks, group = task / walk.taps / blocks;
    const int64_t m0 = group * group_features + block * kFeatures;
    const int64_t m_count = group_features - block * kFeatures < kFeatures ? group_features - block * kFeatures : kFeatures;
    double sums[kFeatures][kChannels];
    double gradients[kFeatures], seen[kChannels];
    for (int64_t c0 = 0; c0 < group_channels; c0 += kChannels) {
      const int64_t c_count = group_channels - c0 < kChannels ? group_channels - c0 : kChannels;
      for (int64_t m = 0; m < m_count; ++m)
        set_zero(sums[m], c_count);
      for (int64_t at = 0; at < images * walk.pixels; ++at) {
        const int64_t pixel = walk.input_pixel(at % walk.pixels, t);
        if (pixel < 0) continue;
        const int64_t source = at / walk.pixels * walk.in_pixels + pixel;
        load_operand(attrs.precision, x, source * channels + group * group_channels + c0, 1, c_count, seen);
        load_operand(attrs.precision, g, at * features + m0, 1, m_count, gradients);
        for (int64_t m = 0; m < m_count; ++m)
          add_scaled(sums[m], gradients[m], seen, c_count);
      }
      for (int64_t m = 0; m < m_count; ++m)
        for (int64_t k = 0; k < c_count; ++k)
          store_one(y, ((m0 + m) * group_channels + c0 + k) * walk.taps + t, sums[m][k]);
    }
  });
  return Error::Ok;
}

}  // namespace

extern const Kernel conv_weight_grad_kernel;
const Kernel conv_weight_grad_kernel{
    .op = op::ConvWeightGrad::info.id, .name = "conv_weight_grad_portable", .rank = 1, .prepare = prepare_any, .run = run};

}  // namespace gf::cpu
