// The matrix product: says to the driver where rows of A come from and where the operands of a batch lie.
#include "ops/cpu/simd/gemm.h"

#include <algorithm>

#include "ops/cpu/simd/gemm_driver.h"
#include "runtime/core/checked.h"

namespace gf::simd {
namespace {

struct Context {
  const GemmArgs* args;
  const GemmKernels* kernels;
};

void fill(const void* context, int64_t batch, int64_t row, int64_t rows, int64_t k, int64_t kc, float* out,
          int64_t stride) {
  const Context& self = *static_cast<const Context*>(context);
  const GemmArgs& g = *self.args;
  const float* a = g.a + batch_offset(g.batch, g.batch.a, batch) + row * g.a_row_stride + k * g.a_col_stride;
  if (g.a_col_stride == 1) {
    self.kernels->copy_rows(a, g.a_row_stride, rows, kc, out, stride);
  } else if (g.a_row_stride == 1) {
    self.kernels->transpose(a, g.a_col_stride, rows, kc, out, stride);
  } else {
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t j = 0; j < kc; ++j) out[i * stride + j] = a[i * g.a_row_stride + j * g.a_col_stride];
  }
}

ViewOfA view(const void* context, int64_t batch) {
  const GemmArgs& g = *static_cast<const Context*>(context)->args;
  return {g.a + batch_offset(g.batch, g.batch.a, batch), g.a_row_stride, g.a_col_stride};
}

Operands operands(const void* context, int64_t batch) {
  const GemmArgs& g = *static_cast<const Context*>(context)->args;
  const Epilogue& e = g.epilogue;
  const int64_t b = batch_offset(g.batch, g.batch.b, batch);
  Operands out;
  if (g.packed_b != nullptr) {
    out.b = static_cast<const float*>(g.packed_b) + b;
  } else {
    out.source = advance(g.b, b);
  }
  out.c = g.c + batch_offset(g.batch, g.batch.c, batch);
  out.bias = e.bias;
  out.residual = e.residual == nullptr ? nullptr : e.residual + batch_offset(g.batch, g.batch.residual, batch);
  return out;
}

}  // namespace

uint64_t gemm_scratch_bytes(Isa isa, const GemmArgs& args, int threads) {
  if (args.m < 0 || args.n < 0 || args.k < 0) return UINT64_MAX;
  int64_t batch = 1;
  for (int d = 0; d < args.batch.rank; ++d)
    if (!mul_checked(batch, args.batch.dims[d], batch)) return UINT64_MAX;
  const GemmGrid grid = make_grid(gemm_kernels(isa), batch, args.m, args.n, args.k, args.packed_b != nullptr);
  return grid_scratch_bytes(grid) * static_cast<uint64_t>(std::max(threads, 1));
}

uint64_t gemm_scratch_bound(Isa isa, int threads) {
  return max_scratch_bytes(gemm_kernels(isa)) * static_cast<uint64_t>(std::max(threads, 1));
}

void gemm(Isa isa, const GemmArgs& args, void* scratch, const ParallelFor& parallel) {
  const Context context{&args, &gemm_kernels(isa)};
  GemmProblem p;
  p.kernels = context.kernels;
  p.batch = batch_count(args.batch);
  p.m = args.m;
  p.n = args.n;
  p.k = args.k;
  p.fill = fill;
  p.view = args.a_col_stride == 1 || args.a_row_stride == 1 ? view : nullptr;
  p.operands = operands;
  p.context = &context;
  p.ldc = args.ldc;
  p.residual_stride = args.epilogue.residual_stride;
  p.alpha = args.alpha;
  p.residual_scale = args.epilogue.residual_scale;
  p.activation = args.epilogue.activation;
  p.packed = args.packed_b != nullptr;
  run_gemm(isa, p, scratch, parallel);
}

}  // namespace gf::simd
