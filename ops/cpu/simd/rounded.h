// Operands of products rounded to bfloat16 (schema/precision.h) in the form that the blocked loop of the matrix product takes: elements
// of 32 bits along k. Where the processor multiplies bfloat16 an element is two neighbours along k, so that the loop runs over half the
// rows; elsewhere it is one float that has been rounded. Everything here is a constant table: any thread.
#pragma once

#include "ops/cpu/simd/conv_grad.h"
#include "ops/cpu/simd/gemm_kernels.h"

namespace gf::simd {

/// Rounding copies of floats into elements; k values give div_up(k, values) elements, what is missing in the last one is zero. Element e of
/// line i lies at dst[i * ld_dst + e], or with `interleave` at dst[e * ld_dst + i].
struct RoundedOps {
  int values;                      ///< per element: 2, or 1 where rounded floats are multiplied
  const GemmKernels* kernels;      ///< tiles of elements, of the sizes that gemm_kernels(isa) has
  const ConvGradTable* gradients;  ///< the same of conv_weight_grad
  /// Line i, value k at src[i * ld_src + k].
  void (*rows)(const float* src, int64_t ld_src, int64_t lines, int64_t k, float* dst, int64_t ld_dst);
  /// Line i, value k at src[k * ld_src + i].
  void (*columns)(const float* src, int64_t ld_src, int64_t lines, int64_t k, float* dst, int64_t ld_dst);
  void (*interleave_rows)(const float* src, int64_t ld_src, int64_t lines, int64_t k, float* dst, int64_t ld_dst);
  void (*interleave_columns)(const float* src, int64_t ld_src, int64_t lines, int64_t k, float* dst, int64_t ld_dst);
  /// As interleave_columns with value k of line i at src[k][i]; nullptr: zeros.
  void (*interleave_runs)(const float* const* src, int64_t lines, int64_t k, float* dst, int64_t ld_dst);
};
RoundedOps rounded_ops(Isa isa);

/// Of Isa::Avx512Bf16 (x86-64 alone).
extern const RoundedOps kRoundedAvx512Bf16;

}  // namespace gf::simd
