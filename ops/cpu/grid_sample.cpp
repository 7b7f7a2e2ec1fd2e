// grid_sample (channels last): for each output pixel the taps around x = denormalised grid coordinate, weights per axis,
// elements outside by the padding mode. affine_grid: theta times (x, y[, z], 1) of each pixel.
#include "schema/ops/grid_sample.h"

#include <algorithm>
#include <cmath>

#include "ops/cpu/movement.h"
#include "schema/ops/affine_grid.h"

namespace gf::cpu {
namespace {

constexpr int kMaxSpatial = op::GridSample::kMaxSpatial;
constexpr int64_t kPiece = 128;

/// Taps of one coordinate: input indices (-1: a zero) and weights.
template <class C>
struct Taps {
  int64_t index[4];
  C weight[4];
  int count;
};

// Where a coordinate reads. C and Round as in dispatch_rounded.
template <class C, class Round>
class Sampler {
 public:
  Sampler(Round round, const op::GridSample::Attrs& a) : round_(round), a_(a) {}

  Taps<C> taps_of(C coordinate, int64_t length) const {
    const C n = round_(static_cast<C>(length));
    const C low = a_.align_corners ? C(0) : C(-0.5), high = round_(a_.align_corners ? n - 1 : n - C(0.5));
    const C shifted = round_(coordinate + 1);
    C x = round_(a_.align_corners ? round_(shifted / 2) * (n - 1) : round_(round_(shifted * n) - 1) / 2);
    constexpr C kFar = C(1 << 30);
    x = x > -kFar ? (x < kFar ? x : kFar) : -kFar;  // NaN lies before everything
    if (a_.mode == GridMode::Nearest) x = std::nearbyint(x);
    if (x < low || x > high) {
      if (a_.padding == GridPadding::Border) x = x < 0 ? C(0) : std::min(x, n - 1);
      else if (a_.padding == GridPadding::Reflection) x = reflect(x, low, high);
    }
    Taps<C> t;
    if (a_.mode == GridMode::Nearest) {
      t.count = 1;
      t.weight[0] = 1;
      t.index[0] = padded_index(low, high, static_cast<int64_t>(x), length);
      return t;
    }
    const C left = std::floor(x), beyond = round_(x - left);
    t.count = a_.mode == GridMode::Linear ? 2 : 4;
    if (a_.mode == GridMode::Linear) {
      t.weight[1] = beyond;
      t.weight[0] = round_(1 - beyond);
    } else {  // Keys 1981, a = -0.75
      t.weight[0] = far(round_(beyond + 1));
      t.weight[1] = near(beyond);
      t.weight[2] = near(round_(1 - beyond));
      t.weight[3] = far(round_(2 - beyond));
    }
    const int64_t first = static_cast<int64_t>(left) - (t.count == 4 ? 1 : 0);
    for (int k = 0; k < t.count; ++k) t.index[k] = padded_index(low, high, first + k, length);
    return t;
  }

 private:
  // x reflected into [low, high] at both ends as often as needed.
  C reflect(C x, C low, C high) const {
    const C range = round_(high - low);
    if (!(range > 0)) return low;
    const C distance = x < low ? round_(low - x) : (x > high ? round_(x - high) : C(0));
    if (distance == 0) return x;
    const C turns = std::floor(round_(distance / range)), rest = round_(distance - round_(turns * range));
    const bool near_side = std::fmod(turns, C(2)) == 0;
    return round_((x < low) == near_side ? low + rest : high - rest);
  }
  int64_t padded_index(C low, C high, int64_t k, int64_t length) const {
    if (k >= 0 && k < length) return k;
    if (a_.padding == GridPadding::Zeros) return -1;
    if (a_.padding == GridPadding::Border) return k < 0 ? 0 : length - 1;
    const auto r = static_cast<int64_t>(reflect(round_(static_cast<C>(k)), low, high));
    return std::clamp<int64_t>(r, 0, length - 1);
  }
  C near(C x) const {
    constexpr C a = C(-0.75);
    return round_(round_(round_(round_(round_((a + 2) * x) - (a + 3)) * x) * x) + 1);
  }
  C far(C x) const {
    constexpr C a = C(-0.75);
    return round_(round_(round_(round_(round_(round_(a * x) - 5 * a) * x) + 8 * a) * x) - 4 * a);
  }

