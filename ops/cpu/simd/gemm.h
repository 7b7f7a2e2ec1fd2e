// f32 matrix product with packed weights: C = act(alpha * A * B + bias + scale * residual), single or batched.
// The caller owns every buffer; nothing here allocates. All functions may run on several threads at once as long as
// their outputs and scratch differ. For one Isa, results are equal bit for bit for every number of threads.
#pragma once

#include <cstdint>

#include "ops/cpu/simd/activation.h"
#include "runtime/core/dtype.h"
#include "runtime/kernel/isa.h"
#include "runtime/kernel/parallel.h"

namespace gf::simd {

/// Alignment that packed weights and scratch need, in bytes.
inline constexpr uint64_t kGemmAlignment = 64;

/// What happens to a tile of the product before it is stored for good.
struct Epilogue {
  const float* bias = nullptr;      ///< one value per output column [N]; nullptr: none
  const float* residual = nullptr;  ///< [M, N], rows `residual_stride` apart; nullptr: none. May be C itself with
                                    ///< C's stride (C = A * B + scale * C); must not overlap C in any other way
  int64_t residual_stride = 0;      ///< elements
  float residual_scale = 1.0F;
  ActivationSpec activation{};      ///< applied last
};

/// A matrix B[K, N] to pack: element (k, n) is at data[k * row_stride + n * col_stride].
/// Row-major: {N, 1}; transposed ([N, K] row-major): {1, K}. 16-bit floats are widened exactly.
struct PackSource {
  const void* data = nullptr;
  DType type = DType::F32;  ///< F32, F16 or BF16
  int64_t row_stride = 0;   ///< elements
  int64_t col_stride = 1;   ///< elements
};

/// Bytes of pack_b's output; UINT64_MAX when that does not fit (so that the caller's budget check refuses it).
/// Depends on `isa` as packed data does: data packed for one Isa is for products with the same Isa value.
uint64_t packed_b_bytes(Isa isa, int64_t k, int64_t n);

/// Packs B for gemm(). `packed`: packed_b_bytes bytes, aligned to kGemmAlignment.
void pack_b(Isa isa, const PackSource& b, int64_t k, int64_t n, void* packed);

/// Batch loop around a product: up to kMaxBatchRank dimensions, each with an element stride per operand
/// (0 broadcasts). Strides of `b` count f32 elements of packed data (packed_b_bytes / 4 apart) when B is packed and
/// elements of B's type when it is not.
struct GemmBatch {
  static constexpr int kMaxBatchRank = 6;
  int rank = 0;  ///< 0: one product
  int64_t dims[kMaxBatchRank] = {};
  int64_t a[kMaxBatchRank] = {};
  int64_t b[kMaxBatchRank] = {};
  int64_t c[kMaxBatchRank] = {};
  int64_t residual[kMaxBatchRank] = {};
};

/// One matrix product, or a batch of them.
struct GemmArgs {
  int64_t m = 0, n = 0, k = 0;  ///< >= 0; k = 0 gives act(bias + scale * residual)
  const float* a = nullptr;     ///< element (m, k) is at a[m * a_row_stride + k * a_col_stride]
  int64_t a_row_stride = 0;     ///< elements; one of the two strides should be 1 for speed
  int64_t a_col_stride = 1;     ///< elements
  const void* packed_b = nullptr;  ///< from pack_b with the same Isa, k and n; nullptr: `b` is packed while running
  PackSource b{};               ///< used when packed_b is nullptr
  float* c = nullptr;           ///< [M, N], rows ldc apart; must not overlap A or B
  int64_t ldc = 0;              ///< elements, >= n
  float alpha = 1.0F;           ///< scales the product (not bias or residual)
  Epilogue epilogue{};
  GemmBatch batch{};
};

/// Scratch of gemm() in bytes for a ParallelFor with `threads` workers. Only m, n, k, batch dims and whether packed_b
/// is null are looked at. UINT64_MAX when the size does not fit.
uint64_t gemm_scratch_bytes(Isa isa, const GemmArgs& args, int threads);

/// Upper bound of gemm_scratch_bytes over every m, n, k and batch; for callers that plan for dynamic shapes.
uint64_t gemm_scratch_bound(Isa isa, int threads);

/// Runs the product. `isa` must be allowed on this machine (isa_allows(best_isa(), isa)). `scratch`:
/// gemm_scratch_bytes(isa, args, parallel.threads) bytes, aligned to kGemmAlignment, overlapping no operand.
/// Sums run over k in the fixed order of the Isa's blocks; C is written only inside [M, N].
void gemm(Isa isa, const GemmArgs& args, void* scratch, const ParallelFor& parallel);

}  // namespace gf::simd
