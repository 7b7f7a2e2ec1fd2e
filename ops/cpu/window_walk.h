// Which input pixels the taps of a window see: shared by the portable convolutions and pools, any number of spatial
// axes. Plain values, any thread.
#pragma once

#include "ops/cpu/op_util.h"
#include "ops/cpu/vectors.h"
#include "schema/spatial.h"

namespace gf::cpu {

/// The spatial side of a node: axes with everything known, and products of their sizes.
struct WindowWalk {
  int spatial = 0;
  Window axes[kMaxSpatial];
  int64_t taps = 1, pixels = 1, in_pixels = 1;

  void push(const Window& w) {
    axes[spatial++] = w;
    taps *= w.kernel;
    pixels *= w.out;
    in_pixels *= w.in;
  }
  /// Input pixel that tap t sees from output pixel p, or -1 outside the image. `counted`, when not null: whether the
  /// tap lies inside the padded image (ceil_mode windows may reach beyond).
  int64_t input_pixel(int64_t p, int64_t t, bool* counted = nullptr) const {
    int64_t pixel = 0, scale = 1;
    bool inside = true, padded = true;
    for (int d = spatial - 1; d >= 0; --d) {
      const Window& w = axes[d];
      const int64_t at = p % w.out * w.stride - w.pad_begin + t % w.kernel * w.dilation;
      inside = inside && at >= 0 && at < w.in;
      padded = padded && at < w.in + w.pad_end;
      pixel += at * scale;
      scale *= w.in;
      p /= w.out;
      t /= w.kernel;
    }
    if (counted != nullptr) *counted = padded;
    return inside ? pixel : -1;
  }
  /// Transposed convolution: input pixel that reaches output pixel p through tap t, or -1.
  int64_t source_pixel(int64_t p, int64_t t) const {
    int64_t pixel = 0, scale = 1;
    for (int d = spatial - 1; d >= 0; --d) {
      const Window& w = axes[d];
      const int64_t from = p % w.out + w.pad_begin - t % w.kernel * w.dilation;
      if (from < 0 || from % w.stride != 0 || from / w.stride >= w.in) return -1;
      pixel += from / w.stride * scale;
      scale *= w.in;
      p /= w.out;
      t /= w.kernel;
    }
    return pixel;
  }
};

/// Channels that a kernel holds at once.
inline constexpr int64_t kWindowPiece = 128;

/// The pixel that each of the channels [first, first + count), count <= kWindowPiece, of an image has its greatest element
/// at in a window: the first of equal ones, -1 where the window sees none. NaN is the greatest; of several the first, or the
/// last where `last_nan`.
void find_greatest(const TensorView& x, const WindowWalk& walk, int64_t image, int64_t window, int64_t first, int64_t count,
                   bool last_nan, int64_t* greatest);

}  // namespace gf::cpu
