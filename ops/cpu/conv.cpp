// conv in readable form, channels last: eight output pixels at a time gather what their taps see into scratch (in the
// order of the weights), then every output channel is a dot product. Sums in double, rounded once.
#include "schema/ops/conv.h"

#include "ops/cpu/epilogue.h"
#include "ops/cpu/window_walk.h"

namespace gf::cpu {
namespace {

constexpr int64_t kPixels = 8, kFeatures = Epilogue::kPiece, kChunk = 128;

/// Weights that output channel m sees: [C / groups, kernel..].
int64_t patch_size(const Shape& w) { return w.count(1, w.rank); }

Error prepare(const NodeView& node, KernelPlan& plan) {
  GF_TRY(prepare_epilogue<op::Conv::Attrs>(node, plan));
  int64_t elements = 0;
  if (!count_checked(node.input(1).shape.span().subspan(1), elements) || !mul_checked(elements, kPixels * 8, elements))
    return plan.refuse("the kernel's size does not fit");
  plan.scratch_bytes_per_worker = static_cast<uint64_t>(elements);
  return Error::Ok;
}

struct Geometry {
  WindowWalk walk;
  int64_t channels = 0, group_channels = 0, features = 0, group_features = 0;

  Geometry(const op::Conv::Attrs& a, const Shape& x, const Shape& w, const Shape& y) {
    for (int d = 0; d < x.rank - 2; ++d) walk.push(window_of(a.window(), d, x[d + 1], y[d + 1], w[d + 2]));
    channels = x[x.rank - 1];
    group_channels = w[1];
    features = w[0];
    group_features = w[0] / a.groups;
  }
};

// patch[c * taps + t] = what tap t of the window at output pixel p sees of channel first_channel + c.
void gather(Precision precision, const Geometry& g, const TensorView& x, int64_t image, int64_t p, int64_t first_channel, double* patch) {
  double run[kChunk];
  for (int64_t t = 0; t < g.walk.taps; ++t) {
    const int64_t pixel = g.walk.input_pixel(p, t);
    for (int64_t from = 0; from < g.group_channels; from += kChunk) {
      const int64_t count = g.group_channels - from < kChunk ? g.group_channels - from : kChunk;
      if (pixel >= 0)
        load_operand(precision, x, (image * g.walk.in_pixels + pixel) * g.channels + first_channel + from, 1, count, run);
      for (int64_t k = 0; k < count; ++k) patch[(from + k) * g.walk.taps + t] = pixel >= 0 ? run[k] : 0.0;
    }
  }
}

// sums[j] = weights of channel m times patch j.
void dot(Precision precision, const TensorView& w, int64_t m, int64_t size, const double* patches, int64_t pixels, double* sums) {
  double weights[kChunk];
  set_zero(sums, pixels);
  for (int64_t from = 0; from < size; from += kChunk) {
    const int64_t count = size - from < kChunk ? size - from : kChunk;
    load_operand(precision, w, m * size + from, 1, count, weights);
    for (int64_t j = 0; j < pixels; ++j) {
      const double* patch = patches + j * size + from;
      double sum = sums[j];
      for (int64_t k = 0; k < count; ++k) sum += patch[k] * weights[k];
      sums[j] = sum;
    }
  }
}

Error run(RunContext& c) {
  const auto& attrs = c.attributes<op::Conv::Attrs>();
  const TensorView &x = c.input(0), &w = c.input(1);
  TensorView& y = c.output(0);
  if (y.count() == 0) return Error::Ok;
  const Geometry g(attrs, x.shape, w.shape, y.shape);
  const Epilogue epilogue(c, attrs);
  const int64_t size = patch_size(w.shape), blocks = (g.walk.pixels + kPixels - 1) / kPixels;
  c.parallel(x.shape[0] * blocks, [&](int64_t task, int worker) {
    const int64_t image = task / blocks, first = task % blocks * kPixels;
    const int64_t pixels = g.walk.pixels - first < kPixels ? g.walk.pixels - first : kPixels;
    double* patches = c.scratch_of<double>(worker);
    double sums[kPixels][kFeatures], column[kPixels];
    for (int64_t group = 0; group < attrs.groups; ++group) {
      for (int64_t j = 0; j < pixels; ++j) gather(attrs.precision, g, x, image, first + j, group * g.group_channels, patches + j * size);
      for (int64_t from = 0; from < g.group_features; from += kFeatures) {
        const int64_t count = g.group_features - from < kFeatures ? g.group_features - from : kFeatures;
        const int64_t feature = group * g.group_features + from;
        for (int64_t k = 0; k < count; ++k) {
          dot(attrs.precision, w, feature + k, size, patches, pixels, column);
          for (int64_t j = 0; j < pixels; ++j) sums[j][k] = column[j];
        }
        for (int64_t j = 0; j < pixels; ++j)
          epilogue.finish(y, (image * g.walk.pixels + first + j) * g.features + feature, feature, count, sums[j]);
      }
    }
  });
  return Error::Ok;
}

}  // namespace

extern const Kernel conv_kernel;
const Kernel conv_kernel{.op = op::Conv::info.id, .name = "conv_portable", .rank = 1, .prepare = prepare, .run = run};

}  // namespace gf::cpu
