// Softmax: three passes over a row (or over a tile of columns): maximum, exponentials and their sum, scaling.
#include "ops/cpu/simd/isa_dispatch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/simd/softmax.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "ops/cpu/simd/reduce-inl.h"
#include "ops/cpu/simd/softmax.h"

#ifndef GF_SIMD_SOFTMAX_TABLE
#define GF_SIMD_SOFTMAX_TABLE
namespace gf::simd {
/// Lines of a softmax and what is made of them. Those that are null are not wanted, except `in`.
struct SoftmaxLines {
  const float* in;
  float* out;
  const float* factors;  ///< softmax: one per line
  float *max, *sum;      ///< log-softmax: greatest x of each line, sum of e^(x - max)
};
struct SoftmaxTable {
  void (*rows[2])(const SoftmaxLines& l, int64_t rows, int64_t cols);                     // [log]
  void (*columns[2])(const SoftmaxLines& l, int64_t rows, int64_t stride, int64_t cols);  // [log]
};
}  // namespace gf::simd
#endif

HWY_BEFORE_NAMESPACE();
namespace gf::simd::HWY_NAMESPACE {
namespace {

// out = e^(in - max) and the sum of it, in blocks of 64 vectors; a block has two sums.
HWY_INLINE float exp_and_sum(const float* in, float* out, int64_t n, float max) {
  const F32Tag d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const F32Vec bias = hn::Set(d, max);
  F32Vec total = hn::Zero(d);
  int64_t i = 0;
  while (i + lanes <= n) {
    F32Vec s0 = hn::Zero(d), s1 = hn::Zero(d);
    int k = 0;
#if GF_SMALL_LOOPS  // the sums take turns, so that one place makes the exponentials
    for (; k < 64 && i + lanes <= n; ++k, i += lanes) {
      const F32Vec y = v_exp_negative(d, hn::Sub(hn::LoadU(d, in + i), bias)), other = s0;
      hn::StoreU(y, d, out + i);
      s0 = s1;
      s1 = hn::Add(other, y);
    }
#else
    for (; k < 32 && i + 2 * lanes <= n; ++k, i += 2 * lanes) {
      const F32Vec y0 = v_exp_negative(d, hn::Sub(hn::LoadU(d, in + i), bias));
      const F32Vec y1 = v_exp_negative(d, hn::Sub(hn::LoadU(d, in + i + lanes), bias));
      s0 = hn::Add(s0, y0);
      s1 = hn::Add(s1, y1);
      hn::StoreU(y0, d, out + i);
      hn::StoreU(y1, d, out + i + lanes);
    }
    if (k < 32 && i + lanes <= n) {
      const F32Vec y = v_exp_negative(d, hn::Sub(hn::LoadU(d, in + i), bias));
      s0 = hn::Add(s0, y);
      hn::StoreU(y, d, out + i);
      i += lanes;
    }
#endif
    total = hn::Add(total, hn::Add(s0, s1));
  }
#if HWY_TARGET != HWY_SCALAR
  if (i < n) {
    const auto rest = static_cast<size_t>(n - i);
    const F32Vec y = v_exp_negative(d, hn::Sub(load_n(d, in + i, rest), bias));
    total = hn::Add(total, hn::IfThenElseZero(hn::FirstN(d, rest), y));
    store_n(d, y, out + i, rest);
  }
#endif
  return lanes_sum(d, total);
}

// out = in * factor + shift
HWY_INLINE void affine(const float* in, float* out, int64_t n, float factor, float shift) {
  const F32Tag d;
  const F32Vec f = hn::Set(d, factor), s = hn::Set(d, shift);
  for_vectors(n, [&](int64_t i, auto load, auto store) HWY_ATTR { store(hn::MulAdd(load(in + i), f, s), out + i); });
}

void softmax_rows(const SoftmaxLines& l, int64_t rows, int64_t cols) {
  const float* in = l.in;
  float* out = l.out;
  for (int64_t r = 0; r < rows; ++r, in += cols, out += cols) {
    const float max = reduce_row<AccMax>(in, cols);
    const float sum = exp_and_sum(in, out, cols, max);
    affine(out, out, cols, (l.factors == nullptr ? 1.0f : l.factors[r]) / sum, 0.0f);
  }
}

// (x - max) - log(sum): two subtractions, so that a large max does not swallow the logarithm.
void log_softmax_rows(const SoftmaxLines& l, int64_t rows, int64_t cols) {
  const F32Tag d;
  const float* in = l.in;
  for (int64_t r = 0; r < rows; ++r, in += cols) {
    const float max = reduce_row<AccMax>(in, cols);
    const float sum = reduce_row<AccSumExp>(in, cols, max);
    if (l.max != nullptr) {
      l.max[r] = max;
      l.sum[r] = sum;
      continue;
    }
    const F32Vec m = hn::Set(d, max), log_sum = hn::Set(d, std::log(sum));
    float* out = l.out + r * cols;
    for_vectors(cols, [&](int64_t i, auto load, auto store) HWY_ATTR { store(hn::Sub(hn::Sub(load(in + i), m), log_sum), out + i); });
  }
}

// One vector of columns (the first `count` lanes of it).
HWY_INLINE void softmax_column(bool log, const SoftmaxLines& l, int64_t column, int64_t rows, int64_t stride, size_t count) {
  const F32Tag d;
  const float* in = l.in + column;
  float* out = l.out == nullptr ? nullptr : l.out + column;
  const bool whole = count == hn::Lanes(d);
  const auto load = [&](const float* p) HWY_ATTR { return whole ? hn::LoadU(d, p) : load_n(d, p, count); };
  const auto store = [&](F32Vec v, float* p) HWY_ATTR {
    if (whole) hn::StoreU(v, d, p);
    else store_n(d, v, p, count);
  };
  F32Vec max = hn::Set(d, AccMax::identity()), sum = hn::Zero(d);
  for (int64_t r = 0; r < rows; ++r) max = max_nan(max, load(in + r * stride));
  for (int64_t r = 0; r < rows;) {
    F32Vec block = hn::Zero(d);
    for (int k = 0; k < 64 && r < rows; ++k, ++r) {
      const F32Vec y = v_exp_negative(d, hn::Sub(load(in + r * stride), max));
      block = hn::Add(block, y);
      if (!log) store(y, out + r * stride);
    }
    sum = hn::Add(sum, block);
  }
  if (log) {
    if (l.max != nullptr) {
      store(max, l.max + column);
      store(sum, l.sum + column);
      return;
    }
    const F32Vec log_sum = v_log(d, sum);
    for (int64_t r = 0; r < rows; ++r) {
      store(hn::Sub(hn::Sub(load(in + r * stride), max), log_sum), out + r * stride);
    }
  } else {
    const F32Vec factor = hn::Div(l.factors == nullptr ? hn::Set(d, 1.0f) : load(l.factors + column), sum);
    for (int64_t r = 0; r < rows; ++r) store(hn::Mul(load(out + r * stride), factor), out + r * stride);
  }
}

GF_ROW_LOOP void softmax_tile(bool log, const SoftmaxLines& l, int64_t rows, int64_t stride, int64_t cols) {
  const auto lanes = static_cast<int64_t>(hn::Lanes(F32Tag()));
  for (int64_t c = 0; c < cols; c += lanes)
    softmax_column(log, l, c, rows, stride, static_cast<size_t>(cols - c < lanes ? cols - c : lanes));
}
template <bool kLog>
void softmax_columns(const SoftmaxLines& l, int64_t rows, int64_t stride, int64_t cols) {
  softmax_tile(kLog, l, rows, stride, cols);
}

constexpr SoftmaxTable kSoftmaxTable = {{softmax_rows, log_softmax_rows},
                                        {softmax_columns<false>, softmax_columns<true>}};

}  // namespace
}  // namespace gf::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gf::simd {
namespace {

SoftmaxLines advance(SoftmaxLines l, int64_t elements, int64_t lines) {
  l.in += elements;
  if (l.out != nullptr) l.out += elements;
  if (l.factors != nullptr) l.factors += lines;
  if (l.max != nullptr) {
    l.max += lines;
    l.sum += lines;
  }
  return l;
}

void run(Isa isa, int log, const SoftmaxLines& all, int64_t outer, int64_t axis, int64_t inner, const ParallelFor& parallel) {
  if (outer <= 0 || axis <= 0 || inner <= 0) return;
  const SoftmaxTable& table = GF_SIMD_SELECT(isa, kSoftmaxTable);
  if (inner == 1) {
    const int64_t grain = 4096 / axis + 1;
    parallel.chunks(outer, grain, [&](int64_t begin, int64_t end, int) {
      table.rows[log](advance(all, begin * axis, begin), end - begin, axis);
    });
    return;
  }
  constexpr int64_t kTile = 64;
  const int64_t tiles = (inner + kTile - 1) / kTile;
  parallel.chunks(outer * tiles, 4096 / (axis * kTile) + 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t t = begin; t < end; ++t) {
      const int64_t column = t % tiles * kTile, at = t / tiles * inner;
      table.columns[log](advance(all, at * axis + column, at + column), axis, inner, inner - column < kTile ? inner - column : kTile);
    }
  });
}

}  // namespace

void softmax_f32(Isa isa, const float* in, float* out, int64_t outer, int64_t axis, int64_t inner,
                 const ParallelFor& parallel) {
  run(isa, 0, {in, out, nullptr, nullptr, nullptr}, outer, axis, inner, parallel);
}
void log_softmax_f32(Isa isa, const float* in, float* out, int64_t outer, int64_t axis, int64_t inner,
                     const ParallelFor& parallel) {
  run(isa, 1, {in, out, nullptr, nullptr, nullptr}, outer, axis, inner, parallel);
}
void scaled_softmax_f32(Isa isa, const float* in, const float* factors, float* out, int64_t outer, int64_t axis, int64_t inner,
                        const ParallelFor& parallel) {
  run(isa, 0, {in, out, factors, nullptr, nullptr}, outer, axis, inner, parallel);
}
void softmax_sums_f32(Isa isa, const float* in, float* max, float* sum, int64_t outer, int64_t axis, int64_t inner,
                      const ParallelFor& parallel) {
  run(isa, 1, {in, nullptr, nullptr, max, sum}, outer, axis, inner, parallel);
}

}  // namespace gf::simd
#endif
