// Internal to the convolutions: gathering rows of the implicit im2col matrix into scratch, per-ISA.
#pragma once

#include <cstdint>

#include "runtime/kernel/isa.h"

namespace gf::simd {

/// Rows of the matrix are output positions (d, h, w) of a grid of `size` positions per batch entry, columns are taps
/// (td, th, tw) times `channels`. Position p and tap t of a dimension read input index
/// p * step + origin + t * tap_step; outside [0, in) they read zero.
struct ConvGather {
  const float* input;   ///< already moved to the group's first channel
  int64_t in[3];
  int64_t pixel;        ///< elements from one input pixel to the next (all groups' channels)
  int64_t channels;     ///< of this group
  int64_t taps[3];
  int64_t tap_step[3];  ///< may be negative
  int64_t size[3];
  int64_t step[3];
  int64_t origin[3];
};

/// Writes rows [row, row + rows), columns [k, k + kc) to `out`, rows `stride` apart.
using GatherRows = void (*)(const ConvGather& g, int64_t row, int64_t rows, int64_t k, int64_t kc, float* out,
                            int64_t stride);
GatherRows gather_rows(Isa isa);

}  // namespace gf::simd
