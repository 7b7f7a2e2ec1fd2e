// Moving elements: N-dimensional permutation and strided copies (concat, split, slice, pad, expand, flip), for elements
// of 1, 2, 4 or 8 bytes whose contents don't matter.
// Thread rule: pure functions; no scratch, no heap. Source and destination do not overlap.
#pragma once

#include <cstdint>

#include "runtime/core/shape.h"
#include "runtime/kernel/isa.h"
#include "runtime/kernel/parallel.h"

namespace gf::simd {

/// destination[i0 .. i_{rank-1}] = source[same], for i_k in [0, dims[k]); strides count elements. Source strides may be
/// 0 (broadcast) or negative (flip; `source` then points at the first element read). Destination elements are distinct.
struct StridedCopy {
  int rank = 0;
  int64_t dims[kMaxRank] = {};
  int64_t source_strides[kMaxRank] = {};
  int64_t destination_strides[kMaxRank] = {};
};

/// Runs a copy. element_bytes: 1, 2, 4 or 8 (16 as two of 8 is the caller's extra dimension). Adjacent dimensions are
/// collapsed; runs contiguous on both sides become memcpy, swapped innermost dimensions become tiled 2-D transposes.
void strided_copy(Isa isa, int element_bytes, const StridedCopy& copy, const void* source, void* destination,
                  const ParallelFor& parallel);

/// out[i_perm[0], ..., i_perm[rank-1]] = in[i_0, ..., i_{rank-1}], dense row-major on both sides, as ONNX Transpose:
/// output dimension k is input dimension perm[k].
void transpose(Isa isa, int element_bytes, const Shape& in_shape, const int32_t* perm, const void* in, void* out,
               const ParallelFor& parallel);

/// Sets destination[i...] = *value for strides and dims as above (source_strides are ignored): the border of Pad.
void strided_fill(Isa isa, int element_bytes, const StridedCopy& copy, const void* value, void* destination,
                  const ParallelFor& parallel);

/// to[j * to_stride + i] = from[i * from_stride + j] for i in [0, rows), j in [0, cols): one tile, for kernels that
/// transpose into scratch. Strides count elements.
using TransposeTile = void (*)(const void* from, int64_t from_stride, void* to, int64_t to_stride, int64_t rows,
                               int64_t cols);
TransposeTile transpose_tile(Isa isa, int element_bytes);

}  // namespace gf::simd
