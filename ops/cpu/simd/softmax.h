// Softmax and log-softmax of f32 tensors seen as [outer, axis, inner] over the middle dimension. `in == out` is allowed.
// Subtracts the maximum first; terms below 2^-126 of it count as 0. A row that holds NaN or +inf, or only -inf, becomes
// NaN (softmax) as the ONNX formula gives.
// Thread rule: pure functions; same bits for every number of threads.
#pragma once

#include <cstdint>

#include "runtime/kernel/isa.h"
#include "runtime/kernel/parallel.h"

namespace gf::simd {

/// out = e^(x - max) / sum e^(x - max). Relative error <= 1e-6 + 2^-24 |x - max| for axes up to 2^16.
void softmax_f32(Isa isa, const float* in, float* out, int64_t outer, int64_t axis, int64_t inner,
                 const ParallelFor& parallel);

/// out = x - max - log(sum e^(x - max)).
void log_softmax_f32(Isa isa, const float* in, float* out, int64_t outer, int64_t axis, int64_t inner,
                     const ParallelFor& parallel);

/// softmax times a factor for each line: factors [outer, inner].
void scaled_softmax_f32(Isa isa, const float* in, const float* factors, float* out, int64_t outer, int64_t axis, int64_t inner,
                        const ParallelFor& parallel);

/// max and sum [outer, inner]: greatest x of each line (NaN wins) and sum of e^(x - max), for losses that want no softmax.
void softmax_sums_f32(Isa isa, const float* in, float* max, float* sum, int64_t outer, int64_t axis, int64_t inner,
                      const ParallelFor& parallel);

}  // namespace gf::simd
