// Normalisation kernels; see norm.h for the formulas.
#include "ops/cpu/simd/isa_dispatch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/simd/norm.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "ops/cpu/simd/norm.h"
#include "ops/cpu/simd/reduce-inl.h"

#ifndef GF_SIMD_NORM_TABLE
#define GF_SIMD_NORM_TABLE
namespace gf::simd {
struct NormTable {
  void (*rows[2])(const RowNorm& a, int64_t begin, int64_t end);  // layer, rms
  void (*column_sum)(const float* p, int64_t rows, int64_t stride, int64_t cols, const float* bias, float* out);
  void (*column_centred)(const float* p, int64_t rows, int64_t stride, int64_t cols, const float* bias, float* out);
  void (*scale_shift_rows)(const float* in, const float* scale, const float* shift, float* out, int64_t rows,
                           int64_t cols);
  void (*scale_rows)(const float* in, const float* scale, float* out, int64_t rows, int64_t cols);
};
}  // namespace gf::simd
#endif

HWY_BEFORE_NAMESPACE();
namespace gf::simd::HWY_NAMESPACE {
namespace {

// out = f(vector of in, index, how to load what stands beside it) over a row, tail included.
template <class F>
HWY_INLINE void map_row(const float* in, float* out, int64_t n, const F& f) {
  for_vectors(n, [&](int64_t i, auto load, auto store) HWY_ATTR { store(f(load(in + i), i, load), out + i); });
}

// (x - centre) * factor * gamma[i] + beta[i]
template <bool kGamma, bool kBeta>
struct Normalise {
  F32Vec centre, factor;
  const float* gamma;
  const float* beta;
  template <class Load>
  HWY_INLINE F32Vec operator()(F32Vec x, int64_t i, const Load& load) const {
    F32Vec y = hn::Mul(hn::Sub(x, centre), factor);
    if constexpr (kGamma) y = hn::Mul(y, load(gamma + i));
    if constexpr (kBeta) y = hn::Add(y, load(beta + i));
    return y;
  }
};
struct AddRow {
  const float* other;
  template <class Load>
  HWY_INLINE F32Vec operator()(F32Vec x, int64_t i, const Load& load) const { return hn::Add(x, load(other + i)); }
};
struct MulAddRow {
  const float* scale;
  const float* shift;
  template <class Load>
  HWY_INLINE F32Vec operator()(F32Vec x, int64_t i, const Load& load) const { return hn::MulAdd(x, load(scale + i), load(shift + i)); }
};
struct MulRow {
  const float* scale;
  template <class Load>
  HWY_INLINE F32Vec operator()(F32Vec x, int64_t i, const Load& load) const { return hn::Mul(x, load(scale + i)); }
};

// y = x normalised, with the parameters that are there.
HWY_INLINE void normalise_row(const RowNorm& a, const float* x, float* y, F32Vec m, F32Vec s) {
#if GF_SMALL_LOOPS
  // One loop: a parameter that is not there is read from a vector that changes nothing, times 1 or plus -0.
  static const float kNone[8] = {1.0f, 1.0f, 1.0f, 1.0f, -0.0f, -0.0f, -0.0f, -0.0f};
  const float *gamma = a.gamma != nullptr ? a.gamma : kNone, *beta = a.beta != nullptr ? a.beta : kNone + 4;
  const int64_t of_gamma = a.gamma != nullptr ? -1 : 0, of_beta = a.beta != nullptr ? -1 : 0;
  map_row(x, y, a.cols, [=](F32Vec v, int64_t i, const auto& load) {
    return hn::Add(hn::Mul(hn::Mul(hn::Sub(v, m), s), load(gamma + (i & of_gamma))), load(beta + (i & of_beta)));
  });
#else
  if (a.gamma != nullptr && a.beta != nullptr) map_row(x, y, a.cols, Normalise<true, true>{m, s, a.gamma, a.beta});
  else if (a.gamma != nullptr) map_row(x, y, a.cols, Normalise<true, false>{m, s, a.gamma, nullptr});
  else if (a.beta != nullptr) map_row(x, y, a.cols, Normalise<false, true>{m, s, nullptr, a.beta});
  else map_row(x, y, a.cols, Normalise<false, false>{m, s, nullptr, nullptr});
#endif
}

GF_ROW_LOOP void norm_lines(bool centred, const RowNorm& a, int64_t begin, int64_t end) {
  const F32Tag d;
  for (int64_t r = begin; r < end; ++r) {
    const int64_t offset = r * a.cols;
    const float* x = a.in + offset;
    float* y = a.out + offset;
    if (a.residual != nullptr) {
      float* sum = a.sum != nullptr ? a.sum + offset : y;
      map_row(x, sum, a.cols, AddRow{a.residual + offset});
      x = sum;
    }
    const auto count = static_cast<float>(a.cols);
    const float mean = centred ? reduce_row<AccSum>(x, a.cols) / count : 0.0f;
    const float squares = centred ? reduce_row<AccCentredSquare>(x, a.cols, mean) : reduce_row<AccSumSquare>(x, a.cols);
    const float inv_std = 1.0f / std::sqrt(squares / count + a.epsilon);
    if (centred && a.mean != nullptr) a.mean[r] = mean;
    if (a.inv_std != nullptr) a.inv_std[r] = inv_std;
    normalise_row(a, x, y, hn::Set(d, mean), hn::Set(d, inv_std));
  }
}
template <bool kCentre>
void norm_rows(const RowNorm& a, int64_t begin, int64_t end) {
  norm_lines(kCentre, a, begin, end);
}

template <class Acc>
void columns(const float* p, int64_t rows, int64_t stride, int64_t cols, const float* bias, float* out) {
  reduce_columns<Acc>(p, rows, stride, cols, bias, out);
}

void scale_shift_rows(const float* in, const float* scale, const float* shift, float* out, int64_t rows, int64_t cols) {
  for (int64_t r = 0; r < rows; ++r) map_row(in + r * cols, out + r * cols, cols, MulAddRow{scale, shift});
}
void scale_rows(const float* in, const float* scale, float* out, int64_t rows, int64_t cols) {
  for (int64_t r = 0; r < rows; ++r) map_row(in + r * cols, out + r * cols, cols, MulRow{scale});
}
constexpr NormTable kNormTable = {{norm_rows<true>, norm_rows<false>}, columns<AccSum>, columns<AccCentredSquare>,
                                  scale_shift_rows, scale_rows};

}  // namespace
}  // namespace gf::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "ops/cpu/simd/reduce.h"

