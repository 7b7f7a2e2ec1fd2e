// deform_conv in readable form, channels last: each output pixel reads its moved taps bilinearly into scratch (in the
// order of the weights), then every output channel is a dot product. Sums in double, rounded once.
#include "schema/ops/deform_conv.h"

#include <cmath>

#include "ops/cpu/window_walk.h"

namespace gf::cpu {
namespace {

constexpr int64_t kPiece = 128;

Error prepare(const NodeView& node, KernelPlan& plan) {
  const Shape &x = node.input(0).shape, &w = node.input(1).shape;
  int64_t elements = 0;
  const int64_t sizes[] = {x[3], w[2], w[3], static_cast<int64_t>(sizeof(double))};
  if (!count_checked(sizes, elements)) return plan.refuse("the kernel's size does not fit");
  plan.scratch_bytes_per_worker = static_cast<uint64_t>(elements);
  return Error::Ok;
}

// Adds weight * (channels [first, first + count) of pixel (row, col)) to patch[k * taps]; nothing outside the image.
void add_corner(const TensorView& x, int64_t image, double row, double col, double weight, int64_t first, int64_t count,
                double* patch, int64_t taps) {
  const int64_t height = x.shape[1], width = x.shape[2], channels = x.shape[3];
  if (weight == 0 || row < 0 || col < 0 || row >= static_cast<double>(height) || col >= static_cast<double>(width))
    return;
  const int64_t pixel = (image * height + static_cast<int64_t>(row)) * width + static_cast<int64_t>(col);
  double seen[kPiece];
  for (int64_t from = 0; from < count; from += kPiece) {
    const int64_t piece = count - from < kPiece ? count - from : kPiece;
    load(x, pixel * channels + first + from, piece, seen);
    for (int64_t k = 0; k < piece; ++k) patch[(from + k) * taps] += weight * seen[k];
  }
}

// patch[c * taps + t] = what the moved tap t of output pixel (image, p) reads of channel c.
void gather(const RunContext& c, const WindowWalk& walk, int64_t offset_groups, int64_t image, int64_t p,
            double* patch) {
  const TensorView &x = c.input(0), &offset = c.input(2);
  const int64_t channels = x.shape[3], per_group = channels / offset_groups;
  const Window &rows = walk.axes[0], &cols = walk.axes[1];
  set_zero(patch, channels * walk.taps);
  for (int64_t g = 0; g < offset_groups; ++g) {
    for (int64_t t = 0; t < walk.taps; ++t) {
      const int64_t at = ((image * walk.pixels + p) * offset_groups + g) * walk.taps + t;
      double move[2];
      load(offset, at * 2, 2, move);
      const double scale = c.has_input(4) ? load_one<double>(c.input(4), at) : 1.0;
      const double row =
          static_cast<double>(p / cols.out * rows.stride - rows.pad_begin + t / cols.kernel * rows.dilation) + move[0];
      const double col =
          static_cast<double>(p % cols.out * cols.stride - cols.pad_begin + t % cols.kernel * cols.dilation) + move[1];
      // a NaN coordinate reads nothing: neither comparison holds
      if (!(row > -1 && row < static_cast<double>(rows.in)) || !(col > -1 && col < static_cast<double>(cols.in)))
        continue;
      const double top = std::floor(row), left = std::floor(col), dy = row - top, dx = col - left;
      double* to = patch + g * per_group * walk.taps + t;
      for (int corner = 0; corner < 4; ++corner) {
        const bool down = corner >= 2, right = corner % 2 == 1;
        const double weight = (down ? dy : 1 - dy) * (right ? dx : 1 - dx) * scale;
        add_corner(x, image, top + (down ? 1 : 0), left + (right ? 1 : 0), weight, g * per_group, per_group, to,
                   walk.taps);
      }
    }
  }
}

double dot(const TensorView& w, int64_t first, const double* patch, int64_t count) {
  double weights[kPiece], sum = 0;
  for (int64_t from = 0; from < count; from += kPiece) {
    const int64_t piece = count - from < kPiece ? count - from : kPiece;
    load(w, first + from, piece, weights);
    for (int64_t k = 0; k < piece; ++k) sum += weights[k] * patch[from + k];
  }
  return sum;
}

Error run(RunContext& c) {
  const auto& attrs = c.attributes<op::DeformConv::Attrs>();
  const TensorView &x = c.input(0), &w = c.input(1);
  TensorView& y = c.output(0);
  if (y.count() == 0) return Error::Ok;
  WindowWalk walk;
  for (int d = 0; d < 2; ++d) walk.push(window_of(attrs.window(), d, x.shape[d + 1], y.shape[d + 1], w.shape[d + 2]));
  const int64_t features = w.shape[0], per_group = features / attrs.groups, size = w.shape[1] * walk.taps;
  c.parallel(x.shape[0] * walk.pixels, [&](int64_t task, int worker) {
    auto* patch = c.scratch_of<double>(worker);
    gather(c, walk, attrs.offset_groups, task / walk.pixels, task % walk.pixels, patch);
    double out[kPiece];
    for (int64_t from = 0; from < features; from += kPiece) {
      const int64_t piece = features - from < kPiece ? features - from : kPiece;
      for (int64_t k = 0; k < piece; ++k) {
        const int64_t m = from + k;
        out[k] = dot(w, m * size, patch + m / per_group * size, size);
        if (c.has_input(3)) out[k] += load_one<double>(c.input(3), m);
      }
      store(y, task * features + from, piece, out);
    }
  });
  return Error::Ok;
}

}  // namespace

extern const Kernel deform_conv_kernel;
const Kernel deform_conv_kernel{
    .op = op::DeformConv::info.id, .name = "deform_conv_portable", .rank = 1, .prepare = prepare, .run = run};

}  // namespace gf::cpu
