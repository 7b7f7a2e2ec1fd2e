// Reductions: accumulation kernels per target, cutting into tasks and finishing formulas in plain code.
#include "ops/cpu/simd/isa_dispatch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/simd/reduce.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "ops/cpu/simd/reduce-inl.h"
#include "ops/cpu/simd/reduce.h"

#ifndef GF_SIMD_REDUCE_TABLE
#define GF_SIMD_REDUCE_TABLE
namespace gf::simd {
enum AccKind { kAccSum, kAccSumSquare, kAccSumAbs, kAccSumExp, kAccProduct, kAccMax, kAccMin, kAccKinds };
struct ReduceTable {
  float (*row[kAccKinds])(const float* p, int64_t n, float bias);
  void (*columns[kAccKinds])(const float* p, int64_t rows, int64_t stride, int64_t cols, const float* bias, float* out);
};
}  // namespace gf::simd
#endif

HWY_BEFORE_NAMESPACE();
namespace gf::simd::HWY_NAMESPACE {
namespace {

template <class Acc>
float row(const float* p, int64_t n, float bias) {
  return reduce_row<Acc>(p, n, bias);
}
template <class Acc>
void columns(const float* p, int64_t rows, int64_t stride, int64_t cols, const float* bias, float* out) {
  reduce_columns<Acc>(p, rows, stride, cols, bias, out);
}

#if GF_SMALL_LOOPS
template <RareAcc kKind>
float rare_row(const float* p, int64_t n, float bias) {
  return reduce_row(p, n, bias, AccRare{kKind});
}
template <RareAcc kKind>
void rare_columns(const float* p, int64_t rows, int64_t stride, int64_t cols, const float* bias, float* out) {
  reduce_columns(p, rows, stride, cols, bias, out, AccRare{kKind});
}
constexpr ReduceTable kReduceTable = {
    {row<AccSum>, row<AccSumSquare>, rare_row<RareAcc::SumAbs>, row<AccSumExp>, rare_row<RareAcc::Product>, row<AccMax>,
     rare_row<RareAcc::Min>},
    {columns<AccSum>, columns<AccSumSquare>, rare_columns<RareAcc::SumAbs>, rare_columns<RareAcc::SumExp>,
     rare_columns<RareAcc::Product>, rare_columns<RareAcc::Max>, rare_columns<RareAcc::Min>}};
#else
constexpr ReduceTable kReduceTable = {
    {row<AccSum>, row<AccSumSquare>, row<AccSumAbs>, row<AccSumExp>, row<AccProduct>, row<AccMax>, row<AccMin>},
    {columns<AccSum>, columns<AccSumSquare>, columns<AccSumAbs>, columns<AccSumExp>, columns<AccProduct>,
     columns<AccMax>, columns<AccMin>}};
#endif

}  // namespace
}  // namespace gf::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <cmath>