  Round round_;
  const op::GridSample::Attrs& a_;
};

template <class C, class Round>
void sample_pixel(Round round, const TensorView& x, const Taps<C>* taps, int spatial, int64_t batch, int64_t from, int64_t count,
                  C* sum) {
  int combinations = 1;
  for (int d = 0; d < spatial; ++d) combinations *= taps[d].count;
  for (int64_t i = 0; i < count; ++i) sum[i] = 0;
  for (int k = 0; k < combinations; ++k) {
    int64_t offset = batch;
    C w = 1;
    bool zero = false;
    for (int d = 0, rest = k; d < spatial; ++d) {
      const int tap = rest % taps[d].count;
      rest /= taps[d].count;
      zero |= taps[d].index[tap] < 0;
      offset = offset * x.shape[d + 1] + taps[d].index[tap];
      w = round(w * taps[d].weight[tap]);
    }
    if (zero || w == 0) continue;
    C values[kPiece];
    load(x, offset * x.shape[spatial + 1] + from, count, values);
    for (int64_t i = 0; i < count; ++i) sum[i] = round(sum[i] + round(w * values[i]));
  }
}

Error run_grid_sample(RunContext& c) {
  const auto& a = c.attributes<op::GridSample::Attrs>();
  const TensorView &x = c.input(0), &grid = c.input(1);
  TensorView& y = c.output(0);
  const int spatial = x.shape.rank - 2;
  const int64_t channels = x.shape[spatial + 1];
  const int64_t per_batch = y.shape.count(1, spatial + 1);
  if (y.count() == 0) return Error::Ok;
  return dispatch_rounded(x.dtype, [&]<class C, class Round>(Round round) {
    const Sampler<C, Round> sampler(round, a);
    c.parallel.chunks(y.shape[0] * per_batch, row_grain(channels * 4), [&](int64_t begin, int64_t end, int) {
      for (int64_t p = begin; p < end; ++p) {
        Taps<C> taps[kMaxSpatial];
        for (int d = 0; d < spatial; ++d)  // the grid names the last axis first
          taps[d] = sampler.taps_of(round(load_one<C>(grid, p * spatial + spatial - 1 - d)), x.shape[d + 1]);
        for (int64_t from = 0; from < channels; from += kPiece) {
          const int64_t n = std::min(kPiece, channels - from);
          C sum[kPiece];
          sample_pixel(round, x, taps, spatial, p / per_batch, from, n, sum);
          store(y, p * channels + from, n, sum);
        }
      }
    });
    return Error::Ok;
  });
}

Error run_affine_grid(RunContext& c) {
  const TensorView& theta = c.input(0);
  TensorView& y = c.output(0);
  const bool align = c.attributes<op::AffineGrid::Attrs>().align_corners;
  const int k = y.shape.rank - 2;
  const int64_t pixels = y.shape.count(1, k + 1);
  c.parallel.chunks(y.shape[0] * pixels, row_grain(k * k), [&](int64_t begin, int64_t end, int) {
    for (int64_t p = begin; p < end; ++p) {
      double base[kMaxSpatial + 1];
      int64_t rest = p % pixels;
      for (int d = k - 1; d >= 0; --d) {  // x, y, z: the last axis first
        const double n = static_cast<double>(y.shape[d + 1]), i = static_cast<double>(rest % y.shape[d + 1]);
        rest /= y.shape[d + 1];
        base[k - 1 - d] = align ? (n > 1 ? 2 * i / (n - 1) - 1 : 0) : (2 * i + 1) / n - 1;
      }
      base[k] = 1;
      for (int row = 0; row < k; ++row) {
        double sum = 0;
        for (int col = 0; col <= k; ++col)
          sum += load_one<double>(theta, (p / pixels * k + row) * (k + 1) + col) * base[col];
        store_one(y, p * k + row, sum);
      }
    }
  });
  return Error::Ok;
}

}  // namespace

extern const Kernel grid_sample_kernel, affine_grid_kernel;
const Kernel grid_sample_kernel{
    .op = op::GridSample::info.id, .name = "grid_sample_portable", .rank = 1, .prepare = prepare_any, .run = run_grid_sample};
const Kernel affine_grid_kernel{
    .op = op::AffineGrid::info.id, .name = "affine_grid_portable", .rank = 1, .prepare = prepare_any, .run = run_affine_grid};

}  // namespace gf::cpu
