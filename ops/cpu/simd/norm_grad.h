// Gradients of normalisations of f32 rows (layer and root-mean-square) by the rows and by the parameters, in one pass over x and dy.
// Thread rule: pure functions; rows are cut into blocks by shape only and blocks are added up in order, so the same bits for every
// number of threads.
#pragma once

#include <cstddef>
#include <cstdint>

#include "runtime/kernel/isa.h"
#include "runtime/kernel/parallel.h"

namespace gf::simd {

/// With h = (x - mean) * inverse and g = dy * gamma: dx = inverse * (g - mean(g) - h * mean(g * h)), dgamma = sum(dy * h), dbeta =
/// sum(dy). Without `mean` (root mean square) x is not centred and the term mean(g) goes.
struct RowNormGrad {
  const float* x = nullptr;        ///< [rows, cols]
  const float* dy = nullptr;       ///< [rows, cols]
  const float* gamma = nullptr;    ///< [cols]
  const float* mean = nullptr;     ///< [rows], or null
  const float* inverse = nullptr;  ///< [rows]
  float* dx = nullptr;             ///< [rows, cols], may be `dy` or `x` itself
  float* dgamma = nullptr;         ///< [cols], or null
  float* dbeta = nullptr;          ///< [cols], or null
  int64_t rows = 0;
  int64_t cols = 0;
};

/// Scratch for any number of rows, aligned to 64 bytes.
size_t row_norm_grad_scratch_bytes(int64_t cols);
void row_norm_grad_f32(Isa isa, const RowNormGrad& args, void* scratch, const ParallelFor& parallel);

}  // namespace gf::simd
