// Internal: the blocked loop that matrix products and convolutions share. A problem says where rows of A come from
// (`fill`), where rows of C go and what B is; the driver cuts C into tasks by shape alone and runs them.
// Scratch belongs to the caller; each worker uses its own part of it.
#pragma once

#include <cstdint>

#include "ops/cpu/simd/gemm.h"
#include "ops/cpu/simd/gemm_kernels.h"

namespace gf::simd {

/// Writes rows [row, row + rows) and columns [k, k + kc) of A (of product `batch`) to `out`, rows `stride` apart. Here and below k counts
/// elements of the kernels: floats, or pairs of bfloat16 (rounded.h).
using FillA = void (*)(const void* context, int64_t batch, int64_t row, int64_t rows, int64_t k, int64_t kc, float* out,
                       int64_t stride);
/// Row of C (in units of ldc from c) that GEMM row `row` belongs to.
using MapRow = int64_t (*)(const void* context, int64_t row);

/// Where A lies in memory, for prefetching: element (row, k) is at data[row * row_stride + k * col_stride], and one of the two is 1.
struct ViewOfA {
  const float* data;
  int64_t row_stride, col_stride;
};
using ViewA = ViewOfA (*)(const void* context, int64_t batch);

/// Packs rows [k, k + kc) of `columns` columns of B to `out`, rows `width` apart, missing columns zero. `b` stands at the first column.
using PackB = void (*)(const void* context, const PackSource& b, int64_t k, int64_t kc, int64_t columns, int64_t width, float* out);

/// Operands of one product of a batch.
struct Operands {
  const float* b = nullptr;  ///< packed, or nullptr
  PackSource source{};       ///< when b is nullptr
  float* c = nullptr;
  const float* bias = nullptr;
  const float* residual = nullptr;
};
using FindOperands = Operands (*)(const void* context, int64_t batch);

struct GemmProblem {
  const GemmKernels* kernels = nullptr;
  int64_t batch = 1, m = 0, n = 0, k = 0;
  FillA fill = nullptr;
  ViewA view = nullptr;  ///< nullptr: A is not in memory as a matrix
  FindOperands operands = nullptr;
  PackB pack = nullptr;  ///< nullptr: floats as they are
  int values = 1;        ///< of A's row per element, for prefetching
  MapRow map_row = nullptr;  ///< nullptr: row i of the product is row i of C
  const void* context = nullptr;
  int64_t ldc = 0, residual_stride = 0;
  float alpha = 1.0F, residual_scale = 1.0F;
  ActivationSpec activation{};
  bool packed = true;  ///< operands().b is set
};

/// How a problem is cut. Tiles and blocks of k are a function of the shape only, so every number of threads computes the same sums;
/// how many tiles a task takes may depend on it.
struct GemmGrid {
  int64_t tiles = 0;     ///< tiles of rows; tile t holds rows [t * m / tiles, (t + 1) * m / tiles)
  int64_t m_blocks = 0;  ///< blocks of tiles, cut the same way
  int64_t panels = 0;    ///< panels of columns
  int64_t n_blocks = 0;  ///< blocks of panels, cut the same way
  int64_t k_blocks = 0;  ///< >= 1
  int64_t kc = 0;        ///< k per block; the last may be shorter
  int64_t chunk_panels = 0;    ///< most panels per chunk of B (see gemm_driver.cpp)
  int64_t chunk_k_blocks = 1;  ///< 1 or k_blocks
  int64_t a_floats = 0;  ///< scratch of one worker
  int64_t b_floats = 0;  ///< the same, for B packed while running
};
/// `threads` counts where B is packed while running: every task packs what it reads, so that few are better. Scratch is that of any
/// number.
GemmGrid make_grid(const GemmKernels& kernels, int64_t batch, int64_t m, int64_t n, int64_t k, bool packed, int threads = 1);

/// Bytes of scratch per worker for a grid, and their maximum over all grids.
uint64_t grid_scratch_bytes(const GemmGrid& grid);
uint64_t max_scratch_bytes(const GemmKernels& kernels);

void run_gemm(Isa isa, const GemmProblem& problem, void* scratch, const ParallelFor& parallel);

/// Columns of packed B for n columns.
int64_t packed_columns(const GemmKernels& kernels, int64_t n);
/// Packs k rows and `columns` columns to `out`, rows `width` apart, missing columns zero.
void pack_panel(const GemmKernels& kernels, const PackSource& b, int64_t k, int64_t columns, int64_t width, float* out);
/// `b` moved on by `elements`.
PackSource advance(const PackSource& b, int64_t elements);

/// Sum of index * stride over the dimensions of a batch, and the number of its products.
inline int64_t batch_offset(const GemmBatch& batch, const int64_t* strides, int64_t index) {
  int64_t offset = 0;
  for (int d = batch.rank - 1; d >= 0; --d) {
    offset += index % batch.dims[d] * strides[d];
    index /= batch.dims[d];
  }
  return offset;
}
inline int64_t batch_count(const GemmBatch& batch) {
  int64_t count = 1;
  for (int d = 0; d < batch.rank; ++d) count *= batch.dims[d];
  return count;
}

}  // namespace gf::simd
