// max_pool_grad in readable form, channels last, any number of spatial axes: each pixel asks every window that sees it whether it is
// the greatest there. Work is split by pixels of x; sums in double, rounded once.
#include "schema/ops/max_pool_grad.h"

#include "ops/cpu/window_walk.h"

namespace gf::cpu {
namespace {

// Window that sees `pixel` through tap t, or -1.
int64_t window_at(const WindowWalk& walk, int64_t pixel, int64_t t) {
  int64_t window = 0, scale = 1;
  for (int d = walk.spatial - 1; d >= 0; --d) {
    const Window& w = walk.axes[d];
    const int64_t from = pixel % w.in + w.pad_begin - t % w.kernel * w.dilation;
    if (from < 0 || from % w.stride != 0 || from / w.stride >= w.out) return -1;
    window += from / w.stride * scale;
    scale *= w.out;
    pixel /= w.in;
    t /= w.kernel;
  }
  return window;
}

Error run(RunContext& c) {
  const auto& attrs = c.attributes<op::MaxPoolGrad::Attrs>();
  const TensorView &x = c.input(0), &dy = c.input(1);
  TensorView& dx = c.output(0);
  WindowWalk walk;
  for (int d = 0; d < x.shape.rank - 2; ++d)
    walk.push(window_of(attrs.window(), d, x.shape[d + 1], dy.shape[d + 1], attrs.kernel[static_cast<size_t>(d)]));
  const int64_t channels = x.shape[x.shape.rank - 1];
  c.parallel.chunks(x.shape[0] * walk.in_pixels, row_grain(channels * walk.taps), [&](int64_t begin, int64_t end, int) {
    int64_t greatest[kWindowPiece];
    double sums[kWindowPiece], gradient[kWindowPiece];
    for (int64_t at = begin; at < end; ++at) {
      const int64_t image = at / walk.in_pixels, pixel = at % walk.in_pixels;
      for (int64_t first = 0; first < channels; first += kWindowPiece) {
        const int64_t count = channels - first < kWindowPiece ? channels - first : kWindowPiece;
        set_zero(sums, count);
        for (int64_t t = walk.taps - 1; t >= 0; --t) {  // windows in their order
          const int64_t window = window_at(walk, pixel, t);
          if (window < 0) continue;
          find_greatest(x, walk, image, window, first, count, true, greatest);
          load(dy, (image * walk.pixels + window) * channels + first, count, gradient);
          for (int64_t k = 0; k < count; ++k)
            if (greatest[k] == pixel) sums[k] += gradient[k];
        }
        store(dx, at * channels + first, count, sums);
      }
    }
  });
  return Error::Ok;
}

}  // namespace

extern const Kernel max_pool_grad_kernel;
const Kernel max_pool_grad_kernel{
    .op = op::MaxPoolGrad::info.id, .name = "max_pool_grad_portable", .rank = 1, .prepare = prepare_any, .run = run};

}  // namespace gf::cpu
