// Reductions of f32 tensors seen as [outer, axis, inner] over the middle dimension (inner = 1: rows; several adjacent
// axes collapse into one). Sums use a fixed multi-level order: error about that of pairwise summation, and the same bits
// for every number of threads. NaN and infinities propagate (Max/Min too).
// Thread rule: pure functions; work is cut by shape only. `scratch` is the caller's, aligned to 64 bytes.
#pragma once

#include <cstddef>
#include <cstdint>

#include "runtime/kernel/isa.h"
#include "runtime/kernel/parallel.h"

namespace gf::simd {

/// As the ONNX Reduce* ops. Empty axis: Sum, SumSquare, L1, L2 give 0, Prod 1, Max -inf, Min +inf, Mean NaN,
/// LogSum and LogSumExp -inf.
enum class ReduceKind : uint8_t { Sum, Mean, Max, Min, Prod, SumSquare, L1, L2, LogSum, LogSumExp };
inline constexpr int kReduceKinds = 10;

/// Bytes of scratch that reduce_f32 needs (0 in most cases).
size_t reduce_scratch_bytes(ReduceKind kind, int64_t outer, int64_t axis, int64_t inner);

/// out[outer, inner] = reduction of in[outer, axis, inner]. `out` and `in` do not overlap.
void reduce_f32(Isa isa, ReduceKind kind, const float* in, float* out, int64_t outer, int64_t axis, int64_t inner,
                void* scratch, const ParallelFor& parallel);

/// Index along the axis of the greatest (least) element; the first one, or the last with `last`. NaN counts as greatest
/// (least), as in numpy. axis >= 1.
void arg_reduce_f32(Isa isa, bool greatest, bool last, const float* in, int64_t* out, int64_t outer, int64_t axis,
                    int64_t inner, const ParallelFor& parallel);

}  // namespace gf::simd
