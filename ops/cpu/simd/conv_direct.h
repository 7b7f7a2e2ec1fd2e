// f32 convolutions of few channels in NHWC, two spatial dimensions, without groups: rows of pixels are multiplied where they lie, so that
// nothing is gathered. For nets in training: weights change from run to run, and products with few channels leave vectors empty.
// The caller owns every buffer. Work is cut by rows of the output: same bits for every number of threads.
#pragma once

#include <cstdint>

#include "ops/cpu/simd/activation.h"
#include "runtime/kernel/isa.h"
#include "runtime/kernel/parallel.h"

namespace gf::simd {

/// Sizes: in [batch, in_h, in_w, in_channels], out [batch, out_h, out_w, out_channels], dense, all at least 1.
struct DirectConvShape {
  int64_t batch = 1, in_h = 1, in_w = 1, in_channels = 1, out_h = 1, out_w = 1, out_channels = 1;
  int64_t kernel_h = 1, kernel_w = 1, stride_h = 1, stride_w = 1, dilation_h = 1;
  int64_t pad_top = 0, pad_left = 0;
};

/// What runs on which memory.
struct DirectConvPlan {
  Isa isa = Isa::Portable;
  bool transposed = false;
  DirectConvShape shape{};
  int64_t columns = 0;     ///< of a row of packed weights, whole vectors
  int64_t row_floats = 0;  ///< plain: a padded row of the input, 0 when none is padded; transposed: a row of sums
  int64_t tile_floats = 0; ///< transposed: products of a tile
  int64_t packed_floats = 0;

  uint64_t shared_bytes() const { return static_cast<uint64_t>(packed_floats) * sizeof(float); }
  uint64_t worker_bytes() const {
    return static_cast<uint64_t>((transposed ? 1 : shape.kernel_h) * row_floats + tile_floats) * sizeof(float);
  }
};
DirectConvPlan direct_conv_plan(Isa isa, bool transposed, const DirectConvShape& shape);

/// Lanes of a vector: a transposed convolution to fewer channels than that gains. 1: there is no such convolution on this Isa.
int direct_conv_lanes(Isa isa);

struct DirectConvArgs {
  const float* in = nullptr;
  const float* weights = nullptr;  ///< [out_channels, in_channels, kernel_h, kernel_w]; transposed: [in_channels, out_channels, ..]
  const float* bias = nullptr;     ///< [out_channels] or null
  float* out = nullptr;
  ActivationSpec activation{};
  void* shared = nullptr;          ///< plan.shared_bytes(), aligned to 64
  void* worker = nullptr;          ///< plan.worker_bytes() for each worker
  uint64_t worker_distance = 0;    ///< bytes, a multiple of 64
};
void direct_conv(const DirectConvPlan& plan, const DirectConvArgs& args, const ParallelFor& parallel);

}  // namespace gf::simd
