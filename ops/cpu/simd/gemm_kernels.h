// Internal to the matrix product and convolution sources: per-ISA tables of tile kernels and packing loops.
// Tables are constants; kernels touch only the memory they are given.
#pragma once

#include <cstdint>

#include "ops/cpu/simd/activation.h"
#include "runtime/core/dtype.h"
#include "runtime/kernel/isa.h"

namespace gf::simd {

/// Most rows and columns of any kernel's tile; sizes of stack buffers.
inline constexpr int kMaxTileRows = 14;
inline constexpr int kMaxTileCols = 32;

/// One call of a tile kernel: C[mr, nr] (+)= alpha * A[mr, kc] * B[kc, nr], then bias, residual, clamp.
struct TileArgs {
  const float* a;         ///< rows GemmKernels::a_stride apart
  const float* b;         ///< kc rows of the panel's width, contiguous, aligned to one vector
  int64_t kc;
  float* c;               ///< rows ldc apart; nr readable and writable columns
  int64_t ldc;
  const float* bias;      ///< nr values, or nullptr
  const float* residual;  ///< rows residual_stride apart, or nullptr
  int64_t residual_stride;
  float residual_scale;
  float alpha;
  float lo, hi;           ///< bounds when clamp
  const float* ahead;     ///< memory to prefetch to L2: this address plus ahead_step per k; need not be readable
  int64_t ahead_step;     ///< elements
  bool accumulate;        ///< add to what C holds (blocks of k after the first)
  bool clamp;
};
using TileKernel = void (*)(const TileArgs& args);

/// B(k, n) in packed form: panels of `nr` columns (the last one of `lanes` columns when the rest fits), each panel all
/// of K, row by row, missing columns zero.
struct GemmKernels {
  int mr;            ///< rows of the largest tile
  int nr;            ///< columns of a full panel, two vectors
  int lanes;         ///< columns of a narrow panel, one vector
  int kc_max;        ///< most k per block; chosen so that a panel's block stays in L1/L2
  int plain_rows;    ///< kernels of at least this many rows add k = 0, 1, 2, ... in one sum; smaller ones in several
  int a_stride;      ///< elements between packed rows of A: constant, so that kernels address rows by displacement
  int chunk_floats;  ///< of packed B that stay in L2 while tiles pass by
  bool prefetches;   ///< kernels use TileArgs::ahead
  const TileKernel* full;    ///< [mr] kernels for 1..mr rows and nr columns
  const TileKernel* narrow;  ///< [mr] kernels for 1..mr rows and `lanes` columns
  /// dst[i * ld_dst + j] = src[i * ld_src + j] for i in [0, rows), j in [0, cols)
  void (*copy_rows)(const float* src, int64_t ld_src, int64_t rows, int64_t cols, float* dst, int64_t ld_dst);
  /// dst[i * ld_dst + j] = src[j * ld_src + i] for i in [0, rows), j in [0, cols)
  void (*transpose)(const float* src, int64_t ld_src, int64_t rows, int64_t cols, float* dst, int64_t ld_dst);
};
const GemmKernels& gemm_kernels(Isa isa);

/// Applies `spec` to a [rows, cols] block in place (not for None).
using ActivateBlock = void (*)(const ActivationSpec& spec, float* c, int64_t ldc, int64_t rows, int64_t cols);
ActivateBlock activate_block(Isa isa);

}  // namespace gf::simd
