// Batch normalisation of f32 rows [rows, channels]: statistics of the batch, the affine map with an activation, and gradients. Statistics
// and sums are taken around a mean of some rows of each block, so that large means do not cancel.
// Thread rule: pure functions; rows are cut into blocks by shape only and blocks are put together in order, so the same bits for every
// number of threads. `scratch` is the caller's, aligned to 64 bytes.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ops/cpu/simd/activation.h"
#include "runtime/kernel/isa.h"
#include "runtime/kernel/parallel.h"

namespace gf::simd {

/// Mean and variance (over `rows`, not rows - 1) of each channel of x [rows, channels], in one pass.
size_t batch_statistics_scratch_bytes(int64_t rows, int64_t channels);
void batch_statistics_f32(Isa isa, const float* x, int64_t rows, int64_t channels, float* mean, float* variance, void* scratch,
                          const ParallelFor& parallel);

/// scale = gamma / sqrt(variance + epsilon) for each channel.
void batch_norm_scale(const float* gamma, const float* variance, float epsilon, int64_t channels, float* scale);
/// out = f((in - mean[c]) * scale[c] + bias[c]), f None, Relu or Clamp; `out` may be `in`. Not in * scale + (bias - mean * scale): that
/// would cancel where a channel varies little around a large mean.
struct BatchNormArgs {
  const float* in = nullptr;     ///< [rows, channels]
  const float* mean = nullptr;   ///< [channels], as the next two
  const float* scale = nullptr;
  const float* bias = nullptr;
  ActivationSpec activation;
  float* out = nullptr;          ///< [rows, channels]
  int64_t rows = 0;
  int64_t channels = 0;
};
void batch_norm_f32(Isa isa, const BatchNormArgs& args, const ParallelFor& parallel);

/// With h = (x - mean) * r, r = 1 / sqrt(variance + epsilon), g = dy where f lets h * gamma + beta through and 0 elsewhere, means over
/// rows: dx = gamma * r * (g - mean(g) - h * mean(g * h)), dgamma = sum(g * h), dbeta = sum(g).
struct BatchNormGradArgs {
  const float* x = nullptr;         ///< [rows, channels]
  const float* dy = nullptr;        ///< [rows, channels]
  const float* gamma = nullptr;     ///< [channels], as the next three
  const float* beta = nullptr;      ///< null without an activation
  const float* mean = nullptr;
  const float* variance = nullptr;
  float epsilon = 0;
  ActivationSpec activation;        ///< None, Relu or Clamp
  float* dx = nullptr;              ///< [rows, channels], may be `dy` or `x` itself
  float* dgamma = nullptr;          ///< [channels], or null
  float* dbeta = nullptr;           ///< [channels], or null
  int64_t rows = 0;
  int64_t channels = 0;
};
size_t batch_norm_grad_scratch_bytes(int64_t rows, int64_t channels);
void batch_norm_grad_f32(Isa isa, const BatchNormGradArgs& args, void* scratch, const ParallelFor& parallel);

}  // namespace gf::simd
