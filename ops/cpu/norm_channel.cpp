// Normalisations with other shapes of groups: lrn (a window of channels), mean_variance and lp normalisation (any axes). All in f64.
#include <cmath>

#include "ops/cpu/op_util.h"
#include "schema/ops/lp_normalization.h"
#include "schema/ops/lrn.h"
#include "schema/ops/mean_variance_normalization.h"

namespace gf::cpu {
namespace {

Error run_lrn(RunContext& context) {
  const auto& a = context.attributes<op::Lrn::Attrs>();
  const TensorView& x = context.input(0);
  const TensorView& y = context.output(0);
  const int64_t channels = x.shape[x.shape.rank - 1];
  const int64_t rows = x.shape.count(0, x.shape.rank - 1);
  const int64_t before = (a.size - 1) / 2;
  const int64_t after = a.size - 1 - before;
  const double factor = static_cast<double>(a.alpha) / static_cast<double>(a.size);
  context.parallel.chunks(rows, row_grain(channels), [&](int64_t begin, int64_t end, int) {
    for (int64_t row = begin; row < end; ++row) {
      for (int64_t c = 0; c < channels; ++c) {
        const int64_t low = c > before ? c - before : 0;
        const int64_t high = channels - 1 - c > after ? c + after : channels - 1;
        double sum = 0, value = 0;
        for (int64_t k = low; k <= high; ++k) {
          load(x, row * channels + k, 1, &value);
          sum += value * value;
        }
        load(x, row * channels + c, 1, &value);
        store_one(y, row * channels + c,
                  value / std::pow(static_cast<double>(a.bias) + factor * sum, static_cast<double>(a.beta)));
      }
    }
  });
  return Error::Ok;
}

Error run_lp(RunContext& context) {
  const auto& a = context.attributes<op::LpNormalization::Attrs>();
  const TensorView& x = context.input(0);
  const TensorView& y = context.output(0);
  const AxisView v = axis_view(x.shape, wrap_axis(a.axis, x.shape.rank));
  context.parallel.chunks(v.outer * v.inner, row_grain(v.length), [&](int64_t begin, int64_t end, int) {
    for (int64_t line = begin; line < end; ++line) {
      const int64_t base = line / v.inner * v.length * v.inner + line % v.inner;
      double norm = 0, value = 0;
      for (int64_t k = 0; k < v.length; ++k) {
        load(x, base + k * v.inner, 1, &value);
        norm += a.p == 1 ? std::fabs(value) : value * value;
      }
      if (a.p == 2) norm = std::sqrt(norm);
      for (int64_t k = 0; k < v.length; ++k) {
        load(x, base + k * v.inner, 1, &value);
        store_one(y, base + k * v.inner, norm == 0.0 ? 0.0 : value / norm);
      }
    }
  });
  return Error::Ok;
}

// One group per combination of kept indices; the walk over a group's elements is the walk over its own sub-shape.
Error run_mean_variance(RunContext& context) {
  const auto& a = context.attributes<op::MeanVarianceNormalization::Attrs>();
  const TensorView& x = context.input(0);
  const TensorView& y = context.output(0);
  uint32_t axes = a.axes.empty() ? (1U << x.shape.rank) - 1U : 0U;
  for (const int64_t axis : a.axes) axes |= 1U << wrap_axis(axis, x.shape.rank);
  int64_t strides[kMaxRank];
  dense_strides(x.shape, strides);
  const auto offset = [&](int64_t index, bool reduced) {
    int64_t at = 0;
    for (int d = x.shape.rank - 1; d >= 0; --d) {
      if (((axes >> d) & 1U) != (reduced ? 1U : 0U)) continue;
      at += index % x.shape[d] * strides[d];
      index /= x.shape[d];
    }
    return at;
  };
  int64_t groups = 1, length = 1;
  for (int d = 0; d < x.shape.rank; ++d) ((axes >> d) & 1U ? length : groups) *= x.shape[d];
  if (length == 0) return Error::Ok;
  context.parallel.chunks(groups, row_grain(length), [&](int64_t begin, int64_t end, int) {
    for (int64_t g = begin; g < end; ++g) {
      const int64_t base = offset(g, false);
      double mean = 0, square = 0, value = 0;
      const auto read = [&](int64_t k) { load(x, base + offset(k, true), 1, &value); };
      for (int64_t k = 0; k < length; ++k) read(k), mean += value;
      mean /= static_cast<double>(length);
      for (int64_t k = 0; k < length; ++k) read(k), square += (value - mean) * (value - mean);
      const double deviation = std::sqrt(square / static_cast<double>(length)) + 1e-9;
      for (int64_t k = 0; k < length; ++k) read(k), store_one(y, base + offset(k, true), (value - mean) / deviation);
    }
  });
  return Error::Ok;
}

Error prepare_inplace(const NodeView&, KernelPlan& plan) {
  plan.inplace_inputs = 1;
  return Error::Ok;
}

}  // namespace

extern const Kernel lrn_kernel;
extern const Kernel lp_normalization_kernel;
extern const Kernel mean_variance_normalization_kernel;
const Kernel lrn_kernel{
    .op = op::Lrn::info.id, .name = "lrn_portable", .rank = 1, .prepare = prepare_any, .run = run_lrn};
const Kernel lp_normalization_kernel{.op = op::LpNormalization::info.id, .name = "lp_normalization_portable", .rank = 1,
                                     .prepare = prepare_inplace, .run = run_lp};
const Kernel mean_variance_normalization_kernel{.op = op::MeanVarianceNormalization::info.id,
                                                .name = "mean_variance_normalization_portable", .rank = 1,
                                                .prepare = prepare_inplace, .run = run_mean_variance};

}  // namespace gf::cpu
