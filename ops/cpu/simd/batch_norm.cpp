// Batch normalisation by channel; see batch_norm.h. A block of rows per task; inside it runs of rows pile up in registers, one vector of
// channels after the other, before they join the block's sums, so that rounding stays small.
#include "ops/cpu/simd/isa_dispatch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/simd/batch_norm.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "ops/cpu/simd/batch_norm.h"
#include "ops/cpu/simd/math_util-inl.h"

#ifndef GF_SIMD_BATCH_NORM_TABLE
#define GF_SIMD_BATCH_NORM_TABLE
namespace gf::simd {
inline constexpr int64_t kBatchRun = 32;  // rows that are added up before they join the rest

/// What the last pass of the gradient reads per channel besides mean and bias, [channels] each: dx = scale * g + (x - mean) * slope + shift.
struct BatchNormMap {
  const float *scale, *slope, *shift;
};

struct BatchNormTable {
  /// sums [3, cols]: a centre, sums of x - centre, sums of its square.
  void (*statistics)(const float* x, int64_t rows, int64_t cols, float* sums);
  /// By activation: none, relu, clamp.
  void (*normalise[3])(const BatchNormArgs& a, int64_t begin, int64_t end);
  /// sums [2, cols]: of g, of g * (x - mean), rows [begin, end).
  void (*sums[3])(const BatchNormGradArgs& a, const BatchNormMap& m, int64_t begin, int64_t end, float* sums);
  void (*gradient[3])(const BatchNormGradArgs& a, const BatchNormMap& m, int64_t begin, int64_t end);
};
}  // namespace gf::simd
#endif

