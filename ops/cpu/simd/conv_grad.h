// Gradient of a convolution's weights in f32, NHWC, two spatial dimensions: dw[m, c, tap] = sum over pixels of dy[p, m] * x[p at tap, c].
// No im2col: tiles of (tap, c) x m stay in registers while pixels pass by. Bands of pixels are summed on their own, then added up.
// The caller owns every buffer. The sum is cut by shape alone: same bits for every number of threads.
#pragma once

#include <cstddef>
#include <cstdint>

#include "runtime/kernel/isa.h"
#include "runtime/kernel/parallel.h"

namespace gf::simd {

/// Sizes of the convolution: x [batch, in_h, in_w, in_channels], dy [batch, out_h, out_w, out_channels], dense.
struct ConvGradShape {
  int64_t batch = 1, in_h = 1, in_w = 1, in_channels = 1, out_h = 1, out_w = 1, out_channels = 1;
  int64_t kernel_h = 1, kernel_w = 1, stride_h = 1, stride_w = 1, dilation_h = 1, dilation_w = 1;
  int64_t pad_top = 0, pad_left = 0;
  int64_t groups = 1;  ///< divides both channel counts

  int64_t taps() const { return kernel_h * kernel_w; }
  int64_t group_in() const { return in_channels / groups; }
  int64_t group_out() const { return out_channels / groups; }
};

/// How the work is cut. A block is a range of input channels and a range of output channels of one group, with all taps; a part is a
/// range of rows of dy. Each part of each block is a task with sums of its own.
struct ConvGradPlan {
  enum class Form : uint8_t {
    Joined,     ///< few channels: the taps of a row of the kernel and their channels lie side by side in x
    PerTap,
    Depthwise,  ///< a group per channel: vectors run over channels
  };
  Isa isa = Isa::Portable;
  ConvGradShape shape{};
  Form form = Form::PerTap;
  int64_t block_in = 1, block_out = 1;    ///< channels of a block
  int64_t in_blocks = 1, out_blocks = 1;  ///< per group
  int64_t parts = 1;
  int64_t band_rows = 1;   ///< rows of dy that are summed in registers at a time
  int64_t copy_floats = 0; ///< Joined: a row of x with its padding; 0: rows are read where they are
  int64_t sum_floats = 0;  ///< sums of a block
  int64_t x_elements = 0, g_elements = 0;  ///< of a band, where operands are rounded first (rounded.h); else 0

  int64_t blocks() const { return (form == Form::Depthwise ? 1 : shape.groups) * in_blocks * out_blocks; }
  uint64_t shared_bytes() const { return parts == 1 ? 0 : static_cast<uint64_t>(parts * blocks() * sum_floats) * sizeof(float); }
  uint64_t worker_bytes() const { return static_cast<uint64_t>((parts == 1 ? sum_floats : 0) + band_rows * copy_floats + x_elements + g_elements) * sizeof(float); }
};

struct RoundedOps;

/// Sizes must fit in memory as tensors do, and be at least 1. `rounded`: operands are rounded so, see rounded.h; nullptr: floats as they are.
ConvGradPlan conv_grad_plan(Isa isa, const ConvGradShape& shape, const RoundedOps* rounded = nullptr);

/// dw [out_channels, in_channels / groups, kernel_h, kernel_w]. `shared`: plan.shared_bytes(); worker w owns plan.worker_bytes() at
/// `worker` + w * `worker_distance` bytes. Both aligned to 64.
void conv_weight_grad(const ConvGradPlan& plan, const float* x, const float* dy, float* dw, void* shared, void* worker,
                      uint64_t worker_distance, const ParallelFor& parallel, const RoundedOps* rounded = nullptr);

// --- internal: tiles of one target

/// One tile: out[i, j] += sum over pixels of x[i] * g[j], with pixels in rows.
struct GradTile {
  const float* const* x;  ///< first pixel of each row, before the offset
  const float* const* g;
  int64_t rows, pixels;   ///< pixels per row
  int64_t x_step, g_step; ///< elements from pixel to pixel
  int64_t x_offset, g_offset;
  size_t last;            ///< lanes that count in the last vector of g
  float* out;             ///< whole vectors
  int64_t out_stride;
};
inline constexpr int kMaxGradRows = 12;
struct ConvGradTable {
  int lanes, max_rows, max_vectors;
  void (*tile[kMaxGradRows + 1][2])(const GradTile& t);  ///< [rows][vectors of g - 1]; nullptr: no such tile
  void (*depthwise)(const GradTile& t);                  ///< out[j] += sum of x[j] * g[j], one vector
};
const ConvGradTable& conv_grad_table(Isa isa);

}  // namespace gf::simd
