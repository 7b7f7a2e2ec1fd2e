// Normalisations over rows and groups: layer, rms, group, instance. Statistics are computed in f64 with two passes (mean,
// then squared distances), so nothing cancels; each row or group is one thread's work.
#include <cmath>

#include "ops/cpu/op_util.h"
#include "schema/ops/group_norm.h"
#include "schema/ops/instance_norm.h"
#include "schema/ops/layer_norm.h"
#include "schema/ops/rms_norm.h"

namespace gf::cpu {
namespace {

constexpr int64_t kTile = 128;

// Elements of a group: `runs` runs of `length` elements, `stride` apart, from `base`.
struct Group {
  int64_t base = 0, runs = 1, length = 0, stride = 0;
  int64_t count() const { return runs * length; }
};

// f(position in the run, tile, count) over all elements; `write`: the tile is stored back to y.
template <class F>
void for_tiles(const Group& g, const TensorView& x, const TensorView* y, F&& f) {
  double tile[kTile];
  for (int64_t r = 0; r < g.runs; ++r) {
    for (int64_t at = 0; at < g.length; at += kTile) {
      const int64_t count = g.length - at < kTile ? g.length - at : kTile;
      const int64_t first = g.base + r * g.stride + at;
      load(x, first, count, tile);
      f(at, tile, count);
      if (y != nullptr) store(*y, first, count, tile);
    }
  }
}

struct Moments {
  double mean = 0;
  double inverse = 0;  // 1 / sqrt(var + epsilon)
};

Moments moments(const Group& g, const TensorView& x, bool centre, double epsilon) {
  Moments m;
  const double n = static_cast<double>(g.count());
  if (centre) {
    double sum = 0;
    for_tiles(g, x, nullptr, [&](int64_t, const double* tile, int64_t count) {
      for (int64_t k = 0; k < count; ++k) sum += tile[k];
    });
    m.mean = sum / n;
  }
  double squares = 0;
  for_tiles(g, x, nullptr, [&](int64_t, const double* tile, int64_t count) {
    for (int64_t k = 0; k < count; ++k) squares += (tile[k] - m.mean) * (tile[k] - m.mean);
  });
  m.inverse = 1.0 / std::sqrt(squares / n + epsilon);
  return m;
}

// y = (x - mean) * inverse * scale + bias; parameters are indexed by position in the run plus `first`.
void apply(const Group& g, const Moments& m, const TensorView& x, const TensorView& y, const TensorView& scale,
           const TensorView* bias, int64_t first) {
  const int64_t scale_step = scale.count() == 1 ? 0 : 1;
  const int64_t bias_step = bias == nullptr || bias->count() == 1 ? 0 : 1;
  for_tiles(g, x, &y, [&](int64_t at, double* tile, int64_t count) {
    double s[kTile], b[kTile] = {};
    load(scale, (first + at) * scale_step, scale_step, count, s);
    if (bias != nullptr) load(*bias, (first + at) * bias_step, bias_step, count, b);
    for (int64_t k = 0; k < count; ++k) tile[k] = (tile[k] - m.mean) * m.inverse * s[k] + b[k];
  });
}

void store_statistic(RunContext& context, int output, int64_t index, double value) {
  if (context.has_output(output)) store_one(context.output(output), index, value);
}

Error run_layer_norm(RunContext& context) {
  const auto& a = context.attributes<op::LayerNorm::Attrs>();
  const TensorView& x = context.input(0);
  const int axis = wrap_axis(a.axis, x.shape.rank);
  const int64_t length = x.shape.count(axis, x.shape.rank);
  const TensorView* bias = context.has_input(2) ? &context.input(2) : nullptr;
  context.parallel.chunks(x.shape.count(0, axis), row_grain(length), [&](int64_t begin, int64_t end, int) {
    for (int64_t row = begin; row < end; ++row) {
      const Group g{row * length, 1, length, 0};
      const Moments m = moments(g, x, true, static_cast<double>(a.epsilon));
      apply(g, m, x, context.output(0), context.input(1), bias, 0);
      store_statistic(context, 1, row, m.mean);
      store_statistic(context, 2, row, m.inverse);
    }
  });
  return Error::Ok;
}

Error run_rms_norm(RunContext& context) {
  const auto& a = context.attributes<op::RmsNorm::Attrs>();
  const TensorView& x = context.input(0);
  const int axis = wrap_axis(a.axis, x.shape.rank);
  const int64_t length = x.shape.count(axis, x.shape.rank);
  context.parallel.chunks(x.shape.count(0, axis), row_grain(length), [&](int64_t begin, int64_t end, int) {
    for (int64_t row = begin; row < end; ++row) {
      const Group g{row * length, 1, length, 0};
      const Moments m = moments(g, x, false, static_cast<double>(a.epsilon));
      apply(g, m, x, context.output(0), context.input(1), nullptr, 0);
      store_statistic(context, 1, row, m.inverse);
    }
  });
  return Error::Ok;
}

Error group_norm(RunContext& context, int64_t groups, float epsilon) {
  const TensorView& x = context.input(0);
  const int64_t batch = x.shape[0];
  const int64_t channels = x.shape[x.shape.rank - 1];
  const int64_t space = x.shape.count(1, x.shape.rank - 1);
  if (x.count() == 0) return Error::Ok;
  if (channels % groups != 0)  // known only now when the number of channels was dynamic
    return GF_FAIL(context.detail, Error::BadData, context.node, "num_groups %lld does not divide the %lld channels",
                   static_cast<long long>(groups), static_cast<long long>(channels));
  const int64_t length = channels / groups;
  context.parallel(batch * groups, [&](int64_t task, int) {
    const int64_t first = task % groups * length;
    const Group g{task / groups * space * channels + first, space, length, channels};
    const Moments m = moments(g, x, true, static_cast<double>(epsilon));
    apply(g, m, x, context.output(0), context.input(1), &context.input(2), first);
    store_statistic(context, 1, task, m.mean);
    store_statistic(context, 2, task, m.inverse);
  });
  return Error::Ok;
}

Error run_group_norm(RunContext& context) {
  const auto& a = context.attributes<op::GroupNorm::Attrs>();
  return group_norm(context, a.num_groups, a.epsilon);
}

Error run_instance_norm(RunContext& context) {
  const TensorView& x = context.input(0);
  return group_norm(context, x.shape[x.shape.rank - 1], context.attributes<op::InstanceNorm::Attrs>().epsilon);
}

Error prepare(const NodeView&, KernelPlan& plan) {
  plan.inplace_inputs = 1;  // a group is read to its end before it is written, and groups do not overlap
  return Error::Ok;
}

}  // namespace

extern const Kernel layer_norm_kernel;
extern const Kernel rms_norm_kernel;
extern const Kernel group_norm_kernel;
extern const Kernel instance_norm_kernel;
const Kernel layer_norm_kernel{
    .op = op::LayerNorm::info.id, .name = "layer_norm_portable", .rank = 1, .prepare = prepare, .run = run_layer_norm};
const Kernel rms_norm_kernel{
    .op = op::RmsNorm::info.id, .name = "rms_norm_portable", .rank = 1, .prepare = prepare, .run = run_rms_norm};
const Kernel group_norm_kernel{
    .op = op::GroupNorm::info.id, .name = "group_norm_portable", .rank = 1, .prepare = prepare, .run = run_group_norm};
const Kernel instance_norm_kernel{.op = op::InstanceNorm::info.id, .name = "instance_norm_portable", .rank = 1,
                                  .prepare = prepare, .run = run_instance_norm};

}  // namespace gf::cpu