HWY_BEFORE_NAMESPACE();
namespace gf::simd::HWY_NAMESPACE {
namespace {

constexpr int kRelu = 1, kClamp = 2;
#undef GF_ACTIVATION_KIND
#if GF_SMALL_LOOPS
#define GF_ACTIVATION_KIND(a) static_cast<int>((a).activation.kind)  // one loop, whatever the activation
#else
#define GF_ACTIVATION_KIND(a) kActivation
#endif

// f(first, last) for each run of rows.
template <class F>
HWY_INLINE void for_runs(int64_t begin, int64_t end, F&& f) {
  for (int64_t row = begin; row < end; row += kBatchRun) f(row, row + kBatchRun < end ? row + kBatchRun : end);
}

void statistics(const float* x, int64_t rows, int64_t cols, float* sums) {
  const F32Tag d;
  float *centre = sums, *sum = sums + cols, *square = sums + 2 * cols;
  const int64_t some = rows < kBatchRun ? rows : kBatchRun;
  const F32Vec factor = hn::Set(d, 1.0f / static_cast<float>(some));
  for_long_bodies(cols, [&](int64_t j, auto load, auto store) HWY_ATTR {
    F32Vec s = hn::Zero(d);
    for (int64_t row = 0; row < some; ++row) s = hn::Add(s, load(x + row * cols + j));
    store(hn::Mul(s, factor), centre + j);
    store(hn::Zero(d), sum + j);
    store(hn::Zero(d), square + j);
  });
  for_runs(0, rows, [&](int64_t first, int64_t last) HWY_ATTR {
    for_long_bodies(cols, [&](int64_t j, auto load, auto store) HWY_ATTR {
      const F32Vec c = load(centre + j);
      F32Vec s = hn::Zero(d), q = hn::Zero(d);
      for (int64_t row = first; row < last; ++row) {
        const F32Vec v = hn::Sub(load(x + row * cols + j), c);
        s = hn::Add(s, v);
        q = hn::MulAdd(v, v, q);
      }
      store(hn::Add(load(sum + j), s), sum + j);
      store(hn::Add(load(square + j), q), square + j);
    });
  });
}

template <int kActivation>
void normalise(const BatchNormArgs& a, int64_t begin, int64_t end) {
  const F32Tag d;
  const int kind = GF_ACTIVATION_KIND(a);
  const F32Vec low = hn::Set(d, a.activation.a), high = hn::Set(d, a.activation.b);
  for (int64_t row = begin; row < end; ++row) {
    const float* in = a.in + row * a.channels;
    float* out = a.out + row * a.channels;
    for_long_bodies(a.channels, [&](int64_t j, auto load, auto store) HWY_ATTR {
      F32Vec y = hn::MulAdd(hn::Sub(load(in + j), load(a.mean + j)), load(a.scale + j), load(a.bias + j));
      if (kind == kRelu) y = hn::IfThenZeroElse(hn::Lt(y, hn::Zero(d)), y);
      if (kind == kClamp) y = clip(y, low, high);
      store(y, out + j);
    });
  }
}

// dy where the activation lets its argument through: relu what is above 0, clamp its ends too (as the gradients of the ops relu and clip).
struct Gate {
  F32Vec low, high;
  explicit Gate(const ActivationSpec& f) : low(hn::Set(F32Tag(), f.a)), high(hn::Set(F32Tag(), f.b)) {}
  HWY_INLINE F32Vec operator()(int kind, F32Vec centred, F32Vec dy, F32Vec scale, F32Vec bias) const {
    if (kind == 0) return dy;
    const F32Vec s = hn::MulAdd(centred, scale, bias);
    if (kind == kRelu) return hn::IfThenZeroElse(hn::Le(s, hn::Zero(F32Tag())), dy);
    return hn::IfThenElseZero(hn::And(hn::Ge(s, low), hn::Le(s, high)), dy);
  }
};

template <int kActivation>
void gradient_sums(const BatchNormGradArgs& a, const BatchNormMap& m, int64_t begin, int64_t end, float* sums) {
  const F32Tag d;
  const int64_t cols = a.channels;
  const int kind = GF_ACTIVATION_KIND(a);
  const Gate gate(a.activation);
  for_long_bodies(cols, [&](int64_t j, auto, auto store) HWY_ATTR {
    store(hn::Zero(d), sums + j);
    store(hn::Zero(d), sums + cols + j);
  });
  for_runs(begin, end, [&](int64_t first, int64_t last) HWY_ATTR {
    for_long_bodies(cols, [&](int64_t j, auto load, auto store) HWY_ATTR {
      const F32Vec mean = load(a.mean + j), scale = load(m.scale + j), bias = kind == 0 ? scale : load(a.beta + j);
      F32Vec of_g = hn::Zero(d), of_gx = hn::Zero(d);
      for (int64_t row = first; row < last; ++row) {
        const F32Vec x = hn::Sub(load(a.x + row * cols + j), mean), g = gate(kind, x, load(a.dy + row * cols + j), scale, bias);
        of_g = hn::Add(of_g, g);
        of_gx = hn::MulAdd(g, x, of_gx);
      }
      store(hn::Add(load(sums + j), of_g), sums + j);
      store(hn::Add(load(sums + cols + j), of_gx), sums + cols + j);
    });
  });
}

template <int kActivation>
void gradient(const BatchNormGradArgs& a, const BatchNormMap& m, int64_t begin, int64_t end) {
  const int64_t cols = a.channels;
  const int kind = GF_ACTIVATION_KIND(a);
  const Gate gate(a.activation);
  for (int64_t row = begin; row < end; ++row) {
    const float *px = a.x + row * cols, *dy = a.dy + row * cols;
    float* dx = a.dx + row * cols;
    for_long_bodies(cols, [&](int64_t j, auto load, auto store) HWY_ATTR {
      const F32Vec x = hn::Sub(load(px + j), load(a.mean + j)), scale = load(m.scale + j);
      const F32Vec g = gate(kind, x, load(dy + j), scale, kind == 0 ? scale : load(a.beta + j));
      store(hn::MulAdd(scale, g, hn::MulAdd(x, load(m.slope + j), load(m.shift + j))), dx + j);
    });
  }
}

#if GF_SMALL_LOOPS
constexpr BatchNormTable kBatchNormTable = {statistics,
                                            {normalise<0>, normalise<0>, normalise<0>},
                                            {gradient_sums<0>, gradient_sums<0>, gradient_sums<0>},
                                            {gradient<0>, gradient<0>, gradient<0>}};
#else
constexpr BatchNormTable kBatchNormTable = {statistics,
                                            {normalise<0>, normalise<kRelu>, normalise<kClamp>},
                                            {gradient_sums<0>, gradient_sums<kRelu>, gradient_sums<kClamp>},
                                            {gradient<0>, gradient<kRelu>, gradient<kClamp>}};
#endif

}  // namespace
}  // namespace gf::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <cmath>

