// The matrix product from rounded operands: the blocked loop of gemm_driver.cpp over elements of rounded.h. Rows of A and panels of B are
// rounded while they are copied, which they are anyway.
#include "ops/cpu/simd/gemm_rounded.h"

#include <algorithm>
#include <cstring>

#include "ops/cpu/simd/gemm_driver.h"
#include "ops/cpu/simd/rounded.h"
#include "runtime/core/checked.h"

namespace gf::simd {
namespace {

struct Context {
  const GemmArgs* args;
  RoundedOps ops;
};

int64_t elements_of(const RoundedOps& ops, int64_t k) { return (k + ops.values - 1) / ops.values; }

/// Lines whose values lie neither side by side nor as columns of neighbours: one after the other through a small buffer.
template <class At>
void copy_scattered(const RoundedOps& ops, int64_t lines, int64_t values, float* out, int64_t line_step, int64_t element_step, At&& at) {
  constexpr int64_t kPiece = 64;
  float buffer[kPiece], rounded[kPiece];
  for (int64_t i = 0; i < lines; ++i) {
    for (int64_t first = 0; first < values; first += kPiece) {
      const int64_t n = std::min(kPiece, values - first);
      for (int64_t j = 0; j < n; ++j) buffer[j] = at(i, first + j);
      ops.rows(buffer, 0, 1, n, rounded, 0);
      float* to = out + i * line_step + first / ops.values * element_step;
      for (int64_t e = 0; e < elements_of(ops, n); ++e) std::memcpy(to + e * element_step, rounded + e, sizeof(float));
    }
  }
}

void fill(const void* context, int64_t batch, int64_t row, int64_t rows, int64_t k, int64_t kc, float* out, int64_t stride) {
  const Context& self = *static_cast<const Context*>(context);
  const GemmArgs& g = *self.args;
  const RoundedOps& ops = self.ops;
  const int64_t first = k * ops.values, values = std::min(kc * ops.values, g.k - first);
  const float* a = g.a + batch_offset(g.batch, g.batch.a, batch) + row * g.a_row_stride + first * g.a_col_stride;
  if (g.a_col_stride == 1) {
    ops.rows(a, g.a_row_stride, rows, values, out, stride);
  } else if (g.a_row_stride == 1) {
    ops.columns(a, g.a_col_stride, rows, values, out, stride);
  } else {
    copy_scattered(ops, rows, values, out, stride, 1, [&](int64_t i, int64_t j) { return a[i * g.a_row_stride + j * g.a_col_stride]; });
  }
}

void pack(const void* context, const PackSource& source, int64_t k, int64_t kc, int64_t columns, int64_t width, float* out) {
  const Context& self = *static_cast<const Context*>(context);
  const RoundedOps& ops = self.ops;
  const int64_t first = k * ops.values, values = std::min(kc * ops.values, self.args->k - first);
  const float* b = static_cast<const float*>(source.data) + first * source.row_stride;
  if (source.col_stride == 1) {
    ops.interleave_columns(b, source.row_stride, columns, values, out, width);
  } else if (source.row_stride == 1) {
    ops.interleave_rows(b, source.col_stride, columns, values, out, width);
  } else {
    copy_scattered(ops, columns, values, out, 1, width, [&](int64_t i, int64_t j) { return b[j * source.row_stride + i * source.col_stride]; });
  }
  if (columns == width) return;
  const auto missing = static_cast<size_t>(width - columns) * sizeof(float);
  for (int64_t e = 0; e < kc; ++e) std::memset(out + e * width + columns, 0, missing);
}

ViewOfA view(const void* context, int64_t batch) {
  const GemmArgs& g = *static_cast<const Context*>(context)->args;
  return {g.a + batch_offset(g.batch, g.batch.a, batch), g.a_row_stride, g.a_col_stride};
}

Operands operands(const void* context, int64_t batch) {
  const GemmArgs& g = *static_cast<const Context*>(context)->args;
  const Epilogue& e = g.epilogue;
  Operands out;
  out.source = advance(g.b, batch_offset(g.batch, g.batch.b, batch));
  out.c = g.c + batch_offset(g.batch, g.batch.c, batch);
  out.bias = e.bias;
  out.residual = e.residual == nullptr ? nullptr : e.residual + batch_offset(g.batch, g.batch.residual, batch);
  return out;
}

}  // namespace

uint64_t gemm_rounded_scratch_bytes(Isa isa, const GemmArgs& args, int threads) {
  GemmArgs elements = args;
  elements.k = args.k < 0 ? args.k : elements_of(rounded_ops(isa), args.k);
  elements.packed_b = nullptr;
  return gemm_scratch_bytes(isa, elements, threads);
}

void gemm_rounded(Isa isa, const GemmArgs& args, void* scratch, const ParallelFor& parallel) {
  const Context context{&args, rounded_ops(isa)};
  GemmProblem p;
  p.kernels = context.ops.kernels;
  p.batch = batch_count(args.batch);
  p.m = args.m;
  p.n = args.n;
  p.k = elements_of(context.ops, args.k);
  p.fill = fill;
  p.view = args.a_col_stride == 1 || args.a_row_stride == 1 ? view : nullptr;
  p.operands = operands;
  p.pack = pack;
  p.values = context.ops.values;
  p.context = &context;
  p.ldc = args.ldc;
  p.residual_stride = args.epilogue.residual_stride;
  p.alpha = args.alpha;
  p.residual_scale = args.epilogue.residual_scale;
  p.activation = args.epilogue.activation;
  p.packed = false;
  run_gemm(isa, p, scratch, parallel);
}

}  // namespace gf::simd