namespace gf::simd {
namespace {

constexpr int64_t kTaskElements = 16384;

void run_rows(Isa isa, int rms, const RowNorm& args, const ParallelFor& parallel) {
  const NormTable& table = GF_SIMD_SELECT(isa, kNormTable);
  parallel.chunks(args.rows, kTaskElements / (args.cols + 1) + 1,
                  [&](int64_t begin, int64_t end, int) { table.rows[rms](args, begin, end); });
}

}  // namespace

void layer_norm_f32(Isa isa, const RowNorm& args, const ParallelFor& parallel) { run_rows(isa, 0, args, parallel); }
void rms_norm_f32(Isa isa, const RowNorm& args, const ParallelFor& parallel) { run_rows(isa, 1, args, parallel); }

namespace {

int64_t spatial_chunk(int64_t channels) { return kTaskElements / (channels + 1) + 1; }
int64_t spatial_chunks(int64_t spatial, int64_t channels) {
  const int64_t chunk = spatial_chunk(channels);
  return (spatial + chunk - 1) / chunk;
}
constexpr int64_t kStatisticRows = 3;  // per batch: mean, scale, shift by channel

// Per-channel partials of one batch element -> one value per group, in f64 (few values), spread over its channels.
void spread_group_means(const float* partials, int64_t chunks, int64_t channels, int64_t groups, double count,
                        float* out) {
  const int64_t width = channels / groups;
  for (int64_t g = 0; g < groups; ++g) {
    double sum = 0;
    for (int64_t k = 0; k < chunks; ++k) {
      for (int64_t c = g * width; c < (g + 1) * width; ++c) sum += static_cast<double>(partials[k * channels + c]);
    }
    for (int64_t c = g * width; c < (g + 1) * width; ++c) out[c] = static_cast<float>(sum / count);
  }
}

}  // namespace

size_t group_norm_scratch_bytes(int64_t batch, int64_t spatial, int64_t channels) {
  const int64_t rows = batch * (spatial_chunks(spatial, channels) + kStatisticRows);
  return sizeof(float) * static_cast<size_t>(rows * channels);
}

void group_norm_f32(Isa isa, const float* in, const float* gamma, const float* beta, float* out, int64_t batch,
                    int64_t spatial, int64_t channels, int64_t groups, float epsilon, void* scratch,
                    const ParallelFor& parallel) {
  if (batch <= 0 || spatial <= 0 || channels <= 0) return;
  const NormTable& table = GF_SIMD_SELECT(isa, kNormTable);
  const int64_t chunk = spatial_chunk(channels), chunks = spatial_chunks(spatial, channels);
  auto* partials = static_cast<float*>(scratch);
  float* statistics = partials + batch * chunks * channels;
  const double count = static_cast<double>(spatial) * static_cast<double>(channels / groups);
  // One pass over all chunks: f(batch index, pointer offset, rows, chunk index).
  const auto each_chunk = [&](auto&& f) {
    parallel(batch * chunks, [&](int64_t task, int) {
      const int64_t n = task / chunks, first = task % chunks * chunk;
      const int64_t rows = spatial - first < chunk ? spatial - first : chunk;
      f(n, (n * spatial + first) * channels, rows, task);
    });
  };
  each_chunk([&](int64_t, int64_t offset, int64_t rows, int64_t task) {
    table.column_sum(in + offset, rows, channels, channels, nullptr, partials + task * channels);
  });
  for (int64_t n = 0; n < batch; ++n) {
    spread_group_means(partials + n * chunks * channels, chunks, channels, groups, count,
                       statistics + n * kStatisticRows * channels);
  }
  each_chunk([&](int64_t n, int64_t offset, int64_t rows, int64_t task) {
    table.column_centred(in + offset, rows, channels, channels, statistics + n * kStatisticRows * channels,
                         partials + task * channels);
  });
  for (int64_t n = 0; n < batch; ++n) {
    const float* mean = statistics + n * kStatisticRows * channels;
    float* scale = statistics + (n * kStatisticRows + 1) * channels;
    float* shift = scale + channels;
    spread_group_means(partials + n * chunks * channels, chunks, channels, groups, count, scale);
    for (int64_t c = 0; c < channels; ++c) {
      scale[c] = (gamma == nullptr ? 1.0f : gamma[c]) / std::sqrt(scale[c] + epsilon);
      shift[c] = (beta == nullptr ? 0.0f : beta[c]) - mean[c] * scale[c];
    }
  }
  each_chunk([&](int64_t n, int64_t offset, int64_t rows, int64_t) {
    const float* scale = statistics + (n * kStatisticRows + 1) * channels;
    table.scale_shift_rows(in + offset, scale, scale + channels, out + offset, rows, channels);
  });
}

size_t lp_normalize_scratch_bytes(int64_t outer, int64_t axis, int64_t inner) {
  return sizeof(float) * static_cast<size_t>(outer * inner) + 64 + reduce_scratch_bytes(ReduceKind::L2, outer, axis, inner);
}

void lp_normalize_f32(Isa isa, int p, const float* in, float* out, int64_t outer, int64_t axis, int64_t inner,
                      float epsilon, void* scratch, const ParallelFor& parallel) {
  const NormTable& table = GF_SIMD_SELECT(isa, kNormTable);
  auto* factors = static_cast<float*>(scratch);
  const int64_t n = outer * inner;
  reduce_f32(isa, p == 1 ? ReduceKind::L1 : ReduceKind::L2, in, factors, outer, axis, inner, factors + n, parallel);
  for (int64_t i = 0; i < n; ++i) {
    const float norm = factors[i] < epsilon ? epsilon : factors[i];
    factors[i] = norm == 0.0f ? 0.0f : 1.0f / norm;
  }
  parallel.chunks(outer * axis, kTaskElements / (inner + 1) + 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t r = begin; r < end; ++r) {
      const float* f = factors + r / axis * inner;
      if (inner == 1) out[r] = in[r] * *f;
      else table.scale_rows(in + r * inner, f, out + r * inner, 1, inner);
    }
  });
}

}  // namespace gf::simd
#endif
