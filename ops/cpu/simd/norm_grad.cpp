// Gradients of row normalisations: a block of rows per task; sums for the parameters pile up in short runs of rows first, so that
// their rounding stays small, and blocks are added up at the end.
#include "ops/cpu/simd/isa_dispatch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/simd/norm_grad.cpp"
#include <cstring>

#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "ops/cpu/simd/norm_grad.h"
#include "ops/cpu/simd/reduce-inl.h"

#ifndef GF_SIMD_NORM_GRAD_TABLE
#define GF_SIMD_NORM_GRAD_TABLE
namespace gf::simd {
inline constexpr int64_t kNormGradBlocks = 16;  // most tasks
inline constexpr int64_t kNormGradRun = 32;     // rows that are added up before they join the rest

struct NormGradTable {
  /// Rows [begin, end); sums [4, cols]: of the current run by gamma and beta, then of all runs.
  void (*rows)(const RowNormGrad& g, int64_t begin, int64_t end, float* sums);
  /// to[j] (+)= from[j], j < cols
  void (*add)(const float* from, float* to, int64_t cols);
};
}  // namespace gf::simd
#endif

HWY_BEFORE_NAMESPACE();
namespace gf::simd::HWY_NAMESPACE {
namespace {

void add(const float* from, float* to, int64_t cols) {
  const F32Tag d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t j = 0;
  for (; j + lanes <= cols; j += lanes) hn::StoreU(hn::Add(hn::LoadU(d, to + j), hn::LoadU(d, from + j)), d, to + j);
  for (; j < cols; ++j) to[j] += from[j];
}

void gradient_rows(const RowNormGrad& g, int64_t begin, int64_t end, float* sums) {
  const F32Tag d;
  const int64_t cols = g.cols;
  const float count = 1.0f / static_cast<float>(cols);
  const bool parameters = g.dgamma != nullptr || g.dbeta != nullptr;
  float *run_gamma = sums, *run_beta = sums + cols;
  std::memset(sums, 0, static_cast<size_t>(4 * cols) * sizeof(float));
  for (int64_t row = begin; row < end; ++row) {
    const float *x = g.x + row * cols, *dy = g.dy + row * cols;
    float* dx = g.dx + row * cols;
    const F32Vec mean = hn::Set(d, g.mean == nullptr ? 0.0f : g.mean[row]), inverse = hn::Set(d, g.inverse[row]);
    F32Vec of_g = hn::Zero(d), of_gh = hn::Zero(d);  // vectors behind the end are zero: they add nothing
    for_long_bodies(cols, [&](int64_t j, auto load, auto store) HWY_ATTR {
      const F32Vec dv = load(dy + j), h = hn::Mul(hn::Sub(load(x + j), mean), inverse), v = hn::Mul(dv, load(g.gamma + j));
      of_g = hn::Add(of_g, v);
      of_gh = hn::MulAdd(v, h, of_gh);
      if (!parameters) return;
      store(hn::MulAdd(dv, h, load(run_gamma + j)), run_gamma + j);
      store(hn::Add(load(run_beta + j), dv), run_beta + j);
    });
    const F32Vec mean_g = hn::Set(d, g.mean == nullptr ? 0.0f : lanes_sum(d, of_g) * count);
    const F32Vec mean_gh = hn::Set(d, lanes_sum(d, of_gh) * count);
    for_long_bodies(cols, [&](int64_t j, auto load, auto store) HWY_ATTR {
      const F32Vec h = hn::Mul(hn::Sub(load(x + j), mean), inverse), v = hn::Mul(load(dy + j), load(g.gamma + j));
      store(hn::Mul(inverse, hn::NegMulAdd(h, mean_gh, hn::Sub(v, mean_g))), dx + j);
    });
    if (!parameters || ((row - begin + 1) % kNormGradRun != 0 && row + 1 < end)) continue;
    add(sums, sums + 2 * cols, 2 * cols);
    std::memset(sums, 0, static_cast<size_t>(2 * cols) * sizeof(float));
  }
}

constexpr NormGradTable kNormGradTable = {gradient_rows, add};

}  // namespace
}  // namespace gf::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gf::simd {

size_t row_norm_grad_scratch_bytes(int64_t cols) { return sizeof(float) * static_cast<size_t>(4 * kNormGradBlocks * cols); }

void row_norm_grad_f32(Isa isa, const RowNormGrad& args, void* scratch, const ParallelFor& parallel) {
  const NormGradTable& table = GF_SIMD_SELECT(isa, kNormGradTable);
  const int64_t runs = (args.rows + kNormGradRun - 1) / kNormGradRun;
  const int64_t blocks = runs < 1 ? 1 : runs < kNormGradBlocks ? runs : kNormGradBlocks;
  auto* sums = static_cast<float*>(scratch);
  parallel(blocks, [&](int64_t block, int) {
    table.rows(args, block * args.rows / blocks, (block + 1) * args.rows / blocks, sums + block * 4 * args.cols);
  });
  const auto collect = [&](const float* first, float* to) {
    if (to == nullptr) return;
    std::memset(to, 0, static_cast<size_t>(args.cols) * sizeof(float));
    for (int64_t block = 0; block < blocks; ++block) table.add(first + block * 4 * args.cols, to, args.cols);
  };
  collect(sums + 2 * args.cols, args.dgamma);
  collect(sums + 3 * args.cols, args.dbeta);
}

}  // namespace gf::simd
#endif
