// Normalisations of f32 tensors. Statistics are two-pass (mean, then centred squares) with multi-level sums, so large
// means do not cancel. `in == out` is allowed everywhere; other overlaps are not.
// Thread rule: pure functions; work is cut by shape only, so the same bits for every number of threads.
#pragma once

#include <cstddef>
#include <cstdint>

#include "runtime/kernel/isa.h"
#include "runtime/kernel/parallel.h"

namespace gf::simd {

/// Rows of `cols` contiguous elements, normalised one by one. Null pointers: absent.
struct RowNorm {
  const float* in = nullptr;        ///< [rows, cols]
  const float* residual = nullptr;  ///< [rows, cols], added to `in` first (SkipLayerNormalization)
  const float* gamma = nullptr;     ///< [cols]
  const float* beta = nullptr;      ///< [cols]
  float* out = nullptr;             ///< [rows, cols]
  float* sum = nullptr;             ///< [rows, cols] receives in + residual; may be `residual` or `in` itself
  float* mean = nullptr;            ///< [rows]; layer_norm only
  float* inv_std = nullptr;         ///< [rows] 1 / sqrt(variance + epsilon)
  int64_t rows = 0;
  int64_t cols = 0;
  float epsilon = 1e-5f;
};

/// y = (x - mean) / sqrt(var + epsilon) * gamma + beta over each row (ONNX LayerNormalization, axes collapsed).
void layer_norm_f32(Isa isa, const RowNorm& args, const ParallelFor& parallel);
/// y = x / sqrt(mean(x^2) + epsilon) * gamma + beta over each row (ONNX RMSNormalization).
void rms_norm_f32(Isa isa, const RowNorm& args, const ParallelFor& parallel);

/// GroupNormalization of in[batch, spatial, channels] (NHWC) with `groups` dividing `channels`; groups = channels is
/// InstanceNormalization. gamma, beta: [channels] or null. scratch: group_norm_scratch_bytes, aligned to 64 bytes.
size_t group_norm_scratch_bytes(int64_t batch, int64_t spatial, int64_t channels);
void group_norm_f32(Isa isa, const float* in, const float* gamma, const float* beta, float* out, int64_t batch,
                    int64_t spatial, int64_t channels, int64_t groups, float epsilon, void* scratch,
                    const ParallelFor& parallel);

/// out = in / ||in||_p along the middle dimension of [outer, axis, inner], p = 1 or 2 (ONNX LpNormalization); the norm
/// is at least `epsilon`, and where it is 0 the output is 0. scratch: lp_normalize_scratch_bytes.
size_t lp_normalize_scratch_bytes(int64_t outer, int64_t axis, int64_t inner);
void lp_normalize_f32(Isa isa, int p, const float* in, float* out, int64_t outer, int64_t axis, int64_t inner,
                      float epsilon, void* scratch, const ParallelFor& parallel);

}  // namespace gf::simd
