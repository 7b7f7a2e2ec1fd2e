// The matrix product of gemm.h from operands rounded to bfloat16, sums in f32. Nothing is packed before the run.
#pragma once

#include "ops/cpu/simd/gemm.h"

namespace gf::simd {

/// As in gemm.h; `packed_b` is nullptr and `b` of type F32.
uint64_t gemm_rounded_scratch_bytes(Isa isa, const GemmArgs& args, int threads);
void gemm_rounded(Isa isa, const GemmArgs& args, void* scratch, const ParallelFor& parallel);

}  // namespace gf::simd
