// Rounded operands where no instruction multiplies bfloat16: floats whose low 16 bits are zero go through the kernels of floats. Plain
// loops that the compiler turns into vectors of the baseline; products are as fast as those of floats, copies a little slower.
#include "ops/cpu/simd/rounded.h"

#include "runtime/core/bit_cast.h"
#include "schema/precision.h"

namespace gf::simd {
namespace {

// to_bf16_operand() without branches.
inline float rounded(float x) {
  const auto bits = bit_cast<uint32_t>(x);
  const uint32_t magnitude = bits & 0x7fffffffU;
  const uint32_t nearest = bits + 0x7fffU + ((bits >> 16) & 1U), quiet = bits | 0x00400000U;
  const uint32_t number = magnitude > 0x7f800000U ? quiet : nearest;
  return bit_cast<float>(magnitude < 0x00800000U ? bits & 0x80000000U : number & 0xffff0000U);
}

/// Values that lie `src_step` apart go to places `dst_step` apart.
inline void copy(const float* src, int64_t src_step, int64_t n, float* dst, int64_t dst_step) {
  if (src_step == 1 && dst_step == 1) {
    for (int64_t j = 0; j < n; ++j) dst[j] = rounded(src[j]);
  } else {
    for (int64_t j = 0; j < n; ++j) dst[j * dst_step] = rounded(src[j * src_step]);
  }
}

void rows(const float* src, int64_t ld_src, int64_t lines, int64_t k, float* dst, int64_t ld_dst) {
  for (int64_t i = 0; i < lines; ++i) copy(src + i * ld_src, 1, k, dst + i * ld_dst, 1);
}
void columns(const float* src, int64_t ld_src, int64_t lines, int64_t k, float* dst, int64_t ld_dst) {
  for (int64_t e = 0; e < k; ++e) copy(src + e * ld_src, 1, lines, dst + e, ld_dst);
}
void interleave_rows(const float* src, int64_t ld_src, int64_t lines, int64_t k, float* dst, int64_t ld_dst) {
  for (int64_t i = 0; i < lines; ++i) copy(src + i * ld_src, 1, k, dst + i, ld_dst);
}
void interleave_columns(const float* src, int64_t ld_src, int64_t lines, int64_t k, float* dst, int64_t ld_dst) {
  for (int64_t e = 0; e < k; ++e) copy(src + e * ld_src, 1, lines, dst + e * ld_dst, 1);
}
void interleave_runs(const float* const* src, int64_t lines, int64_t k, float* dst, int64_t ld_dst) {
  for (int64_t e = 0; e < k; ++e) {
    if (src[e] != nullptr) copy(src[e], 1, lines, dst + e * ld_dst, 1);
    else for (int64_t i = 0; i < lines; ++i) dst[e * ld_dst + i] = 0;
  }
}

}  // namespace

RoundedOps rounded_ops(Isa isa) {
#if defined(__x86_64__)
  if (isa_multiplies_bf16(isa)) return kRoundedAvx512Bf16;
#endif
  return {1, &gemm_kernels(isa), &conv_grad_table(isa), rows, columns, interleave_rows, interleave_columns, interleave_runs};
}

}  // namespace gf::simd
