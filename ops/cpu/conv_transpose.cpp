// conv_transpose in readable form, channels last: each output pixel adds up the input pixels that reach it through a
// tap (no adding in memory, so any split of the work gives the same bits). Sums in double, rounded once.
#include "schema/ops/conv_transpose.h"

#include "ops/cpu/epilogue.h"
#include "ops/cpu/window_walk.h"

namespace gf::cpu {
namespace {

constexpr int64_t kFeatures = Epilogue::kPiece;

Error run(RunContext& c) {
  const auto& attrs = c.attributes<op::ConvTranspose::Attrs>();
  const TensorView &x = c.input(0), &w = c.input(1);
  TensorView& y = c.output(0);
  if (y.count() == 0) return Error::Ok;
  WindowWalk walk;
  for (int d = 0; d < x.shape.rank - 2; ++d)
    walk.push(op::ConvTranspose::axis(attrs, d, x.shape[d + 1], y.shape[d + 1], w.shape[d + 2]));
  const Epilogue epilogue(c, attrs);
  const int64_t channels = w.shape[0], group_channels = channels / attrs.groups, group_features = w.shape[1];
  const int64_t features = group_features * attrs.groups;
  c.parallel(x.shape[0] * walk.pixels, [&](int64_t task, int) {
    const int64_t image = task / walk.pixels, p = task % walk.pixels;
    double sums[kFeatures];
    double weights[kFeatures];
    for (int64_t group = 0; group < attrs.groups; ++group) {
      for (int64_t from = 0; from < group_features; from += kFeatures) {
        const int64_t count = group_features - from < kFeatures ? group_features - from : kFeatures;
        set_zero(sums, count);
        for (int64_t t = 0; t < walk.taps; ++t) {
          const int64_t pixel = walk.source_pixel(p, t);
          if (pixel < 0) continue;
          for (int64_t i = group * group_channels; i < (group + 1) * group_channels; ++i) {
            double value = 0;
            load_operand(attrs.precision, x, (image * walk.in_pixels + pixel) * channels + i, 0, 1, &value);
            load_operand(attrs.precision, w, (i * group_features + from) * walk.taps + t, walk.taps, count, weights);
            add_scaled(sums, value, weights, count);
          }
        }
        const int64_t feature = group * group_features + from;
        epilogue.finish(y, task * features + feature, feature, count, sums);
      }
    }
  });
  return Error::Ok;
}

}  // namespace

extern const Kernel conv_transpose_kernel;
const Kernel conv_transpose_kernel{
    .op = op::ConvTranspose::info.id, .name = "conv_transpose_portable", .rank = 1, .prepare = prepare_epilogue<op::ConvTranspose::Attrs>, .run = run};

}  // namespace gf::cpu
