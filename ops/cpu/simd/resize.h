// Resizing NHWC images: nearest (any element size) and bilinear (f32), from per-axis tables made at create time or when
// a shape changes. Cubic, antialiasing and region-of-interest modes are not here.
// Thread rule: pure functions; tasks are output rows.
#pragma once

#include <cstdint>

#include "runtime/kernel/isa.h"
#include "runtime/kernel/parallel.h"

namespace gf::simd {

/// ONNX Resize coordinate_transformation_mode.
enum class ResizeCoordinates : uint8_t { HalfPixel, HalfPixelSymmetric, PytorchHalfPixel, AlignCorners, Asymmetric };
/// ONNX Resize nearest_mode.
enum class NearestRounding : uint8_t { PreferFloor, PreferCeil, Floor, Ceil };

/// index[o] in [0, in) for each output coordinate o in [0, out). `scale` is out / in as the model states it.
void resize_nearest_table(ResizeCoordinates mode, NearestRounding rounding, int64_t in, int64_t out, double scale,
                          int32_t* index);
/// Neighbours low[o] <= high[o] in [0, in) and the weight of `high` for each output coordinate.
void resize_linear_table(ResizeCoordinates mode, int64_t in, int64_t out, double scale, int32_t* low, int32_t* high,
                         float* weight);

struct ResizeShape {
  int64_t batch = 1, in_h = 0, in_w = 0, out_h = 0, out_w = 0, channels = 0;
};

/// out[n, y, x, :] = in[n, index_h[y], index_w[x], :] for elements of `element_bytes`.
void resize_nearest(int element_bytes, const ResizeShape& shape, const int32_t* index_h, const int32_t* index_w,
                    const void* in, void* out, const ParallelFor& parallel);

struct LinearTable {
  const int32_t* low;
  const int32_t* high;
  const float* weight;
};
/// Bilinear interpolation: four products added in a fixed order, <= 2 ulp of the largest neighbour.
void resize_linear_f32(Isa isa, const ResizeShape& shape, const LinearTable& h, const LinearTable& w, const float* in,
                       float* out, const ParallelFor& parallel);

}  // namespace gf::simd
