// Convolution 3x3 of stride 1 by Winograd's F(2x2, 3x3): 16 products for four outputs instead of 36. f32, channels last.
// Tiles of 4x4 inputs become 16 matrices of tiles x channels, which are multiplied by the 16 matrices that the weights became.
// A NaN or an infinity in the input reaches all four outputs of the tiles that read it (NaN, where the definition gives infinities).
// The caller owns every buffer. Tasks are blocks of tiles, cut by shape only: results do not depend on the number of threads.
#pragma once

#include <cstdint>

#include "ops/cpu/simd/activation.h"
#include "runtime/kernel/isa.h"
#include "runtime/kernel/parallel.h"

namespace gf::simd {

struct WinogradPlan {
  Isa isa = Isa::Portable;
  int64_t batch = 1, in_h = 0, in_w = 0, in_channels = 0, out_h = 0, out_w = 0, out_channels = 0, pad_top = 0, pad_left = 0;
  int64_t tiles_h = 0, tiles_w = 0;  ///< per picture
  int64_t block = 0;                 ///< tiles of a task
  uint64_t packed_bytes = 0;         ///< of the 16 packed matrices
  uint64_t product_bytes = 0;        ///< scratch of the product
  uint64_t worker_bytes = 0;         ///< scratch of one worker, aligned to 64

  int64_t tiles() const { return batch * tiles_h * tiles_w; }
};

/// Fills what follows from the sizes.
void winograd_plan(WinogradPlan& plan);

/// weights [out_channels, in_channels, 3, 3]; packed: packed_bytes bytes, aligned to 64.
void winograd_pack(const WinogradPlan& plan, const float* weights, float* packed);

struct WinogradArgs {
  const float* in = nullptr;        ///< [batch, in_h, in_w, in_channels]
  const float* packed = nullptr;
  const float* bias = nullptr;      ///< [out_channels] or null
  const float* residual = nullptr;  ///< laid out as out, or null; may be out itself
  float* out = nullptr;             ///< [batch, out_h, out_w, out_channels]; overlaps nothing else
  ActivationSpec activation{};
};

/// Worker w owns plan.worker_bytes at `scratch` + w * plan.worker_bytes, aligned to 64.
void winograd(const WinogradPlan& plan, const WinogradArgs& args, void* scratch, const ParallelFor& parallel);

}  // namespace gf::simd