namespace gf::simd {
namespace {

constexpr int64_t kTaskElements = 16384;

// Blocks of about 64 rows, 64 of them at most. Never fewer for more rows: scratch is measured at the upper bound.
int64_t blocks_of(int64_t rows) { return rows < 128 ? 1 : rows > 64 * 64 ? 64 : rows / 64; }
size_t floats(int64_t count) { return sizeof(float) * static_cast<size_t>(count); }
size_t index_of(const ActivationSpec& f) { return static_cast<size_t>(f.kind); }
static_assert(static_cast<int>(Activation::Relu) == 1 && static_cast<int>(Activation::Clamp) == 2, "the tables are indexed by them");

// f(block, begin, end) over the rows.
template <class F>
void each_block(int64_t rows, const ParallelFor& parallel, F&& f) {
  const int64_t blocks = blocks_of(rows);
  parallel(blocks, [&](int64_t block, int) { f(block, block * rows / blocks, (block + 1) * rows / blocks); });
}

}  // namespace

size_t batch_statistics_scratch_bytes(int64_t rows, int64_t channels) { return floats(3 * blocks_of(rows) * channels); }

void batch_statistics_f32(Isa isa, const float* x, int64_t rows, int64_t channels, float* mean, float* variance, void* scratch,
                          const ParallelFor& parallel) {
  const BatchNormTable& table = GF_SIMD_SELECT(isa, kBatchNormTable);
  auto* sums = static_cast<float*>(scratch);
  each_block(rows, parallel, [&](int64_t block, int64_t begin, int64_t end) {
    table.statistics(x + begin * channels, end - begin, channels, sums + block * 3 * channels);
  });
  const int64_t blocks = blocks_of(rows);
  const auto n = static_cast<double>(rows);
  for (int64_t c = 0; c < channels; ++c) {  // Chan, Golub & LeVeque 1979: squares around the mean from those around each block's
    const auto at = [&](int64_t block, int64_t k) { return static_cast<double>(sums[(block * 3 + k) * channels + c]); };
    double sum = 0, squares = 0;
    for (int64_t b = 0; b < blocks; ++b) {
      const auto own = static_cast<double>((b + 1) * rows / blocks - b * rows / blocks);
      sum += own * at(b, 0) + at(b, 1);
    }
    const double centre = sum / n;
    for (int64_t b = 0; b < blocks; ++b) {
      const auto own = static_cast<double>((b + 1) * rows / blocks - b * rows / blocks);
      const double off = at(b, 0) - centre;
      squares += at(b, 2) + 2 * off * at(b, 1) + own * off * off;
    }
    mean[c] = static_cast<float>(centre);
    variance[c] = static_cast<float>(squares > 0 || squares != squares ? squares / n : 0);
  }
}

void batch_norm_scale(const float* gamma, const float* variance, float epsilon, int64_t channels, float* scale) {
  for (int64_t c = 0; c < channels; ++c)
    scale[c] = static_cast<float>(static_cast<double>(gamma[c]) / std::sqrt(static_cast<double>(variance[c]) + epsilon));
}

void batch_norm_f32(Isa isa, const BatchNormArgs& a, const ParallelFor& parallel) {
  const auto run = GF_SIMD_SELECT(isa, kBatchNormTable).normalise[index_of(a.activation)];
  parallel.chunks(a.rows, kTaskElements / (a.channels + 1) + 1, [&](int64_t begin, int64_t end, int) { run(a, begin, end); });
}

size_t batch_norm_grad_scratch_bytes(int64_t rows, int64_t channels) { return floats((2 * blocks_of(rows) + 3) * channels); }

void batch_norm_grad_f32(Isa isa, const BatchNormGradArgs& a, void* scratch, const ParallelFor& parallel) {
  const BatchNormTable& table = GF_SIMD_SELECT(isa, kBatchNormTable);
  auto* scale = static_cast<float*>(scratch);
  float *slope = scale + a.channels, *shift = slope + a.channels, *sums = shift + a.channels;
  batch_norm_scale(a.gamma, a.variance, a.epsilon, a.channels, scale);
  const BatchNormMap m{scale, slope, shift};
  each_block(a.rows, parallel, [&](int64_t block, int64_t begin, int64_t end) {
    table.sums[index_of(a.activation)](a, m, begin, end, sums + block * 2 * a.channels);
  });
  const auto n = static_cast<double>(a.rows);
  for (int64_t c = 0; c < a.channels; ++c) {
    double of_g = 0, of_gx = 0;
    for (int64_t b = 0; b < blocks_of(a.rows); ++b) {
      of_g += static_cast<double>(sums[2 * b * a.channels + c]);
      of_gx += static_cast<double>(sums[(2 * b + 1) * a.channels + c]);
    }
    const double square = 1 / (static_cast<double>(a.variance[c]) + a.epsilon), r = std::sqrt(square);
    const double s = static_cast<double>(a.gamma[c]) * r;
    slope[c] = static_cast<float>(-s * square * of_gx / n);
    shift[c] = static_cast<float>(-s * of_g / n);
    if (a.dgamma != nullptr) a.dgamma[c] = static_cast<float>(r * of_gx);
    if (a.dbeta != nullptr) a.dbeta[c] = static_cast<float>(of_g);
  }
  parallel.chunks(a.rows, kTaskElements / (a.channels + 1) + 1,
                  [&](int64_t begin, int64_t end, int) { table.gradient[index_of(a.activation)](a, m, begin, end); });
}

}  // namespace gf::simd
#endif