namespace gf::simd {
namespace {

constexpr int64_t kTileColumns = 256;    // columns of one task when inner > 1
constexpr int64_t kEnoughTasks = 16;     // fewer than this: the axis is cut as well
constexpr int64_t kChunkElements = 32768;

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
int64_t lesser(int64_t a, int64_t b) { return a < b ? a : b; }

// How [outer, axis, inner] is cut; depends on the shape alone.
struct Cut {
  int64_t tile, tiles, chunk, chunks;
};
Cut cut_of(int64_t outer, int64_t axis, int64_t inner) {
  Cut c;
  c.tile = lesser(inner, kTileColumns);
  c.tiles = ceil_div(inner, c.tile < 1 ? 1 : c.tile);
  c.chunk = axis;
  c.chunks = 1;
  const int64_t rows = kChunkElements / (c.tile < 1 ? 1 : c.tile);
  if (outer * c.tiles < kEnoughTasks && axis > rows) {
    c.chunk = rows;
    c.chunks = ceil_div(axis, rows);
  }
  return c;
}

AccKind accumulation_of(ReduceKind kind) {
  switch (kind) {
    case ReduceKind::SumSquare:
    case ReduceKind::L2: return kAccSumSquare;
    case ReduceKind::L1: return kAccSumAbs;
    case ReduceKind::Prod: return kAccProduct;
    case ReduceKind::Max: return kAccMax;
    case ReduceKind::Min: return kAccMin;
    case ReduceKind::LogSumExp: return kAccSumExp;
    default: return kAccSum;
  }
}

float combine(AccKind kind, float a, float b) {
  switch (kind) {
    case kAccProduct: return a * b;
    case kAccMax: return (a > b || a != a) ? a : b;  // b NaN: a > b is false
    case kAccMin: return (a < b || a != a) ? a : b;
    default: return a + b;
  }
}

// Accumulates chunk partials at distance `stride` pairwise.
float combine_pairwise(AccKind kind, const float* p, int64_t n, int64_t stride) {
  if (n == 1) return p[0];
  const int64_t half = n / 2;
  const float low = combine_pairwise(kind, p, half, stride);
  return combine(kind, low, combine_pairwise(kind, p + half * stride, n - half, stride));
}

// out[outer, inner] = raw accumulation. partials: outer * chunks * inner floats when the axis is cut.
void accumulate(const ReduceTable& table, AccKind kind, const float* in, const float* bias, float* out, int64_t outer,
                int64_t axis, int64_t inner, float* partials, const ParallelFor& parallel) {
  const Cut cut = cut_of(outer, axis, inner);
  float* target = cut.chunks > 1 ? partials : out;
  const int64_t work = cut.chunk * cut.tile + 1;
  const int64_t grain = ceil_div(kChunkElements, work);
  parallel.chunks(outer * cut.chunks * cut.tiles, grain, [&](int64_t begin, int64_t end, int) {
    for (int64_t task = begin; task < end; ++task) {
      const int64_t o = task / (cut.chunks * cut.tiles), rest = task % (cut.chunks * cut.tiles);
      const int64_t chunk = rest / cut.tiles, column = rest % cut.tiles * cut.tile;
      const int64_t first = chunk * cut.chunk, rows = lesser(cut.chunk, axis - first);
      const float* p = in + (o * axis + first) * inner + column;
      const float* b = bias == nullptr ? nullptr : bias + o * inner + column;
      float* q = target + (o * cut.chunks + chunk) * inner + column;
      if (inner == 1) {
        *q = table.row[kind](p, rows, b == nullptr ? 0.0f : *b);
      } else {
        table.columns[kind](p, rows, inner, lesser(cut.tile, inner - column), b, q);
      }
    }
  });
  if (cut.chunks == 1) return;
  for (int64_t o = 0; o < outer; ++o) {
    const float* p = partials + o * cut.chunks * inner;
    for (int64_t i = 0; i < inner; ++i) out[o * inner + i] = combine_pairwise(kind, p + i, cut.chunks, inner);
  }
}

void finish(ReduceKind kind, float* out, int64_t n, int64_t axis) {
  for (int64_t i = 0; i < n; ++i) {
    if (kind == ReduceKind::Mean) out[i] /= static_cast<float>(axis);
    if (kind == ReduceKind::L2) out[i] = std::sqrt(out[i]);
    if (kind == ReduceKind::LogSum) out[i] = std::log(out[i]);
  }
}

size_t partial_floats(int64_t outer, int64_t axis, int64_t inner) {
  const Cut cut = cut_of(outer, axis, inner);
  return cut.chunks > 1 ? static_cast<size_t>(outer * cut.chunks * inner) : 0;
}

}  // namespace

size_t reduce_scratch_bytes(ReduceKind kind, int64_t outer, int64_t axis, int64_t inner) {
  const size_t second = kind == ReduceKind::LogSumExp ? 2 * static_cast<size_t>(outer * inner) : 0;
  return sizeof(float) * (partial_floats(outer, axis, inner) + second);
}

void reduce_f32(Isa isa, ReduceKind kind, const float* in, float* out, int64_t outer, int64_t axis, int64_t inner,
                void* scratch, const ParallelFor& parallel) {
  const ReduceTable& table = GF_SIMD_SELECT(isa, kReduceTable);
  const int64_t n = outer * inner;
  if (n == 0) return;
  auto* partials = static_cast<float*>(scratch);
  if (kind != ReduceKind::LogSumExp) {
    accumulate(table, accumulation_of(kind), in, nullptr, out, outer, axis, inner, partials, parallel);
    finish(kind, out, n, axis);
    return;
  }
  float* bias = partials + partial_floats(outer, axis, inner);
  float* sums = bias + n;
  accumulate(table, kAccMax, in, nullptr, out, outer, axis, inner, partials, parallel);
  for (int64_t i = 0; i < n; ++i) bias[i] = std::isfinite(out[i]) ? out[i] : 0.0f;
  accumulate(table, kAccSumExp, in, bias, sums, outer, axis, inner, partials, parallel);
  for (int64_t i = 0; i < n; ++i) {
    if (std::isfinite(out[i])) out[i] += std::log(sums[i]);  // otherwise +-inf or NaN is the answer
  }
}

namespace {

// True when `x` replaces `best`; NaN beats everything but an earlier NaN.
bool beats(bool greatest, bool last, float x, float best) {
  if (x != x) return last || best == best;
  if (best != best) return false;
  if (x == best) return last;
  return greatest ? x > best : x < best;
}

int64_t arg_row(const ReduceTable& table, bool greatest, bool last, const float* p, int64_t n) {
  const float best = table.row[greatest ? kAccMax : kAccMin](p, n, 0.0f);
  const bool nan = best != best;
  for (int64_t k = 0; k < n; ++k) {
    const int64_t i = last ? n - 1 - k : k;
    if (nan ? p[i] != p[i] : p[i] == best) return i;
  }
  return 0;
}

}  // namespace

void arg_reduce_f32(Isa isa, bool greatest, bool last, const float* in, int64_t* out, int64_t outer, int64_t axis,
                    int64_t inner, const ParallelFor& parallel) {
  const ReduceTable& table = GF_SIMD_SELECT(isa, kReduceTable);
  const int64_t grain = ceil_div(kChunkElements, axis * inner + 1);
  parallel.chunks(outer, grain, [&](int64_t begin, int64_t end, int) {
    for (int64_t o = begin; o < end; ++o) {
      const float* p = in + o * axis * inner;
      if (inner == 1) {
        out[o] = arg_row(table, greatest, last, p, axis);
        continue;
      }
      for (int64_t first = 0; first < inner; first += kTileColumns) {
        const int64_t cols = lesser(kTileColumns, inner - first);
        float best[kTileColumns];
        int64_t* index = out + o * inner + first;
        for (int64_t c = 0; c < cols; ++c) {
          best[c] = p[first + c];
          index[c] = 0;
        }
        for (int64_t a = 1; a < axis; ++a) {
          const float* q = p + a * inner + first;
          for (int64_t c = 0; c < cols; ++c) {
            if (beats(greatest, last, q[c], best[c])) {
              best[c] = q[c];
              index[c] = a;
            }
          }
        }
      }
    }
  });
}

}  // namespace gf::simd
#endif
